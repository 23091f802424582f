"""What PyIceberg writes through the catalog, PyIceberg and the gateway read back alike. As the engineer, through client
credentials, against the built binary."""

from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from compare import arrow_rows, assert_same_figures, assert_same_rows, gateway_rows, quoted
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    NoSuchViewError,
    TableAlreadyExistsError,
    ViewAlreadyExistsError,
)
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType
from pyiceberg.view.metadata import SQLViewRepresentation, ViewRepresentation, ViewVersion

TPCH_KEYS = {
    "region": ["r_regionkey"],
    "nation": ["n_nationkey"],
    "supplier": ["s_suppkey"],
    "customer": ["c_custkey"],
    "part": ["p_partkey"],
    "partsupp": ["ps_partkey", "ps_suppkey"],
    "orders": ["o_orderkey"],
    "lineitem": ["l_orderkey", "l_linenumber"],
}

PEOPLE = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string()), pa.field("score", pa.int32())])


def people(*rows: tuple) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(PEOPLE.names, row)) for row in rows], schema=PEOPLE)


def read_both(door, table, namespace: str, name: str, order: str = "id") -> list[tuple]:
    """Reads a table through PyIceberg and through the gateway; returns the rows that both gave."""
    arrow = table.refresh().scan().to_arrow()
    assert_same_rows(door, quoted(namespace, name), arrow, [order])
    return arrow_rows(arrow.sort_by(order))


# Reading


@pytest.mark.parametrize("name", TPCH_KEYS)
def test_the_gateway_reads_the_tpch_tables_as_pyiceberg_does(polder, engineer, engineer_door, name):
    """A-062, A-120, S-092: counts, sums, extremes and ordered rows agree, decimals and dates included."""
    arrow = engineer.load_table((polder.namespace, name)).scan().to_arrow()
    assert len(arrow) > 0
    target = quoted(polder.namespace, name)
    assert_same_rows(engineer_door, target, arrow, TPCH_KEYS[name])
    assert_same_figures(engineer_door, target, arrow)


def test_a_question_over_several_tables_has_the_same_answer(polder, engineer, engineer_door):
    """S-092: a join with grouping and decimal arithmetic gives what the same work in Arrow gives."""
    scan = {n: engineer.load_table((polder.namespace, n)).scan().to_arrow() for n in ("orders", "lineitem")}
    joined = scan["lineitem"].join(scan["orders"], "l_orderkey", "o_orderkey", join_type="inner")
    expected = joined.group_by("o_orderpriority").aggregate([("l_quantity", "sum"), ("l_quantity", "count")])
    rows = engineer_door.query(
        f"SELECT o_orderpriority, sum(l_quantity), count(*) FROM {quoted(polder.namespace, 'lineitem')} "
        f"JOIN {quoted(polder.namespace, 'orders')} ON l_orderkey = o_orderkey GROUP BY 1 ORDER BY 1"
    ).rows
    assert [(p, Decimal(str(q)), int(n)) for p, q, n in rows] == sorted(
        (r["o_orderpriority"], Decimal(r["l_quantity_sum"]), r["l_quantity_count"]) for r in expected.to_pylist()
    )


def test_an_answer_says_where_it_comes_from(polder, engineer, engineer_door):
    """S-092: columns, rows, metadata and provenance; the snapshot named is the one PyIceberg sees."""
    table = engineer.load_table((polder.namespace, "nation"))
    answer = engineer_door.query(f"SELECT n_name FROM {quoted(polder.namespace, 'nation')}")
    assert answer.body["columns"][0]["name"] == "n_name" and len(answer.rows) == 25
    assert answer.body["metadata"]["row_count"] == 25 and answer.body["metadata"]["query_id"]
    assert str(table.current_snapshot().snapshot_id) in str(answer.body["provenance"])


# Namespaces


def test_namespaces_with_their_properties(engineer):
    """A-061, A-065: create, exists, list, properties set and removed, refusals with their own errors, drop."""
    name = ("ns_properties",)
    engineer.create_namespace(name, {"owner": "rig", "purpose": "test"})
    assert engineer.namespace_exists(name) and name in engineer.list_namespaces()
    with pytest.raises(NamespaceAlreadyExistsError):
        engineer.create_namespace(name)
    summary = engineer.update_namespace_properties(name, removals={"owner", "never_set"}, updates={"tier": "gold"})
    assert (summary.removed, summary.updated, summary.missing) == (["owner"], ["tier"], ["never_set"])
    properties = engineer.load_namespace_properties(name)
    assert properties["tier"] == "gold" and properties["purpose"] == "test" and "owner" not in properties
    engineer.drop_namespace(name)
    assert not engineer.namespace_exists(name)
    with pytest.raises(NoSuchNamespaceError):
        engineer.load_namespace_properties(name)
    with pytest.raises(NoSuchNamespaceError):
        engineer.drop_namespace(name)


def test_nested_namespaces(engineer, namespace):
    """A-061, A-065: children are listed below their parent only, and a parent with children is not dropped."""
    child, grandchild = (namespace, "child"), (namespace, "child", "grand")
    engineer.create_namespace(child)
    engineer.create_namespace(grandchild)
    assert engineer.list_namespaces((namespace,)) == [child]
    assert engineer.list_namespaces(child) == [grandchild]
    assert child not in engineer.list_namespaces()
    with pytest.raises(NamespaceNotEmptyError):
        engineer.drop_namespace(namespace)
    engineer.create_table((*grandchild, "deep"), schema=PEOPLE).append(people((1, "a", 1)))
    assert engineer.list_tables(grandchild) == [(*grandchild, "deep")]
    with pytest.raises(NamespaceNotEmptyError):
        engineer.drop_namespace(grandchild)


def test_a_table_in_a_nested_namespace_is_read_by_the_gateway(engineer, engineer_door, namespace):
    """A-061, A-062: a table two levels deep has a name in SQL too."""
    engineer.create_namespace((namespace, "child"))
    engineer.create_table((namespace, "child", "deep"), schema=PEOPLE).append(people((1, "a", 1)))
    assert engineer_door.query(f"SELECT name FROM {quoted(namespace, 'child', 'deep')}").one() == ("a",)


# Tables: rows


def test_append_overwrite_delete_and_upsert(engineer, engineer_door, namespace):
    """A-062, A-064, A-066: each write is one commit, and both readers see it at once."""
    table = engineer.create_table((namespace, "people"), schema=PEOPLE)
    assert read_both(engineer_door, table, namespace, "people") == []
    table.append(people((1, "ann", 10), (2, "bob", 20)))
    table.append(people((3, "cyd", 30)))
    assert [r[0] for r in read_both(engineer_door, table, namespace, "people")] == [1, 2, 3]
    table.delete(EqualTo("id", 2))
    assert [r[0] for r in read_both(engineer_door, table, namespace, "people")] == [1, 3]
    result = table.upsert(people((3, "cyd", 31), (4, "dan", 40)), join_cols=["id"])
    assert (result.rows_updated, result.rows_inserted) == (1, 1)
    assert read_both(engineer_door, table, namespace, "people") == [(1, "ann", 10), (3, "cyd", 31), (4, "dan", 40)]
    table.overwrite(people((9, "zoe", 90)), overwrite_filter=GreaterThanOrEqual("id", 4))
    assert [r[0] for r in read_both(engineer_door, table, namespace, "people")] == [1, 3, 9]
    table.overwrite(people((5, "eve", 50)))
    assert read_both(engineer_door, table, namespace, "people") == [(5, "eve", 50)]
    assert len(table.refresh().snapshots()) >= 7


def test_every_primitive_type_survives(engineer, engineer_door, namespace):
    """A-064: values at the edges of their types, and nulls, read alike by both readers."""
    schema = pa.schema(
        [
            pa.field("id", pa.int64()),
            pa.field("flag", pa.bool_()),
            pa.field("small", pa.int32()),
            pa.field("ratio", pa.float64()),
            pa.field("price", pa.decimal128(38, 10)),
            pa.field("day", pa.date32()),
            pa.field("local", pa.timestamp("us")),
            pa.field("moment", pa.timestamp("us", tz="UTC")),
            pa.field("text", pa.string()),
        ]
    )
    far = datetime(2261, 12, 31, 23, 59, 59, 999999)
    rows = [
        (-(2**63), True, -(2**31), -0.5, Decimal("-9999999999999999999999999999.9999999999"), date(1, 1, 1), datetime(1969, 12, 31), datetime(1970, 1, 1, tzinfo=timezone.utc), ""),
        (2**63 - 1, False, 2**31 - 1, 1e300, Decimal("0.0000000001"), date(9999, 12, 31), far, far.replace(tzinfo=timezone.utc), "déjà \u2028 \"quoted\" \\ 🦆"),
        (0, None, None, None, None, None, None, None, None),
    ]  # fmt: skip
    written = pa.Table.from_pylist([dict(zip(schema.names, row)) for row in rows], schema=schema)
    table = engineer.create_table((namespace, "types"), schema=schema)
    table.append(written)
    assert read_both(engineer_door, table, namespace, "types") == sorted(rows)


def test_nested_values_are_reached_by_field(engineer, engineer_door, namespace):
    """A-064: a struct's field is read by its path, before and after rows without it."""
    info = pa.struct([pa.field("phone", pa.string()), pa.field("city", pa.string())])
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("info", info), pa.field("tags", pa.list_(pa.string()))])
    table = engineer.create_table((namespace, "nested"), schema=schema)
    rows = [{"id": 1, "info": {"phone": "1", "city": "Ghent"}, "tags": ["a", "b"]}, {"id": 2, "info": None, "tags": []}]
    table.append(pa.Table.from_pylist(rows, schema=schema))
    target = quoted(namespace, "nested")
    assert engineer_door.query(f"SELECT id, t.info['city'] FROM {target} t ORDER BY id").rows == [(1, "Ghent"), (2, None)]
    assert engineer_door.query(f"SELECT cardinality(tags) FROM {target} WHERE id = 1").one() == (2,)


# Tables: shape


def test_schema_evolution(engineer, engineer_door, namespace):
    """A-064: add, rename, widen, drop and move columns; old files are read under the new schema by both readers."""
    table = engineer.create_table((namespace, "evolving"), schema=PEOPLE)
    table.append(people((1, "ann", 10), (2, "bob", 20)))
    with table.update_schema() as update:
        update.add_column("city", StringType())
        update.rename_column("name", "full_name")
        update.update_column("score", LongType())
    wide = {"id": [3], "full_name": ["cyd"], "score": [2**40], "city": ["Ghent"]}
    table.append(pa.table(wide, schema=table.schema().as_arrow()))
    assert read_both(engineer_door, table, namespace, "evolving") == [
        (1, "ann", 10, None), (2, "bob", 20, None), (3, "cyd", 2**40, "Ghent"),
    ]  # fmt: skip
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("score")
        update.move_first("city")
    assert read_both(engineer_door, table, namespace, "evolving") == [(None, 1, "ann"), (None, 2, "bob"), ("Ghent", 3, "cyd")]


def test_a_column_dropped_and_added_again_is_a_new_column(engineer, engineer_door, namespace):
    """A-064: fields are told apart by id, so old values do not come back under the old name."""
    table = engineer.create_table((namespace, "again"), schema=PEOPLE)
    table.append(people((1, "ann", 10)))
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("score")
    with table.update_schema() as update:
        update.add_column("score", LongType())
    assert read_both(engineer_door, table, namespace, "again") == [(1, "ann", None)]
    answer = engineer_door.query(f"SELECT count(*) FROM {quoted(namespace, 'again')} WHERE score = 10")
    assert answer.one() == (0,)


def test_partition_evolution(engineer, engineer_door, namespace):
    """A-064: files of three partition specs, one table; filters on the partition columns agree."""
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("kind", pa.string()), pa.field("seen", pa.timestamp("us"))])

    def events(*rows):
        return pa.Table.from_pylist([dict(zip(schema.names, row)) for row in rows], schema=schema)

    table = engineer.create_table((namespace, "events"), schema=schema)
    table.append(events((1, "a", datetime(2026, 1, 1, 5)), (2, "b", datetime(2026, 1, 2, 5))))
    with table.update_spec() as update:
        update.add_field("kind", IdentityTransform(), "kind")
    table.append(events((3, "a", datetime(2026, 1, 1, 6)), (4, None, datetime(2026, 1, 3, 6))))
    with table.update_spec() as update:
        update.remove_field("kind")
        update.add_field("seen", DayTransform(), "seen_day")
        update.add_field("id", BucketTransform(4), "id_bucket")
    table.append(events((5, "a", datetime(2026, 1, 1, 7)), (6, "b", datetime(2026, 1, 4, 7))))
    assert len(table.specs()) == 3
    assert [r[0] for r in read_both(engineer_door, table, namespace, "events")] == [1, 2, 3, 4, 5, 6]
    target = quoted(namespace, "events")
    for sql, filter_ in [
        ("kind = 'a'", "kind == 'a'"),
        ("kind IS NULL", "kind is null"),
        ("seen >= TIMESTAMP '2026-01-03 00:00:00'", "seen >= '2026-01-03T00:00:00'"),
        ("id IN (2, 3, 5)", "id in (2, 3, 5)"),
    ]:
        found = [row[0] for row in engineer_door.query(f"SELECT id FROM {target} WHERE {sql} ORDER BY id").rows]
        assert found == sorted(table.scan(row_filter=filter_).to_arrow().column("id").to_pylist()), sql


def test_properties_and_sort_order(engineer, namespace):
    """A-064: table properties are set and removed, a sort order is added; all of it is there after a reload."""
    table = engineer.create_table((namespace, "settings"), schema=PEOPLE, properties={"team": "data"})
    with table.transaction() as transaction:
        transaction.set_properties({"tier": "gold"})
        transaction.remove_properties("team")
    with table.update_sort_order() as update:
        update.asc("id", IdentityTransform())
    loaded = engineer.load_table((namespace, "settings"))
    assert loaded.properties.get("tier") == "gold" and "team" not in loaded.properties
    assert [f.source_id for f in loaded.sort_order().fields] == [1]


# Tables: history


def test_time_travel(engineer, engineer_door, namespace):
    """A-064: every snapshot stays readable; the gateway reads the current one."""
    table = engineer.create_table((namespace, "history"), schema=PEOPLE)
    for i in range(1, 4):
        table.append(people((i, f"n{i}", i)))
    snapshots = [s.snapshot_id for s in engineer.load_table((namespace, "history")).snapshots()]
    assert len(snapshots) == 3
    for count, snapshot in enumerate(snapshots, start=1):
        assert len(table.scan(snapshot_id=snapshot).to_arrow()) == count
    assert len(read_both(engineer_door, table, namespace, "history")) == 3


def test_branches_and_tags(engineer, engineer_door, namespace):
    """A-064: refs are made and removed; a write to a branch does not show on main, for either reader."""
    table = engineer.create_table((namespace, "refs"), schema=PEOPLE)
    table.append(people((1, "ann", 10)))
    snapshot = table.current_snapshot().snapshot_id
    with table.manage_snapshots() as manage:
        manage.create_tag(snapshot, "v1").create_branch(snapshot, "dev")
    table.append(people((2, "bob", 20)), branch="dev")
    assert [r[0] for r in read_both(engineer_door, table, namespace, "refs")] == [1]
    assert len(table.scan().use_ref("dev").to_arrow()) == 2 and len(table.scan().use_ref("v1").to_arrow()) == 1
    with table.manage_snapshots() as manage:
        manage.remove_tag("v1").remove_branch("dev")
    assert set(engineer.load_table((namespace, "refs")).refs()) == {"main"}


# Tables: names and life


def test_create_exists_list_rename_and_drop(engineer, engineer_door, namespace):
    """A-062, A-066, A-069: a table keeps its rows through a rename; a dropped one is gone at every door."""
    table = engineer.create_table((namespace, "first"), schema=PEOPLE)
    table.append(people((1, "ann", 10)))
    with pytest.raises(TableAlreadyExistsError):
        engineer.create_table((namespace, "first"), schema=PEOPLE)
    assert engineer.table_exists((namespace, "first"))
    renamed = engineer.rename_table((namespace, "first"), (namespace, "second"))
    assert renamed.metadata.table_uuid == table.metadata.table_uuid
    assert engineer.list_tables(namespace) == [(namespace, "second")]
    assert engineer_door.query(f"SELECT id FROM {quoted(namespace, 'second')}").one() == (1,)
    assert engineer_door.ask(f"SELECT id FROM {quoted(namespace, 'first')}").status_code != 200
    engineer.drop_table((namespace, "second"))
    assert not engineer.table_exists((namespace, "second"))
    with pytest.raises(NoSuchTableError):
        engineer.load_table((namespace, "second"))
    assert engineer_door.ask(f"SELECT id FROM {quoted(namespace, 'second')}").status_code != 200


def test_rename_refuses_a_taken_name_and_a_missing_table(engineer, namespace):
    """A-069: each refusal has its own error, and nothing moves."""
    for name in ("one", "two"):
        engineer.create_table((namespace, name), schema=PEOPLE)
    with pytest.raises(TableAlreadyExistsError):
        engineer.rename_table((namespace, "one"), (namespace, "two"))
    with pytest.raises(NoSuchTableError):
        engineer.rename_table((namespace, "none"), (namespace, "three"))
    assert sorted(engineer.list_tables(namespace)) == [(namespace, "one"), (namespace, "two")]


def test_views_are_created_listed_loaded_and_dropped(engineer, engineer_door, namespace):
    """A-069, A-076: a view keeps what it was made of, shares its name space with tables, and is no table to SQL."""
    statement = SQLViewRepresentation(type="sql", sql="SELECT id FROM people", dialect="spark")
    version = ViewVersion(
        schema_id=0, representations=[ViewRepresentation(root=statement)], default_namespace=(namespace,)
    )
    engineer.create_table((namespace, "people"), schema=PEOPLE)
    with pytest.raises(ViewAlreadyExistsError):
        engineer.create_view((namespace, "people"), PEOPLE, version)
    made = engineer.create_view((namespace, "seen"), PEOPLE, version, properties={"comment": "c"})
    with pytest.raises(ViewAlreadyExistsError):
        engineer.create_view((namespace, "seen"), PEOPLE, version)
    with pytest.raises(TableAlreadyExistsError):
        engineer.create_table((namespace, "seen"), schema=PEOPLE)
    assert engineer.view_exists((namespace, "seen")) and not engineer.table_exists((namespace, "seen"))
    assert engineer.list_views(namespace) == [(namespace, "seen")]
    assert engineer.list_tables(namespace) == [(namespace, "people")]
    loaded = engineer.load_view((namespace, "seen"))
    assert loaded.metadata == made.metadata and loaded.metadata.properties["comment"] == "c"
    assert loaded.metadata.versions[0].representations[0].root == statement
    assert engineer_door.ask(f"SELECT id FROM {quoted(namespace, 'seen')}").status_code != 200
    engineer.drop_view((namespace, "seen"))
    assert not engineer.view_exists((namespace, "seen"))
    with pytest.raises(NoSuchViewError):
        engineer.load_view((namespace, "seen"))
    with pytest.raises(NoSuchViewError):
        engineer.drop_view((namespace, "seen"))


def test_a_new_table_under_an_old_name_is_a_new_table(engineer, engineer_door, namespace):
    """A-066: drop and create again: own UUID, own place, none of the old rows."""
    old = engineer.create_table((namespace, "phoenix"), schema=PEOPLE)
    old.append(people((1, "ann", 10)))
    engineer.drop_table((namespace, "phoenix"))
    new = engineer.create_table((namespace, "phoenix"), schema=PEOPLE)
    assert new.metadata.table_uuid != old.metadata.table_uuid and new.location() != old.location()
    assert read_both(engineer_door, new, namespace, "phoenix") == []


def test_a_staged_create_appears_with_its_rows_or_not_at_all(engineer, engineer_door, namespace):
    """A-066: nothing is there before the commit; of two staged creates of one name one wins."""
    first = engineer.create_table_transaction((namespace, "staged"), schema=PEOPLE)
    second = engineer.create_table_transaction((namespace, "staged"), schema=PEOPLE)
    assert not engineer.table_exists((namespace, "staged"))
    first.append(people((1, "ann", 10)))
    second.append(people((2, "bob", 20)))
    first.commit_transaction()
    with pytest.raises((CommitFailedException, TableAlreadyExistsError)):
        second.commit_transaction()
    assert read_both(engineer_door, engineer.load_table((namespace, "staged")), namespace, "staged") == [(1, "ann", 10)]


# Concurrency


def test_two_stale_commits_do_not_both_win(engineer, engineer_door, namespace):
    """A-064: the second of two writers with the same base is told of a conflict (409), not of success."""
    no_retries = {"commit.retry.num-retries": "0"}
    engineer.create_table((namespace, "raced"), schema=PEOPLE, properties=no_retries)
    first, second = (engineer.load_table((namespace, "raced")) for _ in range(2))
    first.append(people((1, "ann", 10)))
    with pytest.raises(CommitFailedException):
        second.append(people((2, "bob", 20)))
    assert read_both(engineer_door, first, namespace, "raced") == [(1, "ann", 10)]


def test_a_stale_schema_change_is_refused(engineer, namespace):
    """A-064: two writers evolve from the same schema; the second is told of the conflict."""
    engineer.create_table((namespace, "shaped"), schema=PEOPLE)
    first, second = (engineer.load_table((namespace, "shaped")) for _ in range(2))
    with first.update_schema() as update:
        update.add_column("a", StringType())
    with pytest.raises(CommitFailedException), second.update_schema() as update:
        update.add_column("b", StringType())
    assert engineer.load_table((namespace, "shaped")).schema().column_names == [*PEOPLE.names, "a"]


def test_a_writer_that_retries_loses_nothing(engineer, engineer_door, namespace):
    """A-064: after a conflict PyIceberg reloads and commits on the new base; both appends are there."""
    engineer.create_table((namespace, "merged"), schema=PEOPLE)
    first, second = (engineer.load_table((namespace, "merged")) for _ in range(2))
    first.append(people((1, "ann", 10)))
    second.append(people((2, "bob", 20)))
    assert [r[0] for r in read_both(engineer_door, second, namespace, "merged")] == [1, 2]


def test_a_required_identifier_column_and_field_ids_are_kept(engineer, namespace):
    """A-066: required columns and identifier fields come back as they were sent, ids assigned once."""
    schema = Schema(
        NestedField(1, "id", LongType(), required=True), NestedField(2, "name", StringType()), identifier_field_ids=[1]
    )
    engineer.create_table((namespace, "keyed"), schema=schema)
    loaded = engineer.load_table((namespace, "keyed")).schema()
    assert loaded.identifier_field_ids == [1] and loaded.find_field("id").required
    assert not loaded.find_field("name").required


def test_the_gateway_answer_has_the_columns_that_pyiceberg_names(engineer, engineer_door, namespace):
    """S-092: names keep their case and their order, also when they need quoting."""
    schema = pa.schema([pa.field("Id", pa.int64()), pa.field("two words", pa.string()), pa.field("select", pa.string())])
    table = engineer.create_table((namespace, "Mixed Case"), schema=schema)
    table.append(pa.Table.from_pylist([{"Id": 1, "two words": "x", "select": "y"}], schema=schema))
    answer = engineer_door.query(f"SELECT * FROM {quoted(namespace, 'Mixed Case')}")
    assert gateway_rows(answer, table.scan().to_arrow().schema) == [(1, "x", "y")]
