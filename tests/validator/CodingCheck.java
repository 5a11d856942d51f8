import ca.uhn.fhir.context.support.ConceptValidationOptions;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.context.support.ValidationSupportContext;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** One good coding of a CodeableConcept hides a wrong one: each must be a code of its own system, where that is known. */
final class CodingCheck {
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
