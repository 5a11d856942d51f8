import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.IParserErrorHandler;
import ca.uhn.fhir.parser.LenientErrorHandler;
import ca.uhn.fhir.parser.StrictErrorHandler;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.utilities.npm.NpmPackage;

/** The definitions that are known besides those of the release itself. */
final class Definitions {
  /** What R4B calls otherwise than R4, of all that HL7's cross-version extensions point at. */
  static final Map<String, String> RENAMED = Map.of(
      "MedicinalProduct", "MedicinalProductDefinition", "SubstanceSpecification", "SubstanceDefinition");

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
      JsonNode definition = Validate.JSON.readTree(file.toFile());
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
    if (written.startsWith("4.0") && version.startsWith("4.3")) {
      definition.remove("extension");
      for (JsonNode targets : definition.findValues("targetProfile")) rename((ArrayNode) targets);
    }
    definition.put("fhirVersion", version);
    definition.remove("snapshot");
  }

  static void rename(ArrayNode targets) {
    for (int i = 0; i < targets.size(); i++) {
      String type = targets.get(i).asText().replace(Addresses.STRUCTURE, "");
      if (RENAMED.containsKey(type)) targets.set(i, TextNode.valueOf(Addresses.STRUCTURE + RENAMED.get(type)));
    }
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
        JsonNode definition = Validate.JSON.readTree(file);
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
