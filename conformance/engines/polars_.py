"""Polars: scans and writes tables that PyIceberg resolves. Its sink takes keys from the settings alone, never vended ones."""

from engines.lake import Lake, Steps, same
from engines.pyiceberg_ import LANGUAGE, connect, settings

__all__ = ["LANGUAGE", "PACKAGES", "TITLE", "run", "settings", "share"]
TITLE = "Polars"
PACKAGES = ["polars", "polars-iceberg", "pyiceberg"]


def run(lake: Lake, step: Steps) -> None:
    import polars as pl
    import pyarrow as pa

    catalog, name = connect(lake), (lake.namespace, "t")
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
    scan = lambda: pl.scan_iceberg(catalog.load_table(name))

    @step("create")
    def _():
        catalog.create_namespace_if_not_exists(lake.namespace)
        catalog.create_table(name, schema)

    @step("insert")
    def _():
        pl.DataFrame({"id": [1, 2, 3], "name": ["a", "b", "c"]}).write_iceberg(catalog.load_table(name), mode="append")
        same(sorted(scan().collect()["id"].to_list()), [1, 2, 3])

    @step("filter and project")
    def _():
        same(scan().filter(pl.col("id") > 2).select("name").collect()["name"].to_list(), ["c"])

    @step("overwrite")
    def _():
        pl.DataFrame({"id": [7], "name": ["z"]}).write_iceberg(catalog.load_table(name), mode="overwrite")
        same(scan().collect()["id"].to_list(), [7])

    @step("time travel")
    def _():
        first = catalog.load_table(name).snapshots()[0].snapshot_id
        same(sorted(pl.scan_iceberg(catalog.load_table(name), snapshot_id=first).collect()["id"].to_list()), [1, 2, 3])

    @step("drop")
    def _():
        catalog.drop_table(name)
        catalog.drop_namespace(lake.namespace)


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    import polars as pl

    catalog = connect(lake)
    table = lambda: catalog.load_table((lake.namespace, "shared"))
    ids = lambda: sorted(pl.scan_iceberg(table()).collect()["id"].to_list())

    @step("shared table")
    def _():
        same(ids(), before)
        pl.DataFrame({"id": [row], "name": ["Polars"]}).write_iceberg(table(), mode="append")
        same(ids(), [*before, row])
