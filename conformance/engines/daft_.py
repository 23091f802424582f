"""Daft: reads and writes tables that PyIceberg resolves."""

from engines.lake import Lake, Steps, same
from engines.pyiceberg_ import LANGUAGE, connect, settings

__all__ = ["LANGUAGE", "PACKAGES", "TITLE", "run", "settings", "share"]
TITLE = "Daft"
PACKAGES = ["daft", "pyiceberg"]


def run(lake: Lake, step: Steps) -> None:
    import daft
    import pyarrow as pa

    catalog, name = connect(lake), (lake.namespace, "t")
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])
    read = lambda **more: daft.read_iceberg(catalog.load_table(name), **more)

    @step("create")
    def _():
        catalog.create_namespace_if_not_exists(lake.namespace)
        catalog.create_table(name, schema)

    @step("insert")
    def _():
        daft.from_pydict({"id": [1, 2, 3], "name": ["a", "b", "c"]}).write_iceberg(catalog.load_table(name), mode="append")
        same(sorted(read().to_pydict()["id"]), [1, 2, 3])

    @step("filter and project")
    def _():
        same(read().where(daft.col("id") > 2).select("name").to_pydict(), {"name": ["c"]})

    @step("overwrite")
    def _():
        daft.from_pydict({"id": [7], "name": ["z"]}).write_iceberg(catalog.load_table(name), mode="overwrite")
        same(read().to_pydict()["id"], [7])

    @step("time travel")
    def _():
        first = catalog.load_table(name).snapshots()[0].snapshot_id
        same(sorted(read(snapshot_id=first).to_pydict()["id"]), [1, 2, 3])

    @step("drop")
    def _():
        catalog.drop_table(name)
        catalog.drop_namespace(lake.namespace)


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    import daft

    catalog = connect(lake)
    table = lambda: catalog.load_table((lake.namespace, "shared"))
    ids = lambda: sorted(daft.read_iceberg(table()).to_pydict()["id"])

    @step("shared table")
    def _():
        same(ids(), before)
        daft.from_pydict({"id": [row], "name": ["Daft"]}).write_iceberg(table(), mode="append")
        same(ids(), [*before, row])
