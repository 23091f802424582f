package polder;

import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.rest.RESTCompatibilityKitCatalogTests;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The kit's catalog tests with what it leaves off for servers that lack it: nested namespaces and unique locations. */
public class CatalogKit extends RESTCompatibilityKitCatalogTests {
  private final Locations locations = new Locations();

  @Override
  protected boolean supportsNestedNamespaces() {
    return true;
  }

  /** Of one test only: the place of a dropped table is not free for everybody (decision 0011). */
  @Override
  protected String baseTableLocation(TableIdentifier table) {
    return locations.of(table.namespace().toString(), table.name());
  }

  /** Off in the kit since its own server would have to be told; every table of ours has a place of its own. */
  @Override
  @Test
  public void createTableInUniqueLocation() {
    super.createTableInUniqueLocation();
  }

  /** The kit's own cleaning does not know the namespaces of the tests that it leaves off. */
  @AfterEach
  void dropNestedNamespaces() {
    Namespace parent = Namespace.of("parent");
    if (catalog().namespaceExists(parent)) {
      catalog().listNamespaces(parent).forEach(catalog()::dropNamespace);
      catalog().dropNamespace(parent);
    }
  }
}
