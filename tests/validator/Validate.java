import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.FhirVersionEnum;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Judges FHIR resources by HL7's own rules, without any network: one resource a line in, one report a line out.
 *
 * <pre>Validate R4|R4B|R5 [--definitions FOLDER]... [--package FILE.tgz|FOLDER]...</pre>
 *
 * The first line out says that it is ready; then, in the order of the input, {"found": [{severity, place, rule, text}]}
 * with errors and warnings. HAPI's validator is stricter here than as it comes: see the classes beside this one, each for one gap.
 */
public final class Validate {
  static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    FhirContext fhir = FhirContext.forCached(FhirVersionEnum.valueOf(arguments[0]));
    Definitions definitions = new Definitions(fhir);
    for (int i = 1; i < arguments.length; i += 2) {
      Path path = Path.of(arguments[i + 1]);
      switch (arguments[i]) {
        case "--definitions" -> definitions.folder(path);
        case "--package" -> definitions.npm(path);
        default -> throw new IllegalArgumentException("no option " + arguments[i]);
      }
    }
    Judge judge = new Judge(fhir, definitions);
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), 1 << 16);
    out.write(JSON.createObjectNode().put("ready", arguments[0]).put("definitions", definitions.count).toString() + "\n");
    out.flush();
    judgeAll(judge, new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 20), out);
  }

  /** Judges each line on all cores and writes the reports in the order of the lines. */
  static void judgeAll(Judge judge, BufferedReader in, BufferedWriter out) throws Exception {
    int cores = Runtime.getRuntime().availableProcessors();
    ExecutorService pool = Executors.newFixedThreadPool(cores);
    BlockingQueue<Future<String>> reports = new ArrayBlockingQueue<>(64 * cores);
    Future<String> end = CompletableFuture.completedFuture(null);
    Thread writer = new Thread(() -> {
      try {
        for (Future<String> report; (report = reports.take()) != end; ) {
          out.write(report.get() + "\n");
          if (reports.isEmpty()) out.flush();
        }
        out.flush();
      } catch (Exception problem) {
        problem.printStackTrace();
        System.exit(3);
      }
    });
    writer.start();
    for (String line; (line = in.readLine()) != null; ) {
      String resource = line;
      reports.put(pool.submit(() -> judge.report(resource)));
    }
    reports.put(end);
    writer.join();
    pool.shutdown();
  }
}
