import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.FhirVersionEnum;
import ca.uhn.fhir.context.support.ConceptValidationOptions;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.context.support.ValidationSupportContext;
import ca.uhn.fhir.parser.IParserErrorHandler;
import ca.uhn.fhir.parser.LenientErrorHandler;
import ca.uhn.fhir.parser.StrictErrorHandler;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.hl7.fhir.common.hapi.validation.support.*;
import org.hl7.fhir.common.hapi.validation.validator.FhirDefaultPolicyAdvisor;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.common.hapi.validation.validator.WorkerContextValidationSupportAdapter;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r5.context.IWorkerContext;
import org.hl7.fhir.r5.elementmodel.Element;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.model.CanonicalResource;
import org.hl7.fhir.r5.model.CanonicalType;
import org.hl7.fhir.r5.model.ElementDefinition;
import org.hl7.fhir.r5.model.StructureDefinition;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidationPolicyAdvisor;
import org.hl7.fhir.r5.utils.validation.IValidatorResourceFetcher;
import org.hl7.fhir.r5.utils.validation.ValidatorSession;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.hl7.fhir.r5.utils.validation.constants.IdStatus;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;
import org.hl7.fhir.r5.utils.xver.XVerExtensionManagerOld;
import org.hl7.fhir.utilities.npm.NpmPackage;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.validation.ValidatorSettings;
import org.hl7.fhir.validation.instance.InstanceValidator;

/**
 * Judges FHIR resources by HL7's own rules, without any network: one resource a line in, one report a line out.
 *
 * <pre>Validate R4|R4B|R5 [--definitions FOLDER]... [--package FILE.tgz|FOLDER]...</pre>
 *
 * The first line out says that it is ready; then, in the order of the input, {"found": [{severity, place, rule, text}]}
 * with errors and warnings. HAPI's validator is stricter here than as it comes: see the classes below, each for one gap.
 */
public final class Validate {
  static final ObjectMapper JSON = new ObjectMapper();
  static final String STRUCTURE = "http://hl7.org/fhir/StructureDefinition/";
  static final Pattern LITERAL = Pattern.compile("(?:https?://.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\\-.]{1,64})(?:/_history/.*)?");

  /** A validator keeps what it has seen: one is used for so many resources only, or memory fills up. */
  static final int RESOURCES_A_VALIDATOR = 200;

  record Finding(String severity, String place, String rule, String text) {
    static Finding error(String place, String rule, String text) {
      return new Finding("error", place, rule, text);
    }
  }

  public static void main(String[] arguments) throws Exception {
    FhirContext fhir = FhirContext.forCached(FhirVersionEnum.valueOf(arguments[0]));
    Definitions definitions = new Definitions(fhir);
    for (int i = 1; i < arguments.length; i += 2) {
      Path path = Path.of(arguments[i + 1]);
      switch (arguments[i]) {
        case "--definitions" -> definitions.folder(path);
        case "--package" -> definitions.npm(path);
        default -> throw new IllegalArgumentException("no option " + arguments[i]);
      }
    }
    Judge judge = new Judge(fhir, definitions);
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), 1 << 16);
    out.write(JSON.createObjectNode().put("ready", arguments[0]).put("definitions", definitions.count).toString() + "\n");
    out.flush();
    judgeAll(judge, new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 20), out);
  }

  /** Judges each line on all cores and writes the reports in the order of the lines. */
  static void judgeAll(Judge judge, BufferedReader in, BufferedWriter out) throws Exception {
    int cores = Runtime.getRuntime().availableProcessors();
    ExecutorService pool = Executors.newFixedThreadPool(cores);
    BlockingQueue<Future<String>> reports = new ArrayBlockingQueue<>(64 * cores);
    Future<String> end = CompletableFuture.completedFuture(null);
    Thread writer = new Thread(() -> {
      try {
        for (Future<String> report; (report = reports.take()) != end; ) {
          out.write(report.get() + "\n");
          if (reports.isEmpty()) out.flush();
        }
        out.flush();
      } catch (Exception problem) {
        problem.printStackTrace();
        System.exit(3);
      }
    });
    writer.start();
    for (String line; (line = in.readLine()) != null; ) {
      String resource = line;
      reports.put(pool.submit(() -> judge.report(resource)));
    }
    reports.put(end);
    writer.join();
    pool.shutdown();
  }

  /** The validator of HAPI with what is known to it, and the two checks beside it. */
  static final class Judge {
    final IWorkerContext context;
    final Set<String> types;
    final TargetCheck targets;
    final CodingCheck codings;
    final ThreadLocal<InstanceValidator> validators = new ThreadLocal<>();
    final ThreadLocal<Integer> used = ThreadLocal.withInitial(() -> 0);

    Judge(FhirContext fhir, Definitions definitions) throws IOException {
      boolean r5 = fhir.getVersion().getVersion() == FhirVersionEnum.R5;
      UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(fhir);
      unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
      ValidationSupportChain chain = new ValidationSupportChain(
          definitions.known,
          r5 ? new PackagesOfR5(fhir) : new DefaultProfileValidationSupport(fhir),
          new CommonCodeSystemsTerminologyService(fhir),
          new TerminologyWithDisplays(fhir),
          new SnapshotGeneratingValidationSupport(fhir),
          unknown);
      // a CodeableConcept is within its value set when one of its codings is; CodingCheck looks at the others
      chain.setCodeableConceptValidationSuccessfulIfNotAllCodingsAreValid(true);
      context = WorkerContextValidationSupportAdapter.newVersionSpecificWorkerContextWrapper(chain);
      types = new HashSet<>(fhir.getResourceTypes());
      targets = new TargetCheck(context, types);
      codings = new CodingCheck(chain);
      for (String url : definitions.packaged) {
        StructureDefinition definition = context.fetchResource(StructureDefinition.class, url);
        if (definition == null || definition.getSnapshot().getElement().isEmpty()) {
          throw new IllegalArgumentException("no snapshot can be made of " + url);
        }
      }
      found("{\"resourceType\":\"Basic\",\"id\":\"first\",\"code\":{\"text\":\"reads all definitions\"}}");
    }

    String report(String line) {
      List<Finding> all;
      try {
        all = found(line);
        JsonNode resource = JSON.readTree(line);
        targets.resource(resource, all);
        codings.walk(resource, resource.path("resourceType").asText(), all);
      } catch (Exception | StackOverflowError problem) {
        all = List.of(Finding.error("", "exception", problem + " at " + Arrays.toString(problem.getStackTrace())));
      }
      ArrayNode list = JSON.createArrayNode();
      for (Finding each : all) {
        list.addObject().put("severity", each.severity).put("place", each.place).put("rule", each.rule).put("text", each.text);
      }
      return JSON.createObjectNode().set("found", list).toString();
    }

    /** What HAPI's validator finds, without mere information. */
    List<Finding> found(String line) {
      List<ValidationMessage> messages = new ArrayList<>();
      validator().validate(null, messages, new ByteArrayInputStream(line.getBytes(StandardCharsets.UTF_8)), Manager.FhirFormat.JSON, new ArrayList<>());
      List<Finding> found = new ArrayList<>();
      for (ValidationMessage each : messages) {
        String severity = each.getLevel().toCode();
        if (!severity.equals("information")) {
          String rule = each.getMessageId() == null ? "json" : each.getMessageId().replace(STRUCTURE, "");
          found.add(new Finding(severity, each.getLocation(), rule, each.getMessage()));
        }
      }
      return found;
    }

    /** One for each thread: HAPI makes one for each resource, which reads a table anew and takes most of the time. */
    InstanceValidator validator() {
      int count = used.get();
      if (count % RESOURCES_A_VALIDATOR == 0) validators.set(newValidator());
      used.set(count + 1);
      return validators.get();
    }

    InstanceValidator newValidator() {
      InstanceValidator validator = new InstanceValidator(context, new FhirInstanceValidator.NullEvaluationContext(),
          new XVerExtensionManagerOld(context), new ValidatorSession(), new ValidatorSettings());
      validator.setAnyExtensionsAllowed(false);
      validator.setResourceIdRule(IdStatus.OPTIONAL);
      validator.setBestPracticeWarningLevel(BestPracticeWarningLevel.Hint);
      validator.setUnknownCodeSystemsCauseErrors(true); // the last of the chain makes them warnings
      validator.setAllowExamples(true);
      validator.setPolicyAdvisor(new TargetsMatter());
      validator.setFetcher(new EmptyTargets(types));
      return validator;
    }
  }

  /** The definitions that are known besides those of the release itself. */
  static final class Definitions {
    final FhirContext fhir;
    final String version;
    final PrePopulatedValidationSupport known;
    final List<String> packaged = new ArrayList<>();
    int count;

    Definitions(FhirContext fhir) {
      this.fhir = fhir;
      version = fhir.getVersion().getVersion().getFhirVersionString();
      known = new PrePopulatedValidationSupport(fhir);
    }

    /** All definitions below a folder, made fit for this release where they were written for another. */
    void folder(Path folder) throws IOException {
      List<Path> files;
      try (Stream<Path> all = Files.walk(folder)) {
        files = all.filter(file -> file.toString().endsWith(".json")).sorted().toList();
      }
      for (Path file : files) {
        JsonNode definition = JSON.readTree(file.toFile());
        if (definition.path("resourceType").asText().equals("StructureDefinition")) {
          adapt((ObjectNode) definition);
        }
        add(definition, new LenientErrorHandler(false).setErrorOnInvalidValue(false));
      }
    }

    /** HL7's cross-version extensions say that they are for 4.0 only, but hold for 4.3 as well. */
    void adapt(ObjectNode definition) {
      String written = definition.path("fhirVersion").asText();
      if (written.equals(version)) return;
      if (written.startsWith("4.0") && version.startsWith("4.3")) definition.remove("extension");
      definition.put("fhirVersion", version);
      definition.remove("snapshot");
    }

    /** A FHIR package, as it is: for another release, or with something that cannot be parsed, it is refused. */
    void npm(Path path) throws IOException {
      NpmPackage npm;
      try (InputStream file = Files.isDirectory(path) ? null : Files.newInputStream(path)) {
        npm = file == null ? NpmPackage.fromFolder(path.toString()) : NpmPackage.fromPackage(file);
      }
      if (!npm.fhirVersion().equals(version)) {
        throw new IllegalArgumentException(npm.name() + " is for FHIR " + npm.fhirVersion() + ", not " + version);
      }
      for (String name : npm.listResources("StructureDefinition", "ValueSet", "CodeSystem")) {
        try (InputStream file = npm.loadResource(name)) {
          JsonNode definition = JSON.readTree(file);
          add(definition, new StrictErrorHandler());
          if (name.startsWith("StructureDefinition")) packaged.add(definition.path("url").asText());
        }
      }
    }

    void add(JsonNode definition, IParserErrorHandler problems) {
      Consumer<IBaseResource> keep = switch (definition.path("resourceType").asText()) {
        case "StructureDefinition" -> known::addStructureDefinition;
        case "ValueSet" -> known::addValueSet;
        case "CodeSystem" -> known::addCodeSystem;
        default -> null;
      };
      if (keep == null) return;
      keep.accept(fhir.newJsonParser().setParserErrorHandler(problems).parseResource(definition.toString()));
      count++;
    }
  }

  /** HAPI never compares the display of a coding with its code system's. */
  static final class TerminologyWithDisplays extends InMemoryTerminologyServerValidationSupport {
    TerminologyWithDisplays(FhirContext fhir) {
      super(fhir);
      setIssueSeverityForCodeDisplayMismatch(IssueSeverity.WARNING);
    }

    static ConceptValidationOptions withDisplay(ConceptValidationOptions options) {
      return new ConceptValidationOptions().setInferSystem(options.isInferSystem()).setValidateDisplay(true);
    }

    @Override public CodeValidationResult validateCode(ValidationSupportContext context, ConceptValidationOptions options,
        String system, String code, String display, String valueSet) {
      return super.validateCode(context, withDisplay(options), system, code, display, valueSet);
    }

    @Override public CodeValidationResult validateCodeInValueSet(ValidationSupportContext context,
        ConceptValidationOptions options, String system, String code, String display, IBaseResource valueSet) {
      return super.validateCodeInValueSet(context, withDisplay(options), system, code, display, valueSet);
    }
  }

  /** HAPI does not look at references; here what Type/id points at must be of a type that the element allows. */
  static final class TargetsMatter extends FhirDefaultPolicyAdvisor {
    @Override public ReferenceValidationPolicy policyForReference(IResourceValidator validator, Object around, String path,
        String url, IValidationPolicyAdvisor.ReferenceDestinationType destination) {
      boolean definition = Stream.of("StructureDefinition", "ValueSet", "CodeSystem").anyMatch(each -> url.contains("/" + each + "/"));
      boolean checked = LITERAL.matcher(url).matches() && !definition;
      return checked ? ReferenceValidationPolicy.CHECK_TYPE_IF_EXISTS : ReferenceValidationPolicy.IGNORE;
    }

    @Override public ReferenceValidationPolicy getReferencePolicy() {
      return ReferenceValidationPolicy.CHECK_VALID;
    }

    @Override public boolean isSuppressMessageId(String path, String rule) {
      return false;
    }
  }

  /** Answers Type/id with an empty resource of that type, which is enough to see whether the type is allowed. */
  static final class EmptyTargets implements IValidatorResourceFetcher {
    final Set<String> types;

    EmptyTargets(Set<String> types) {
      this.types = types;
    }

    @Override public Element fetch(IResourceValidator validator, Object around, String url) throws IOException {
      var match = LITERAL.matcher(url);
      if (!match.matches() || !types.contains(match.group(1))) return null;
      String empty = JSON.createObjectNode().put("resourceType", match.group(1)).put("id", match.group(2)).toString();
      InputStream stream = new ByteArrayInputStream(empty.getBytes(StandardCharsets.UTF_8));
      return Manager.parseSingle(((InstanceValidator) validator).getContext(), stream, Manager.FhirFormat.JSON);
    }

    @Override public boolean resolveURL(IResourceValidator validator, Object around, String path, String url, String type,
        boolean canonical, List<CanonicalType> targets) {
      return true;
    }

    @Override public byte[] fetchRaw(IResourceValidator validator, String url) {
      return null;
    }

    @Override public IValidatorResourceFetcher setLocale(Locale locale) {
      return this;
    }

    @Override public CanonicalResource fetchCanonicalResource(IResourceValidator validator, Object around, String url) {
      return null;
    }

    @Override public boolean fetchesCanonicalResource(IResourceValidator validator, String url) {
      return false;
    }

    @Override public Set<ResourceVersionInformation> fetchCanonicalResourceVersions(IResourceValidator validator, Object around, String url) {
      return Set.of();
    }
  }

  /** The targets that HAPI never looks at: of a CodeableReference, and of a reference that only says its type. */
  static final class TargetCheck {
    final IWorkerContext context;
    final Set<String> types;
    final Map<String, Slots> slots = new ConcurrentHashMap<>();

    /** Of one resource type: the allowed targets by "datatype path", and the paths that are defined as another is. */
    record Slots(Map<String, Set<String>> targets, Map<String, String> sameAs) {}

    TargetCheck(IWorkerContext context, Set<String> types) {
      this.context = context;
      this.types = types;
    }

    Slots slots(String type) {
      Slots made = new Slots(new HashMap<>(), new HashMap<>());
      StructureDefinition definition = context.fetchResource(StructureDefinition.class, STRUCTURE + type);
      if (definition == null) return made;
      for (ElementDefinition element : definition.getSnapshot().getElement()) {
        String path = element.getPath();
        if (element.hasContentReference()) made.sameAs.put(path, element.getContentReference().replaceFirst("^.*#", ""));
        for (ElementDefinition.TypeRefComponent each : element.getType()) {
          Set<String> names = new TreeSet<>();
          each.getTargetProfile().forEach(target -> names.add(target.getValue().replaceFirst("^.*/", "")));
          if (names.isEmpty() || names.contains("Resource")) continue;
          made.targets.put(each.getCode() + " " + path.replace("[x]", each.getCode()), names);
        }
      }
      return made;
    }

    void resource(JsonNode root, List<Finding> found) {
      Map<String, String> entries = new HashMap<>();
      for (JsonNode entry : root.path("entry")) {
        entries.put(entry.path("fullUrl").asText(), entry.path("resource").path("resourceType").asText());
      }
      new Walk(root, entries, found).resource(root, root.path("resourceType").asText());
    }

    /** Through a resource; {@code container} is what a reference to something contained is looked up in. */
    final class Walk {
      final JsonNode container;
      final Map<String, String> entries;
      final List<Finding> found;

      Walk(JsonNode container, Map<String, String> entries, List<Finding> found) {
        this.container = container;
        this.entries = entries;
        this.found = found;
      }

      void resource(JsonNode resource, String place) {
        String type = resource.path("resourceType").asText();
        int number = 0;
        for (JsonNode each : resource.path("contained")) resource(each, place + ".contained[" + number++ + "]");
        number = 0;
        for (JsonNode each : resource.path("entry")) {
          JsonNode inner = each.path("resource");
          new Walk(inner, entries, found).resource(inner, place + ".entry[" + number++ + "].resource");
        }
        if (types.contains(type)) element(resource, type, slots.computeIfAbsent(type, TargetCheck.this::slots), place);
      }

      void element(JsonNode element, String path, Slots slots, String place) {
        element.fields().forEachRemaining(field -> {
          String name = field.getKey();
          if (Set.of("contained", "extension", "modifierExtension", "resource").contains(name)) return; // HAPI looks at extensions
          String inner = slots.sameAs.getOrDefault(path + "." + name, path + "." + name);
          boolean list = field.getValue().isArray();
          int number = 0;
          for (JsonNode value : list ? field.getValue() : List.of(field.getValue())) {
            String here = place + "." + name + (list ? "[" + number++ + "]" : "");
            if (!value.isObject()) continue;
            Set<String> allowed = slots.targets.get("CodeableReference " + inner);
            if (allowed != null) reference(value.path("reference"), allowed, here + ".reference");
            allowed = slots.targets.get("Reference " + inner);
            if (allowed != null && !value.has("reference")) reference(value, allowed, here);
            element(value, inner, slots, here);
          }
        });
      }

      void reference(JsonNode reference, Set<String> allowed, String place) {
        String type = reference.has("reference") ? typeOf(reference.path("reference").asText()) : reference.path("type").asText();
        type = type.replace(STRUCTURE, "");
        if (type.isEmpty() || allowed.contains(type)) return;
        found.add(Finding.error(place, "reference-target", "a " + type + " is not one of " + allowed));
      }

      String typeOf(String literal) {
        for (JsonNode each : container.path("contained")) {
          if (literal.equals("#" + each.path("id").asText())) return each.path("resourceType").asText();
        }
        var match = LITERAL.matcher(literal);
        String named = match.matches() && types.contains(match.group(1)) ? match.group(1) : "";
        return entries.getOrDefault(literal, named);
      }
    }
  }

  /** One good coding of a CodeableConcept hides a wrong one: each must be a code of its own system, where that is known. */
  static final class CodingCheck {
    final IValidationSupport chain;
    final Map<String, String> severities = new ConcurrentHashMap<>();

    CodingCheck(IValidationSupport chain) {
      this.chain = chain;
    }

    void walk(JsonNode node, String place, List<Finding> found) {
      JsonNode codings = node.path("coding");
      for (int i = 0; codings.size() > 1 && i < codings.size(); i++) {
        String system = codings.path(i).path("system").asText(), code = codings.path(i).path("code").asText();
        if (system.isEmpty() || code.isEmpty()) continue;
        String severity = severities.computeIfAbsent(system + "#" + code, key -> severity(system, code));
        if (severity.isEmpty()) continue;
        found.add(new Finding(severity, place + ".coding[" + i + "]", "further-coding", "unknown code " + system + "#" + code));
      }
      if (node.isObject()) node.fields().forEachRemaining(field -> walk(field.getValue(), place + "." + field.getKey(), found));
      for (int i = 0; node.isArray() && i < node.size(); i++) walk(node.get(i), place + "[" + i + "]", found);
    }

    /** Of what is wrong with a code: a system that is only a fragment gives a warning. Empty if nothing is. */
    String severity(String system, String code) {
      ValidationSupportContext context = new ValidationSupportContext(chain);
      if (chain.fetchCodeSystem(system) == null || !chain.isCodeSystemSupported(context, system)) return "";
      var result = chain.validateCode(context, new ConceptValidationOptions(), system, code, null, null);
      if (result == null || result.isOk()) return "";
      return result.getSeverity() == IValidationSupport.IssueSeverity.WARNING ? "warning" : "error";
    }
  }

  /**
   * HL7's packages of R5 as HAPI ships them, each resource parsed when it is asked for: HAPI parses all 6,000 at the
   * start. Code systems of which only the shell is there (SNOMED CT, LOINC) are unknown, instead of empty.
   */
  static final class PackagesOfR5 implements IValidationSupport {
    final FhirContext fhir;
    final Map<String, byte[]> files = new HashMap<>();
    final Map<String, IBaseResource> parsed = new ConcurrentHashMap<>();

    PackagesOfR5(FhirContext fhir) throws IOException {
      this.fhir = fhir;
      for (String name : List.of("hl7.fhir.uv.extensions.r5-1.0.0", "hl7.terminology-5.1.0", "hl7.fhir.r5.core-5.0.0")) {
        try (InputStream file = Validate.class.getResourceAsStream("/org/hl7/fhir/r5/packages/" + name + ".tgz");
            TarArchiveInputStream archive = new TarArchiveInputStream(new GZIPInputStream(file, 1 << 16))) {
          for (TarArchiveEntry entry; (entry = archive.getNextEntry()) != null; ) {
            String type = entry.getName().replaceFirst("^package/", "").replaceFirst("-.*", "");
            if (!Set.of("StructureDefinition", "ValueSet", "CodeSystem").contains(type)) continue;
            byte[] content = archive.readAllBytes();
            if (!type.equals("CodeSystem") || !text(content, "content").equals("not-present")) {
              files.put(type + " " + text(content, "url"), content);
            }
          }
        }
      }
    }

    /** The text of one of a resource's own members. */
    static String text(byte[] content, String name) throws IOException {
      try (JsonParser parser = JSON.getFactory().createParser(content)) {
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          boolean here = parser.currentName().equals(name);
          parser.nextToken();
          if (here) return parser.getText();
          parser.skipChildren();
        }
        return "";
      }
    }

    IBaseResource get(String type, String url) {
      String key = type + " " + (url == null ? "" : url.replaceFirst("\\|.*", ""));
      byte[] content = files.get(key);
      return content == null ? null : parsed.computeIfAbsent(key, made -> fhir.newJsonParser()
          .setParserErrorHandler(new LenientErrorHandler(false)).parseResource(new String(content, StandardCharsets.UTF_8)));
    }

    @Override public FhirContext getFhirContext() {
      return fhir;
    }

    @Override public IBaseResource fetchCodeSystem(String url) {
      return get("CodeSystem", url);
    }

    @Override public IBaseResource fetchValueSet(String url) {
      return get("ValueSet", url);
    }

    @Override public IBaseResource fetchStructureDefinition(String url) {
      return get("StructureDefinition", url.startsWith("http") ? url : STRUCTURE + url);
    }

    @SuppressWarnings("unchecked")
    @Override public <T extends IBaseResource> List<T> fetchAllStructureDefinitions() {
      return (List<T>) files.keySet().stream().filter(key -> key.startsWith("StructureDefinition ")).sorted().parallel()
          .map(key -> fetchStructureDefinition(key.substring(20))).toList();
    }

    @Override public List<IBaseResource> fetchAllConformanceResources() {
      return new ArrayList<>(fetchAllStructureDefinitions());
    }

    @Override public boolean isCodeSystemSupported(ValidationSupportContext context, String url) {
      return files.containsKey("CodeSystem " + url);
    }

    @Override public boolean isValueSetSupported(ValidationSupportContext context, String url) {
      return files.containsKey("ValueSet " + url);
    }
  }
}
