import java.util.regex.Pattern;

/** How HL7 names its definitions, and what a reference to a resource looks like. */
final class Addresses {
  static final String STRUCTURE = "http://hl7.org/fhir/StructureDefinition/";
  static final Pattern LITERAL = Pattern.compile("(?:https?://.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\\-.]{1,64})(?:/_history/.*)?");

  private Addresses() {}
}
