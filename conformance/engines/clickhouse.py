"""ClickHouse through chDB, its engine as a Python module. It cannot rename tables, has no views of Iceberg, and writes S3 only."""

import secrets

from engines.lake import Lake, Steps, same

TITLE = "ClickHouse (chDB)"
PACKAGES = ["chdb", "chdb-core"]
LANGUAGE = "sql"


def settings(lake: Lake) -> str:
    keys = "" if lake.vended else f", '{lake.key}', '{lake.key_secret}'"
    bucket = lake.root.removeprefix("s3://").split("/")[0]
    return f"""SET allow_database_iceberg = 1, allow_insert_into_iceberg = 1, write_full_path_in_iceberg_metadata = 1;
CREATE DATABASE polder ENGINE = DataLakeCatalog('{lake.uri}/v1'{keys})
SETTINGS catalog_type = 'rest', warehouse = '{lake.warehouse}', catalog_credential = '{lake.credential}',
    oauth_server_uri = '{lake.token_uri}', auth_scope = '{lake.scope}',
    storage_endpoint = '{lake.endpoint}/{bucket}', vended_credentials = {"true" if lake.vended else "false"};"""


def connect(lake: Lake):
    from chdb import session

    db = session.Session()
    for statement in settings(lake).split(";\n"):
        db.query(statement.rstrip(";"))
    return db


def table_schema():
    import pyarrow as pa

    return pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


def rows(db, sql: str) -> list[tuple]:
    import json

    return [tuple(json.loads(line)) for line in str(db.query(sql, "JSONCompactEachRow")).splitlines() if line]


def run(lake: Lake, step: Steps) -> None:
    from engines.pyiceberg_ import connect as pyiceberg

    # It cannot make a namespace.
    pyiceberg(lake).create_namespace_if_not_exists(lake.namespace)
    db, t = connect(lake), f"polder.`{lake.namespace}.t`"
    select = lambda sql: rows(db, sql)

    @step("create")
    def _():
        if lake.vended:
            # Keys are lent for a table that is there.
            pyiceberg(lake).create_table((lake.namespace, "t"), table_schema())
            return
        # It says itself where the table lies, and wants keys for that.
        place = f"{lake.endpoint}/{lake.root.removeprefix('s3://')}/{lake.namespace}/t-{secrets.token_hex(4)}/"
        db.query(f"CREATE TABLE {t} (id Int64, name Nullable(String)) ENGINE = IcebergS3('{place}', '{lake.key}', '{lake.key_secret}')")
        same(select(f"EXISTS TABLE {t}"), [(1,)])

    @step("insert")
    def _():
        db.query(f"INSERT INTO {t} VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        same(select(f"SELECT id, name FROM {t} ORDER BY id"), [(1, "a"), (2, "b"), (3, "c")])

    @step("delete")
    def _():
        db.query(f"ALTER TABLE {t} DELETE WHERE id = 2")
        same(select(f"SELECT id FROM {t} ORDER BY id"), [(1,), (3,)])

    @step("update")
    def _():
        db.query(f"ALTER TABLE {t} UPDATE name = 'z' WHERE id = 1")
        same(select(f"SELECT id, name FROM {t} ORDER BY id"), [(1, "z"), (3, "c")])

    @step("evolve")
    def _():
        db.query(f"ALTER TABLE {t} ADD COLUMN city Nullable(String)")
        db.query(f"INSERT INTO {t} VALUES (5, 'e', 'Ghent')")
        same(select(f"SELECT id, city FROM {t} WHERE id = 5"), [(5, "Ghent")])

    @step("drop (it takes the 204 of the specification for a failure, asks again and says so; the table is gone)")
    def _():
        try:
            db.query(f"DROP TABLE {t}")
        except RuntimeError as error:
            assert "404" in str(error) and "Table does not exist" in str(error), error
        same(pyiceberg(lake).list_tables(lake.namespace), [])


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    db, table = connect(lake), f"polder.`{lake.namespace}.shared`"
    ids = lambda: [found[0] for found in rows(db, f"SELECT id FROM {table} ORDER BY id")]

    @step("shared table")
    def _():
        same(ids(), before)
        db.query(f"INSERT INTO {table} VALUES ({row}, 'ClickHouse')")
        same(ids(), [*before, row])
