"""DuckDB: SQL over an attached catalog. It cannot make branches, tags or views of Iceberg."""

from engines.lake import Lake, Steps, same

TITLE = "DuckDB"
PACKAGES = ["duckdb", "duckdb-extension-iceberg", "duckdb-extension-avro", "duckdb-extension-httpfs"]
LANGUAGE = "sql"


def settings(lake: Lake) -> str:
    store = "" if lake.vended else f"""CREATE SECRET store (TYPE s3, KEY_ID '{lake.key}', SECRET '{lake.key_secret}', REGION '{lake.region}',
    ENDPOINT '{lake.store}', URL_STYLE 'path', USE_SSL false);
"""
    mode = "vended_credentials" if lake.vended else "none"
    return f"""CREATE SECRET polder (TYPE iceberg, CLIENT_ID '{lake.client_id}', CLIENT_SECRET '{lake.client_secret}',
    OAUTH2_SERVER_URI '{lake.token_uri}', OAUTH2_SCOPE '{lake.scope}');
{store}ATTACH '{lake.warehouse}' AS lake (TYPE iceberg, ENDPOINT '{lake.uri}', SECRET polder, ACCESS_DELEGATION_MODE '{mode}');"""


def connect(lake: Lake):
    import duckdb
    from duck import extension, literal

    # The extensions come as wheels; with a network they install themselves.
    off = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"} | off)
    for name in ("avro", "httpfs", "iceberg"):
        connection.execute(f"LOAD {literal(str(extension(name)))}")
    connection.execute(settings(lake))
    return connection


def run(lake: Lake, step: Steps) -> None:
    db, ns = connect(lake), f"lake.{lake.namespace}"
    rows = lambda sql: db.execute(sql).fetchall()

    @step("create")
    def _():
        db.execute(f"CREATE SCHEMA {ns}")
        db.execute(f"CREATE TABLE {ns}.t (id BIGINT, name VARCHAR)")

    @step("insert")
    def _():
        db.execute(f"INSERT INTO {ns}.t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        same(rows(f"SELECT count(*), sum(id) FROM {ns}.t"), [(3, 6)])

    @step("create with rows (CTAS)")
    def _():
        db.execute(f"CREATE TABLE {ns}.copy AS SELECT id, name FROM {ns}.t WHERE id > 1")
        same(rows(f"SELECT count(*) FROM {ns}.copy"), [(2,)])

    @step("update and delete")
    def _():
        db.execute(f"UPDATE {ns}.t SET name = 'z' WHERE id = 1")
        db.execute(f"DELETE FROM {ns}.t WHERE id = 2")
        same(rows(f"SELECT id, name FROM {ns}.t ORDER BY id"), [(1, "z"), (3, "c")])

    @step("merge")
    def _():
        db.execute(
            f"MERGE INTO {ns}.t USING (SELECT * FROM (VALUES (3, 'cc'), (4, 'd')) v(id, name)) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name)"
        )
        same(rows(f"SELECT id, name FROM {ns}.t ORDER BY id"), [(1, "z"), (3, "cc"), (4, "d")])

    @step("evolve")
    def _():
        db.execute(f"ALTER TABLE {ns}.t ADD COLUMN city VARCHAR")
        db.execute(f"ALTER TABLE {ns}.t RENAME COLUMN name TO label")
        db.execute(f"INSERT INTO {ns}.t VALUES (5, 'e', 'Ghent')")
        same(rows(f"SELECT label, city FROM {ns}.t WHERE id = 5"), [("e", "Ghent")])

    @step("time travel")
    def _():
        first = rows(f"SELECT snapshot_id FROM iceberg_snapshots({ns}.t) ORDER BY sequence_number LIMIT 1")[0][0]
        same(rows(f"SELECT count(*) FROM {ns}.t AT (VERSION => {first})"), [(3,)])

    @step("two tables in one transaction")
    def _():
        db.execute("BEGIN")
        db.execute(f"INSERT INTO {ns}.copy VALUES (9, 'i')")
        db.execute(f"INSERT INTO {ns}.t VALUES (9, 'i', NULL)")
        db.execute("COMMIT")
        same(rows(f"SELECT (SELECT count(*) FROM {ns}.copy), (SELECT count(*) FROM {ns}.t)"), [(3, 5)])

    @step("drop")
    def _():
        for table in ("t", "copy"):
            db.execute(f"DROP TABLE {ns}.{table}")
        db.execute(f"DROP SCHEMA {ns}")


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    db, table = connect(lake), f"lake.{lake.namespace}.shared"
    ids = lambda: [found[0] for found in db.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()]

    @step("shared table")
    def _():
        same(ids(), before)
        db.execute(f"INSERT INTO {table} VALUES ({row}, 'DuckDB')")
        same(ids(), [*before, row])
