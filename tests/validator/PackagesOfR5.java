import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.context.support.ValidationSupportContext;
import ca.uhn.fhir.parser.LenientErrorHandler;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r5.model.PackageInformation;
import org.hl7.fhir.r5.model.Resource;
import org.hl7.fhir.r5.model.StructureDefinition;

/**
 * HL7's packages of R5 as HAPI ships them, each resource parsed when it is asked for: HAPI parses all 6,000 at the
 * start. Code systems of which only the shell is there (SNOMED CT, LOINC) are unknown, instead of empty.
 */
final class PackagesOfR5 implements IValidationSupport {
  /** A resource's text, and the package that it is from. */
  record Packed(byte[] content, String packaged) {}

  final FhirContext fhir;
  final Map<String, Packed> files = new HashMap<>();
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
            files.put(type + " " + text(content, "url"), new Packed(content, name));
          }
        }
      }
    }
  }

  /** The text of one of a resource's own members. */
  static String text(byte[] content, String name) throws IOException {
    try (JsonParser parser = Validate.JSON.getFactory().createParser(content)) {
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
    Packed packed = files.get(key);
    return packed == null ? null : parsed.computeIfAbsent(key, made -> parse(packed));
  }

  IBaseResource parse(Packed packed) {
    Resource made = (Resource) fhir.newJsonParser().setParserErrorHandler(new LenientErrorHandler(false))
        .parseResource(new String(packed.content, StandardCharsets.UTF_8));
    // a type counts as one of FHIR's own if it is from such a package
    String[] names = packed.packaged.split("-");
    made.setSourcePackage(new PackageInformation(names[0], names[1], new Date(0)));
    return made;
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
    return get("StructureDefinition", url.startsWith("http") ? url : Addresses.STRUCTURE + url);
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
