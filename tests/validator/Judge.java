import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.FhirVersionEnum;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.context.IWorkerContext;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.model.StructureDefinition;
import org.hl7.fhir.r5.utils.validation.ValidatorSession;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.hl7.fhir.r5.utils.validation.constants.IdStatus;
import org.hl7.fhir.r5.utils.xver.XVerExtensionManagerOld;
import org.hl7.fhir.utilities.VersionUtilities;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.validation.ValidatorSettings;
import org.hl7.fhir.validation.instance.InstanceValidator;

/** The validator of HAPI with what is known to it, and the two checks beside it. */
final class Judge {
  /** A validator keeps what it has seen: one is used for so many resources only, or memory fills up. */
  static final int RESOURCES_A_VALIDATOR = 200;

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
    context = new SilentContext(chain);
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
      JsonNode resource = Validate.JSON.readTree(line);
      targets.resource(resource, all);
      codings.walk(resource, resource.path("resourceType").asText(), all);
    } catch (Exception | StackOverflowError problem) {
      all = List.of(Finding.error("", "exception", problem + " at " + Arrays.toString(problem.getStackTrace())));
    }
    ArrayNode list = Validate.JSON.createArrayNode();
    for (Finding each : all) {
      list.addObject().put("severity", each.severity()).put("place", each.place()).put("rule", each.rule()).put("text", each.text());
    }
    return Validate.JSON.createObjectNode().set("found", list).toString();
  }

  /** What HAPI's validator finds, without mere information. */
  List<Finding> found(String line) {
    List<ValidationMessage> messages = new ArrayList<>();
    validator().validate(null, messages, new ByteArrayInputStream(line.getBytes(StandardCharsets.UTF_8)), Manager.FhirFormat.JSON, new ArrayList<>());
    List<Finding> found = new ArrayList<>();
    for (ValidationMessage each : messages) {
      String severity = each.getLevel().toCode();
      if (!severity.equals("information")) {
        String rule = each.getMessageId() == null ? "json" : each.getMessageId().replace(Addresses.STRUCTURE, "");
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
    ValidatorSession session = new ValidatorSession();
    // to look up the elements that an extension may stand on: else they are fetched from the network
    for (String each : VersionUtilities.iterateCorePublishedVersions(context.getVersion(), context.getVersion())) {
      session.getOtherVersions().put(each, context);
    }
    InstanceValidator validator = new InstanceValidator(context, new FhirInstanceValidator.NullEvaluationContext(),
        new XVerExtensionManagerOld(context), session, new ValidatorSettings());
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
