import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.hl7.fhir.r5.elementmodel.Element;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.model.CanonicalResource;
import org.hl7.fhir.r5.model.CanonicalType;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidatorResourceFetcher;
import org.hl7.fhir.validation.instance.InstanceValidator;

/** Answers Type/id with an empty resource of that type, which is enough to see whether the type is allowed. */
final class EmptyTargets implements IValidatorResourceFetcher {
  final Set<String> types;

  EmptyTargets(Set<String> types) {
    this.types = types;
  }

  @Override public Element fetch(IResourceValidator validator, Object around, String url) throws IOException {
    var match = Addresses.LITERAL.matcher(url);
    if (!match.matches() || !types.contains(match.group(1))) return null;
    String empty = Validate.JSON.createObjectNode().put("resourceType", match.group(1)).put("id", match.group(2)).toString();
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
