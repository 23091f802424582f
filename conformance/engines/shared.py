"""All engines on one table: each reads what those before it wrote, adds a row and reads again. At the end everybody reads the
whole once more, after the row-level deletes of those that make some."""

from engines.fleet import Fleet, Result
from engines.pyiceberg_ import connect

NAMESPACE = "common"


def run(fleet: Fleet, engines: list[str]) -> list[Result]:
    """Returns what each engine did, in order; an engine that fails adds no row for the next to miss."""
    import pyarrow as pa

    catalog = connect(fleet.lake(NAMESPACE))
    catalog.create_namespace_if_not_exists(NAMESPACE)
    name = (NAMESPACE, "shared")
    if catalog.table_exists(name):
        catalog.drop_table(name)
    catalog.create_table(name, pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())]))
    results = []
    for row, engine in enumerate(engines, start=1):
        before = sorted(catalog.load_table(name).scan().to_arrow().column("id").to_pylist())
        results.append(fleet.run(engine, "share", str(row), *map(str, before), namespace=NAMESPACE))
    return results
