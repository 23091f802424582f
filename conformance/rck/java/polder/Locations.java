package polder;

import java.nio.file.Path;
import java.util.UUID;

/** Places that the kit asks for: below its own temporary folder, not in the machine's, and each for one test. */
final class Locations {
  private final Path folder = Path.of(System.getProperty("java.io.tmpdir"), UUID.randomUUID().toString());

  String of(String namespace, String name) {
    return "file://" + folder.resolve(namespace).resolve(name);
  }
}
