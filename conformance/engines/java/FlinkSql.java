import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.StringJoiner;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs SQL statements in Flink's own cluster inside of this process, each to its end, and prints the rows of each that has
 * some. A file holds them, divided by lines of `---`; the first runs in every mode, each other one in that which its first
 * word names.
 */
public final class FlinkSql {
  public static void main(String[] arguments) throws Exception {
    String[] statements = Files.readString(Path.of(arguments[0])).split("\n---\n");
    Map<String, TableEnvironment> modes = new HashMap<>();
    for (int i = 1; i < statements.length; i++) {
      String[] parts = statements[i].split(" ", 2);
      TableEnvironment tables = modes.computeIfAbsent(parts[0], mode -> environment(mode, statements[0]));
      TableResult result = tables.executeSql(parts[1]);
      if (parts[1].stripLeading().matches("(?s)(SELECT|SHOW) .*")) {
        print(result);
      } else {
        result.await();
      }
    }
  }

  private static TableEnvironment environment(String mode, String catalog) {
    Configuration settings = new Configuration();
    settings.setString("execution.checkpointing.interval", "1s");
    settings.setString("parallelism.default", "1");
    settings.setString("classloader.check-leaked-classloader", "false");
    settings.setString("rest.address", "127.0.0.1");
    settings.setString("rest.bind-address", "127.0.0.1");
    settings.setString("execution.runtime-mode", mode);
    TableEnvironment tables =
        TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(settings).build());
    tables.executeSql(catalog);
    tables.executeSql("USE CATALOG polder");
    return tables;
  }

  private static void print(TableResult result) throws Exception {
    StringJoiner rows = new StringJoiner("\t");
    try (CloseableIterator<Row> found = result.collect()) {
      while (found.hasNext()) {
        Row row = found.next();
        StringJoiner cells = new StringJoiner(" ");
        for (int i = 0; i < row.getArity(); i++) {
          cells.add(String.valueOf(row.getField(i)));
        }
        rows.add(cells.toString());
      }
    }
    System.out.println("@rows " + rows);
  }
}
