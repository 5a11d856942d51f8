import ca.uhn.fhir.batch2.jobs.bulkmodify.reindex.ReindexProvider;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.IDaoRegistry;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.StoreMetaSourceInformationEnum;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.DatabaseBinaryContentStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HibernatePropertiesProvider;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.r4b.JpaR4BConfig;
import ca.uhn.fhir.jpa.config.r5.JpaR5Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.config.util.ResourceCountCacheUtil;
import ca.uhn.fhir.jpa.dao.FulltextSearchSvcImpl;
import ca.uhn.fhir.jpa.dao.IFulltextSearchSvc;
import ca.uhn.fhir.jpa.dao.expunge.IExpungeEverythingService;
import ca.uhn.fhir.jpa.dao.search.HSearchSortHelperImpl;
import ca.uhn.fhir.jpa.dao.search.IHSearchSortHelper;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.DaoRegistryResourceSupportedSvc;
import ca.uhn.fhir.jpa.provider.DiffProvider;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.ValueSetOperationProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.search.IStaleSearchDeletingSvc;
import ca.uhn.fhir.jpa.search.StaleSearchDeletingSvcImpl;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import ca.uhn.fhir.jpa.util.MemoryCacheService;
import ca.uhn.fhir.jpa.util.ResourceCountCache;
import ca.uhn.fhir.narrative2.NullNarrativeGenerator;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.IResourceSupportedSvc;
import ca.uhn.fhir.rest.api.server.SystemRequestDetails;
import ca.uhn.fhir.rest.server.IncomingRequestAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.ResponseHighlighterInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hibernate.dialect.Dialect;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.annotation.EnableTransactionManagement;

/**
 * A HAPI FHIR server for tests: Jetty and H2 on the loopback interface, set up as HAPI's own starter project does it.
 *
 * <p>Settings are system properties:
 * <ul>
 *   <li>fhir: R4 (default), R4B or R5</li>
 *   <li>port: 0 (default) takes a free one</li>
 *   <li>database: memory (default), or the path of a file without its suffix, kept across restarts as PATH.mv.db</li>
 *   <li>database-options: of H2, for a file. ;WRITE_DELAY=0 keeps every acknowledged write through a kill (as it comes,
 *       the last half second may be lost), for a file ten times as large</li>
 *   <li>url-file: a file that gets the base URL once there is one</li>
 *   <li>parent: the process whose end ends the server, so that a test run leaves none behind</li>
 *   <li>meta-source, search-cache-ms, match-url-cache, mass-ingestion, reference-integrity: see storageSettings; the
 *       starter's values if nothing else is said</li>
 * </ul>
 */
public final class HapiServer {

  public static void main(String[] args) throws Exception {
    var context = new AnnotationConfigApplicationContext();
    context.setAllowBeanDefinitionOverriding(false);
    context.getDefaultListableBeanFactory().setAllowCircularReferences(true);
    String release = setting("fhir", "R4");
    switch (release) {
      case "R4" -> context.register(Beans.class, JpaR4Config.class);
      case "R4B" -> context.register(Beans.class, JpaR4BConfig.class, SubscriptionTopicConfig.class);
      case "R5" -> context.register(Beans.class, JpaR5Config.class, SubscriptionTopicConfig.class);
      default -> throw new IllegalArgumentException("fhir must be R4, R4B or R5, not " + release);
    }
    String parent = setting("parent", "");
    if (!parent.isEmpty()) {
      ProcessHandle.of(Long.parseLong(parent)).orElseThrow().onExit().thenRun(() -> Runtime.getRuntime().exit(0));
    }
    context.refresh();

    var http = new HttpConfiguration();
    http.setSendServerVersion(false);
    http.setUriCompliance(UriCompliance.LEGACY); // "identifier=system|value" unescaped, as the starter allows
    var jetty = new Server();
    var connector = new ServerConnector(jetty, new HttpConnectionFactory(http));
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(setting("port", "0")));
    jetty.addConnector(connector);
    var web = new ServletContextHandler("/");
    var servlet = new ServletHolder(rest(context));
    servlet.setInitOrder(1);
    web.addServlet(servlet, "/fhir/*");
    web.addServlet(new ServletHolder(emptying(context)), "/empty");
    jetty.setHandler(web);
    jetty.setStopAtShutdown(true);
    jetty.start();
    Runtime.getRuntime().addShutdownHook(new Thread(context::close));

    String url = "http://" + connector.getHost() + ":" + connector.getLocalPort() + "/fhir";
    Path written = Path.of(setting("url-file", "url"));
    Path unfinished = Path.of(written + ".unfinished");
    Files.writeString(unfinished, url);
    Files.move(unfinished, written, StandardCopyOption.ATOMIC_MOVE); // whoever waits for it reads all or nothing
    jetty.join();
  }

  private static String setting(String name, String otherwise) {
    return System.getProperty(name, otherwise);
  }

  private static boolean flag(String name, boolean otherwise) {
    return Boolean.parseBoolean(setting(name, String.valueOf(otherwise)));
  }

  /** Takes everything out at a POST to /empty. HAPI's own $expunge would do it only with settings that hospitals lack. */
  private static HttpServlet emptying(AnnotationConfigApplicationContext context) {
    return new HttpServlet() {
      @Override
      protected void doPost(HttpServletRequest request, HttpServletResponse response) {
        context.getBean(IExpungeEverythingService.class).expungeEverything(new SystemRequestDetails());
        context.getBean(MemoryCacheService.class).invalidateAllCaches();
      }
    };
  }

  private static RestfulServer rest(AnnotationConfigApplicationContext context) {
    FhirContext fhir = context.getBean(FhirContext.class);
    fhir.setNarrativeGenerator(new NullNarrativeGenerator());
    IFhirSystemDao<?, ?> systemDao = context.getBean(IFhirSystemDao.class);
    JpaStorageSettings storage = context.getBean(JpaStorageSettings.class);
    var server = new RestfulServer(fhir);
    server.registerProviders(context.getBean(ResourceProviderFactory.class).createProviders());
    server.registerProvider(context.getBean(IJpaSystemProvider.class));
    server.registerProvider(context.getBean(ValueSetOperationProvider.class));
    server.registerProvider(context.getBean(ReindexProvider.class));
    server.registerProvider(context.getBean(DiffProvider.class));
    var capability = new JpaCapabilityStatementProvider(server, systemDao, storage,
        context.getBean(ISearchParamRegistry.class), context.getBean(IValidationSupport.class));
    capability.setImplementationDescription("HAPI FHIR server for tests");
    server.setServerConformanceProvider(capability);
    server.setDefaultPrettyPrint(false);
    server.setDefaultResponseEncoding(EncodingEnum.JSON);
    server.setPagingProvider(context.getBean(DatabaseBackedPagingProvider.class));
    server.setServerAddressStrategy(new IncomingRequestAddressStrategy());
    server.registerInterceptor(new ResponseHighlighterInterceptor());
    context.getAutowireCapableBeanFactory().autowireBean(server);
    return server;
  }

  @Configuration
  @EnableTransactionManagement
  @Import({ThreadPoolFactoryConfig.class, SubscriptionSubmitterConfig.class, SubscriptionProcessorConfig.class,
      SubscriptionChannelConfig.class, JpaBatch2Config.class, Batch2JobsConfig.class})
  public static class Beans {

    /** The values of the stock hapi-fhir-jpaserver-starter where they differ from the library's own. */
    @Bean
    public JpaStorageSettings storageSettings() {
      var settings = new JpaStorageSettings();
      settings.setAllowContainsSearches(true);
      settings.setExpungeEnabled(true);
      settings.setFilterParameterEnabled(true);
      settings.setFetchSizeDefaultMaximum(Integer.MAX_VALUE);
      settings.setSearchPreFetchThresholds(List.of(13, 503, 2003, -1));
      long cacheMs = Long.parseLong(setting("search-cache-ms", "60000"));
      settings.setReuseCachedSearchResultsForMillis(cacheMs > 0 ? cacheMs : null);
      settings.setDefaultSearchParamsCanBeOverridden(true);
      settings.setMatchUrlCacheEnabled(flag("match-url-cache", false));
      settings.setMassIngestionMode(flag("mass-ingestion", false));
      settings.setEnforceReferentialIntegrityOnWrite(flag("reference-integrity", true));
      settings.setStoreMetaSourceInformation(StoreMetaSourceInformationEnum.valueOf(setting("meta-source", "NONE")));
      settings.setTreatReferencesAsLogical(Set.of(
          "http://terminology.hl7.org/*", "https://terminology.hl7.org/*",
          "http://snomed.info/*", "https://snomed.info/*",
          "http://unitsofmeasure.org/*", "https://unitsofmeasure.org/*",
          "http://loinc.org/*", "https://loinc.org/*"));
      return settings;
    }

    @Bean
    public PartitionSettings partitionSettings() {
      return new PartitionSettings();
    }

    @Bean
    public SubscriptionSettings subscriptionSettings() {
      return new SubscriptionSettings();
    }

    @Bean
    public IEmailSender emailSender() {
      return details -> {};
    }

    @Bean
    public IBinaryStorageSvc binaryStorage() {
      return new DatabaseBinaryContentStorageSvcImpl();
    }

    @Bean
    public IFulltextSearchSvc fulltextSearch() {
      return new FulltextSearchSvcImpl();
    }

    @Bean
    public IHSearchSortHelper sortHelper(ISearchParamRegistry registry) {
      return new HSearchSortHelperImpl(registry);
    }

    @Bean
    public IStaleSearchDeletingSvc staleSearches() {
      return new StaleSearchDeletingSvcImpl();
    }

    @Bean
    public IResourceSupportedSvc resourceSupport(IDaoRegistry registry) {
      return new DaoRegistryResourceSupportedSvc(registry);
    }

    @Bean(name = "myResourceCountsCache")
    public ResourceCountCache counts(IFhirSystemDao<?, ?> systemDao) {
      return ResourceCountCacheUtil.newResourceCountCache(systemDao);
    }

    @Bean
    public DatabaseBackedPagingProvider paging() {
      var pages = new DatabaseBackedPagingProvider();
      pages.setDefaultPageSize(20);
      pages.setMaximumPageSize(Integer.MAX_VALUE);
      return pages;
    }

    @Bean
    public DataSource dataSource() {
      String database = setting("database", "memory");
      var pool = new HikariConfig();
      pool.setJdbcUrl(database.equals("memory") ? "jdbc:h2:mem:fhir;DB_CLOSE_DELAY=-1"
          : "jdbc:h2:file:" + Path.of(database).toAbsolutePath() + setting("database-options", ""));
      pool.setUsername("sa");
      pool.setPassword("");
      pool.setMaximumPoolSize(10);
      return new HikariDataSource(pool);
    }

    @Bean
    @Primary
    public LocalContainerEntityManagerFactoryBean entityManagerFactory(
        ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings storage, DataSource dataSource) {
      var factory = HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, storage);
      factory.setPersistenceUnitName("HAPI_PU");
      factory.setDataSource(dataSource);
      var properties = new Properties();
      properties.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
      properties.put("hibernate.hbm2ddl.auto", "update");
      properties.put("hibernate.jdbc.batch_size", "20");
      properties.put("hibernate.cache.use_query_cache", "false");
      properties.put("hibernate.cache.use_second_level_cache", "false");
      properties.put("hibernate.search.enabled", "false");
      factory.setJpaProperties(properties);
      return factory;
    }

    @Bean
    @Primary
    public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
      return new JpaTransactionManager(factory);
    }

    @Bean
    @Primary
    public HibernatePropertiesProvider hibernateProperties() {
      Dialect dialect = new HapiFhirH2Dialect();
      return new HibernatePropertiesProvider() {
        @Override
        public Dialect getDialect() {
          return dialect;
        }
      };
    }
  }
}
