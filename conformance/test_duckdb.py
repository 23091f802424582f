"""What DuckDB writes through the catalog, PyIceberg and the gateway read back alike. As the engineer, through client
credentials with authentication on, against the built binary. DuckDB sends its DML and ALTERs to `transactions/commit`."""

import duckdb
import pytest
from compare import arrow_rows, assert_same_rows, quoted
from duck import connect


@pytest.fixture(scope="module")
def duck(polder):
    connection = connect(polder, "engineer")
    yield connection
    connection.close()


@pytest.fixture
def schema(duck, engineer):
    """A namespace that DuckDB makes; emptied and dropped by PyIceberg, which must work too."""
    name = f"duck_{id(object()):x}"
    duck.execute(f"CREATE SCHEMA lake.{name}")
    assert engineer.namespace_exists(name)
    yield name
    for table in engineer.list_tables(name):
        engineer.drop_table(table)
    engineer.drop_namespace(name)


def everybody_reads(engineer, door, schema: str, table: str, expected: list[tuple], order: str = "id") -> None:
    """Asserts that PyIceberg and the gateway both read exactly these rows."""
    arrow = engineer.load_table((schema, table)).scan().to_arrow()
    assert arrow_rows(arrow.sort_by(order)) == expected
    assert_same_rows(door, quoted(schema, table), arrow, [order])


def test_attach_finds_what_pyiceberg_wrote(polder, duck, engineer):
    """A-120, A-062: client credentials, config, list, load, read."""
    expected = engineer.load_table((polder.namespace, "nation")).scan().to_arrow().sort_by("n_nationkey")
    rows = duck.execute(f"SELECT * FROM lake.{polder.namespace}.nation ORDER BY n_nationkey").fetchall()
    assert rows == arrow_rows(expected)


def test_create_insert_update_delete(duck, schema, engineer, engineer_door):
    """A-064, A-071: staged create, then inserts, updates and positional deletes by transactions, read by all three."""
    duck.execute(f"CREATE TABLE lake.{schema}.t (id BIGINT, name VARCHAR, score DOUBLE)")
    duck.execute(f"INSERT INTO lake.{schema}.t VALUES (1, 'a', 1.5), (2, 'b', NULL), (3, 'grüße', 3.5)")
    everybody_reads(engineer, engineer_door, schema, "t", [(1, "a", 1.5), (2, "b", None), (3, "grüße", 3.5)])
    duck.execute(f"INSERT INTO lake.{schema}.t SELECT i, 'n' || i, i / 2 FROM range(4, 7) r(i)")
    duck.execute(f"UPDATE lake.{schema}.t SET score = 9 WHERE id = 2")
    duck.execute(f"DELETE FROM lake.{schema}.t WHERE id IN (1, 5)")
    expected = [(2, "b", 9.0), (3, "grüße", 3.5), (4, "n4", 2.0), (6, "n6", 3.0)]
    assert duck.execute(f"SELECT * FROM lake.{schema}.t ORDER BY id").fetchall() == expected
    everybody_reads(engineer, engineer_door, schema, "t", expected)


def test_create_table_as(polder, duck, schema, engineer, engineer_door):
    """A-066, A-071: CREATE TABLE AS is a staged create, its files and one commit; the directories are there."""
    duck.execute(f"CREATE TABLE lake.{schema}.c AS SELECT n_nationkey AS id, n_name AS name FROM lake.{polder.namespace}.nation")
    expected = duck.execute(f"SELECT n_nationkey, n_name FROM lake.{polder.namespace}.nation ORDER BY 1").fetchall()
    assert len(expected) == 25
    everybody_reads(engineer, engineer_door, schema, "c", expected)


def test_alter(duck, schema, engineer, engineer_door):
    """A-064, F17: columns added, renamed, widened and dropped, and properties set, each by a transaction."""
    duck.execute(f"CREATE TABLE lake.{schema}.t (id INTEGER, name VARCHAR, gone VARCHAR)")
    duck.execute(f"INSERT INTO lake.{schema}.t VALUES (1, 'a', 'x')")
    duck.execute(f"ALTER TABLE lake.{schema}.t ADD COLUMN extra VARCHAR")
    duck.execute(f"ALTER TABLE lake.{schema}.t RENAME COLUMN name TO title")
    duck.execute(f"ALTER TABLE lake.{schema}.t ALTER COLUMN id TYPE BIGINT")
    duck.execute(f"ALTER TABLE lake.{schema}.t DROP COLUMN gone")
    duck.execute(f"INSERT INTO lake.{schema}.t VALUES (5000000000, 'b', 'y')")
    expected = [(1, "a", None), (5000000000, "b", "y")]
    assert duck.execute(f"SELECT * FROM lake.{schema}.t ORDER BY id").fetchall() == expected
    everybody_reads(engineer, engineer_door, schema, "t", expected)
    assert engineer.load_table((schema, "t")).schema().column_names == ["id", "title", "extra"]


def test_time_travel(duck, schema, engineer):
    """A-064: an earlier snapshot, by its id, as DuckDB and PyIceberg read it."""
    duck.execute(f"CREATE TABLE lake.{schema}.t (id BIGINT)")
    duck.execute(f"INSERT INTO lake.{schema}.t VALUES (1)")
    first = engineer.load_table((schema, "t")).current_snapshot().snapshot_id
    duck.execute(f"INSERT INTO lake.{schema}.t VALUES (2)")
    then = duck.execute(f"SELECT id FROM lake.{schema}.t AT (VERSION => {first})").fetchall()
    assert then == [(1,)]
    assert engineer.load_table((schema, "t")).scan(snapshot_id=first).to_arrow().num_rows == 1
    assert duck.execute(f"SELECT count(*) FROM lake.{schema}.t").fetchall() == [(2,)]


def test_a_transaction_over_two_tables(duck, schema, engineer, engineer_door):
    """A-071: both tables or none: what is rolled back leaves nothing, what is committed is there at once."""
    for table in ("a", "b"):
        duck.execute(f"CREATE TABLE lake.{schema}.{table} (id BIGINT)")
    duck.execute("BEGIN")
    for table in ("a", "b"):
        duck.execute(f"INSERT INTO lake.{schema}.{table} VALUES (1)")
    duck.execute("ROLLBACK")
    for table in ("a", "b"):
        assert engineer.load_table((schema, table)).current_snapshot() is None
    duck.execute("BEGIN")
    for table in ("a", "b"):
        duck.execute(f"INSERT INTO lake.{schema}.{table} VALUES (2)")
    assert engineer.load_table((schema, "a")).current_snapshot() is None
    duck.execute("COMMIT")
    for table in ("a", "b"):
        everybody_reads(engineer, engineer_door, schema, table, [(2,)])


def test_a_transaction_that_lost_changes_nothing(polder, duck, schema, engineer, engineer_door):
    """A-071, F2: another writer was faster on one of the two tables: neither of them changes."""
    for table in ("a", "b"):
        duck.execute(f"CREATE TABLE lake.{schema}.{table} (id BIGINT)")
        duck.execute(f"INSERT INTO lake.{schema}.{table} VALUES (1)")
    other = connect(polder, "engineer")
    duck.execute("BEGIN")
    for table in ("a", "b"):
        duck.execute(f"INSERT INTO lake.{schema}.{table} VALUES (2)")
    other.execute(f"INSERT INTO lake.{schema}.b VALUES (3)")
    other.close()
    with pytest.raises(duckdb.Error):
        duck.execute("COMMIT")
    everybody_reads(engineer, engineer_door, schema, "a", [(1,)])
    everybody_reads(engineer, engineer_door, schema, "b", [(1,), (3,)])


def test_a_v3_table(duck, schema, engineer, engineer_door):
    """A-064: a v3 table; its deletion vector is refused by the gateway by name, never read wrongly."""
    duck.execute(f"CREATE TABLE lake.{schema}.v3 (id BIGINT, name VARCHAR) WITH ('format-version' = '3')")
    duck.execute(f"INSERT INTO lake.{schema}.v3 VALUES (1, 'a'), (2, 'b')")
    assert engineer.load_table((schema, "v3")).metadata.format_version == 3
    assert engineer_door.query(f"SELECT id FROM {quoted(schema, 'v3')} ORDER BY id").rows == [(1,), (2,)]
    duck.execute(f"DELETE FROM lake.{schema}.v3 WHERE id = 1")
    assert duck.execute(f"SELECT id FROM lake.{schema}.v3").fetchall() == [(2,)]
    answer = engineer_door.ask(f"SELECT id FROM {quoted(schema, 'v3')}")
    assert answer.status_code == 501, answer.text


def test_rename_and_drop(duck, schema, engineer):
    """A-067, A-069: renamed within the namespace, dropped, gone for everybody."""
    duck.execute(f"CREATE TABLE lake.{schema}.t (id BIGINT)")
    duck.execute(f"ALTER TABLE lake.{schema}.t RENAME TO u")
    assert engineer.list_tables(schema) == [(schema, "u")]
    duck.execute(f"DROP TABLE lake.{schema}.u")
    assert engineer.list_tables(schema) == []


def test_the_restricted_analyst_reads_nothing_past_the_gateway(polder):
    """A-077: DuckDB as the restricted analyst gets no metadata of the restricted table."""
    analyst = connect(polder, "analyst")
    with pytest.raises(duckdb.Error):
        analyst.execute(f"SELECT * FROM lake.{polder.namespace}.{polder.restricted_table}").fetchall()
    analyst.close()
