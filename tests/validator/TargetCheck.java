import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.hl7.fhir.r5.context.IWorkerContext;
import org.hl7.fhir.r5.model.ElementDefinition;
import org.hl7.fhir.r5.model.StructureDefinition;

/** The targets that HAPI never looks at: of a CodeableReference, and of a reference that only says its type. */
final class TargetCheck {
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
    StructureDefinition definition = context.fetchResource(StructureDefinition.class, Addresses.STRUCTURE + type);
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
      type = type.replace(Addresses.STRUCTURE, "");
      if (type.isEmpty() || allowed.contains(type)) return;
      found.add(Finding.error(place, "reference-target", "a " + type + " is not one of " + allowed));
    }

    String typeOf(String literal) {
      for (JsonNode each : container.path("contained")) {
        if (literal.equals("#" + each.path("id").asText())) return each.path("resourceType").asText();
      }
      var match = Addresses.LITERAL.matcher(literal);
      String named = match.matches() && types.contains(match.group(1)) ? match.group(1) : "";
      return entries.getOrDefault(literal, named);
    }
  }
}
