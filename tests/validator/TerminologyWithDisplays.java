import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.ConceptValidationOptions;
import ca.uhn.fhir.context.support.ValidationSupportContext;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.instance.model.api.IBaseResource;

/** HAPI never compares the display of a coding with its code system's. */
final class TerminologyWithDisplays extends InMemoryTerminologyServerValidationSupport {
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
