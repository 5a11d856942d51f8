import ca.uhn.fhir.context.support.IValidationSupport;
import org.hl7.fhir.common.hapi.validation.validator.WorkerContextValidationSupportAdapter;
import org.hl7.fhir.r5.context.ILoggingService;

/** HAPI's context has nobody to log to, and what some checks of expressions want to log ends them. */
final class SilentContext extends WorkerContextValidationSupportAdapter {
  private static final ILoggingService NOBODY = new ILoggingService() {
    @Override public void logMessage(String message) {
    }

    @Override public void logDebugMessage(LogCategory category, String message) {
    }
  };

  SilentContext(IValidationSupport support) {
    super(support);
  }

  @Override public ILoggingService getLogger() {
    return NOBODY;
  }
}
