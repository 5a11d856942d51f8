import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.validator.FhirDefaultPolicyAdvisor;
import org.hl7.fhir.r5.model.StructureDefinition;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidationPolicyAdvisor;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;

/** HAPI does not look at references; here what Type/id points at must be of a type that the element allows. */
final class TargetsMatter extends FhirDefaultPolicyAdvisor {
  @Override public ReferenceValidationPolicy policyForReference(IResourceValidator validator, Object around, String path,
      String url, IValidationPolicyAdvisor.ReferenceDestinationType destination) {
    boolean definition = Stream.of("StructureDefinition", "ValueSet", "CodeSystem").anyMatch(each -> url.contains("/" + each + "/"));
    boolean checked = Addresses.LITERAL.matcher(url).matches() && !definition;
    return checked ? ReferenceValidationPolicy.CHECK_TYPE_IF_EXISTS : ReferenceValidationPolicy.IGNORE;
  }

  @Override public ReferenceValidationPolicy getReferencePolicy() {
    return ReferenceValidationPolicy.CHECK_VALID;
  }

  @Override public boolean isSuppressMessageId(String path, String rule) {
    return false;
  }
}
