"""PyIceberg: the whole life of a table, as a script would."""

from engines.lake import Lake, Steps, same

TITLE = "PyIceberg"
PACKAGES = ["pyiceberg", "pyiceberg-core", "pyarrow"]
LANGUAGE = "yaml"


def settings(lake: Lake) -> str:
    """`~/.pyiceberg.yaml`."""
    keys = "" if lake.vended else f"    s3.access-key-id: {lake.key}\n    s3.secret-access-key: {lake.key_secret}\n"
    return f"""catalog:
  polder:
    type: rest
    uri: {lake.uri}
    warehouse: {lake.warehouse}
    credential: {lake.credential}
    scope: {lake.scope}
    oauth2-server-uri: {lake.token_uri}
{keys}"""


def connect(lake: Lake):
    """Connects with what the settings say."""
    import yaml
    from pyiceberg.catalog import load_catalog

    return load_catalog("polder", **yaml.safe_load(settings(lake))["catalog"]["polder"])


def run(lake: Lake, step: Steps) -> None:
    import pyarrow as pa
    from pyiceberg.expressions import EqualTo
    from pyiceberg.transforms import BucketTransform
    from pyiceberg.types import StringType

    catalog, name = connect(lake), (lake.namespace, "t")
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
    rows = lambda *ids: pa.Table.from_pylist([{"id": i, "name": f"n{i}"} for i in ids], schema=schema)
    ids = lambda: sorted(catalog.load_table(name).scan().to_arrow().column("id").to_pylist())

    @step("create")
    def _():
        catalog.create_namespace_if_not_exists(lake.namespace)
        catalog.create_table(name, schema)

    @step("insert")
    def _():
        catalog.load_table(name).append(rows(1, 2, 3))
        same(ids(), [1, 2, 3])

    @step("delete")
    def _():
        catalog.load_table(name).delete(EqualTo("id", 2))
        same(ids(), [1, 3])

    @step("upsert")
    def _():
        table = catalog.load_table(name)
        table.upsert(pa.Table.from_pylist([{"id": 1, "name": "one"}, {"id": 4, "name": "four"}], schema=schema), join_cols=["id"])
        same(ids(), [1, 3, 4])

    @step("evolve")
    def _():
        table = catalog.load_table(name)
        with table.update_schema() as update:
            update.add_column("city", StringType())
        with table.update_spec() as update:
            update.add_field("id", BucketTransform(4), "bucket")
        table.append(pa.Table.from_pylist([{"id": 5, "name": "n5", "city": "Ghent"}], schema=table.schema().as_arrow()))
        same(ids(), [1, 3, 4, 5])

    @step("time travel")
    def _():
        table = catalog.load_table(name)
        same(sorted(table.scan(snapshot_id=table.snapshots()[0].snapshot_id).to_arrow().column("id").to_pylist()), [1, 2, 3])

    @step("branches and tags")
    def _():
        table = catalog.load_table(name)
        now = table.current_snapshot().snapshot_id
        with table.manage_snapshots() as manage:
            manage.create_tag(now, "v1").create_branch(now, "dev")
        table.append(pa.Table.from_pylist([{"id": 9, "name": "n9", "city": None}], schema=table.schema().as_arrow()), branch="dev")
        same(ids(), [1, 3, 4, 5])
        same(len(table.scan().use_ref("dev").to_arrow()), 5)

    @step("create with rows (CTAS)")
    def _():
        made = catalog.create_table_transaction((lake.namespace, "copy"), schema)
        made.append(rows(7))
        made.commit_transaction()
        same(len(catalog.load_table((lake.namespace, "copy")).scan().to_arrow()), 1)

    @step("rename and drop")
    def _():
        catalog.rename_table((lake.namespace, "copy"), (lake.namespace, "moved"))
        same([table[-1] for table in sorted(catalog.list_tables(lake.namespace))], ["moved", "t"])
        for table in catalog.list_tables(lake.namespace):
            catalog.drop_table(table)
        catalog.drop_namespace(lake.namespace)


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    """Reads the table of all engines, appends a row, reads again."""
    import pyarrow as pa

    table = connect(lake).load_table((lake.namespace, "shared"))
    ids = lambda: sorted(table.scan().to_arrow().column("id").to_pylist())

    @step("shared table")
    def _():
        same(ids(), before)
        table.append(pa.Table.from_pylist([{"id": row, "name": "PyIceberg"}], schema=table.schema().as_arrow()))
        same(ids(), [*before, row])
