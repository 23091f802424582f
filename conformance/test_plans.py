"""Scans that the server plans, compared with PyIceberg's own planning over the same manifests: the same files, the same
deletes, the same rows. As the engineer, against the built binary."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
import requests
from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    Not,
    NotEqualTo,
    NotIn,
    NotNull,
    Or,
    StartsWith,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import DateType, DoubleType, IntegerType, LongType, NestedField, StringType, TimestampType
from server import REQUEST_SECONDS_MAX

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "name", StringType()),
    NestedField(3, "day", DateType()),
    NestedField(4, "at", TimestampType()),
    NestedField(5, "score", DoubleType()),
    NestedField(6, "kind", IntegerType()),
)

FILTERS = [
    AlwaysTrue(),
    EqualTo("id", 7),
    And(GreaterThan("id", 10), LessThan("id", 14)),
    In("id", {3, 41, 99}),
    NotIn("id", {1, 2}),
    Or(EqualTo("kind", 1), IsNull("kind")),
    NotNull("kind"),
    NotEqualTo("kind", 2),
    Not(GreaterThanOrEqual("id", 20)),
    StartsWith("name", "b"),
    GreaterThanOrEqual("name", "name-3"),
    EqualTo("day", "2021-03-04"),
    LessThan("day", "1970-01-01"),
    GreaterThan("at", "2021-06-01T00:00:00"),
    LessThan("at", "1969-12-31T23:00:00"),
    And(GreaterThan("score", 1.0), LessThan("id", 30)),
    EqualTo("id", 1_000),
]

SPECS = {
    "none": [],
    "identity": [(6, IdentityTransform(), "kind")],
    "bucket": [(1, BucketTransform(4), "bucket"), (2, BucketTransform(2), "name_bucket")],
    "truncate": [(2, TruncateTransform(1), "letter"), (1, TruncateTransform(10), "ten")],
    "year": [(3, YearTransform(), "year")],
    "month": [(4, MonthTransform(), "month")],
    "day": [(3, DayTransform(), "day_of")],
    "hour": [(4, HourTransform(), "hour")],
}


def rows(first: int, count: int) -> pa.Table:
    def row(index):
        # Half a year apart, from before 1970 on; no nulls in partition columns that PyIceberg cannot read back in a plan.
        moment = datetime(1969, 1, 1) + timedelta(days=180 * index, hours=index)
        name = f"{'ab'[index % 2]}-{index}" if index % 3 else f"name-{index}"
        return {"id": index, "name": name, "day": moment.date(), "at": moment, "score": index / 4, "kind": index % 3}

    return pa.Table.from_pylist([row(index) for index in range(first, first + count)], schema=SCHEMA.as_arrow())


@pytest.fixture(scope="module")
def planner(polder):
    """PyIceberg that leaves planning to the server."""
    catalog = polder.catalog("engineer", **{"scan-planning-mode": "server"})
    assert catalog.supports_server_side_planning()
    return catalog


def files(scan) -> set:
    """The data files of a scan, each with its delete files."""
    return {(t.file.file_path, frozenset(d.file_path for d in t.delete_files)) for t in scan.plan_files()}


@pytest.mark.parametrize("spec", SPECS)
def test_rows_are_the_same_whoever_plans(engineer, planner, namespace, spec):
    """A-073: for every transform and filter, the rows that are read and counted are the same, and files are left out."""
    fields = [PartitionField(source, 1000 + place, transform, name) for place, (source, transform, name) in enumerate(SPECS[spec])]
    identifier = (namespace, f"by_{spec}")
    table = engineer.create_table(identifier, SCHEMA, partition_spec=PartitionSpec(*fields))
    for first in (0, 20, 40):
        table.append(rows(first, 20))
    local, remote = engineer.load_table(identifier), planner.load_table(identifier)
    everything = len(files(local.scan()))
    pruned = 0
    for row_filter in FILTERS:
        pruned += everything - len(files(remote.scan(row_filter)))
        read = [sorted(t.scan(row_filter).to_arrow()["id"].to_pylist()) for t in (local, remote)]
        assert read[0] == read[1], row_filter
        assert local.scan(row_filter).count() == remote.scan(row_filter).count(), row_filter
    assert pruned > 0


def test_the_server_prunes_as_much_as_pyiceberg(engineer, planner, namespace):
    """A-073: on plain comparisons of partitions and bounds, not one file more is told."""
    identifier = (namespace, "events")
    spec = PartitionSpec(PartitionField(3, 1000, YearTransform(), "year"), PartitionField(1, 1001, BucketTransform(4), "bucket"))
    table = engineer.create_table(identifier, SCHEMA, partition_spec=spec)
    table.append(rows(10, 40))
    for row_filter in (EqualTo("id", 17), LessThan("id", 20), EqualTo("day", "2021-03-04"), GreaterThan("day", "1985-01-01"), In("id", {11, 30})):
        own, told = (files(catalog.load_table(identifier).scan(row_filter)) for catalog in (engineer, planner))
        assert own == told, row_filter


def test_time_travel_is_planned(engineer, planner, namespace):
    """A-073: an older snapshot, and the appends between two, which PyIceberg has no word for."""
    identifier = (namespace, "history")
    table = engineer.create_table(identifier, SCHEMA)
    for first in (0, 10, 20):
        table.append(rows(first, 10))
    ids = [snapshot.snapshot_id for snapshot in table.snapshots()]
    remote = planner.load_table(identifier)
    for place, snapshot in enumerate(ids):
        assert remote.scan(snapshot_id=snapshot).to_arrow().num_rows == 10 * (place + 1)
        assert files(remote.scan(snapshot_id=snapshot)) == files(table.refresh().scan(snapshot_id=snapshot))


def test_a_delete_rewrites_and_the_plan_follows(engineer, planner, namespace):
    """A-073: after a copy-on-write delete the plan names the rewritten files and none of the old."""
    identifier = (namespace, "rewritten")
    table = engineer.create_table(identifier, SCHEMA)
    table.append(rows(0, 30))
    before = files(planner.load_table(identifier).scan())
    table.delete(LessThan("id", 10))
    after = files(planner.load_table(identifier).scan())
    assert before.isdisjoint(after) and after == files(table.refresh().scan())
    assert planner.load_table(identifier).scan().to_arrow().num_rows == 20


def test_a_restricted_reader_gets_no_plan(polder):
    """A-077: the analyst is sent to the query door."""
    catalog = polder.catalog("analyst", **{"scan-planning-mode": "server"})
    url = f"{polder.iceberg_uri}/v1/{polder.warehouse}/namespaces/{polder.namespace}/tables/{polder.restricted_table}/plan"
    answer = catalog._session.post(url, json={}, timeout=REQUEST_SECONDS_MAX)
    assert isinstance(answer, requests.Response) and answer.status_code == 403
    assert "/api/v1/query" in answer.json()["error"]["message"] and "file-path" not in answer.text
