"""One request for each operation of the specification that is answered with success, and what it needs to be there first.

A recipe makes its objects through the doors, under fresh names, and returns the request; it does not send it. Those of keys and signatures
are for warehouses in a store that makes keys."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import cycle

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record
from specification import Operation, official

SCHEMA = {
    "type": "struct",
    "schema-id": 0,
    "fields": [
        {"id": 1, "name": "id", "required": True, "type": "long"},
        {"id": 2, "name": "name", "required": False, "type": "string"},
    ],
}
ABSENT = "absent"
# More than one answer of a plan tells.
LARGE_PLAN_FILES = 2_100


@dataclass(frozen=True)
class Request:
    """An operation with values for its path, and what else is sent."""

    operation: Operation
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None

    def at(self, warehouse: str) -> str:
        """Returns the path as it is sent."""
        path = self.operation.path
        for name, value in {"prefix": warehouse, **self.path}.items():
            path = path.replace("{" + name + "}", value)
        return path

    def data(self) -> bytes | None:
        return self.body if isinstance(self.body, bytes | None) else json.dumps(self.body).encode()

    def but(self, **changed) -> "Request":
        return replace(self, **changed)


RECIPES: dict[str, Callable] = {}


def recipe(name: str):
    """Registers the recipe of an operation."""

    def register(make):
        RECIPES[name] = lambda scene: Request(official().operations[name], **make(scene))
        return make

    return register


class Scene:
    """Makes what recipes need, through the doors, as one principal."""

    def __init__(self, send: Callable, catalog: Callable[[], Catalog]):
        self._send, self._catalog = send, catalog

    def made(self, name: str, **parts) -> dict:
        """Sends a request that must be done; returns the body of its answer."""
        answer = self._send(Request(official().operations[name], **parts))
        assert answer.ok, f"{name}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def namespace(self) -> str:
        name = fresh("ns")
        self.made("createNamespace", body={"namespace": [name], "properties": {"owner": "ann"}})
        return name

    def table(self, namespace: str | None = None) -> dict[str, str]:
        """Makes a table; returns the values of a path to it."""
        namespace = namespace or self.namespace()
        body = table_body()
        self.made("createTable", path={"namespace": namespace}, body=body)
        return {"namespace": namespace, "table": body["name"]}

    def view(self, namespace: str | None = None) -> dict[str, str]:
        """Makes a view; returns the values of a path to it."""
        namespace = namespace or self.namespace()
        body = view_body(namespace)
        self.made("createView", path={"namespace": namespace}, body=body)
        return {"namespace": namespace, "view": body["name"]}

    @cached_property
    def large(self) -> tuple[dict[str, str], Iterator[str]]:
        """The path of a table whose plan one answer does not hold, and tasks of two plans in turn: a plan of this size takes seconds to
        judge. None of its files is there: plans read no data."""
        path = self.table()
        table = self._catalog().load_table((path["namespace"], path["table"]))
        with table.transaction() as transaction, transaction.update_snapshot().fast_append() as snapshot:
            for index in range(LARGE_PLAN_FILES):
                snapshot.append_data_file(data_file(f"{table.location()}/data/{index}.parquet"))
        plans = [self.made("planTableScan", path=path, body={"select": [column]}) for column in ("id", "name")]
        return path, cycle([plan["plan-tasks"][0] for plan in plans])

    def plan(self, table: dict[str, str]) -> dict:
        return self.made("planTableScan", path=table, body={})


def fresh(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:12]}"


def data_file(path: str) -> DataFile:
    return DataFile.from_args(
        content=DataFileContent.DATA, file_path=path, file_format=FileFormat.PARQUET, partition=Record(), record_count=10,
        file_size_in_bytes=100, spec_id=0,
    )  # fmt: skip


def table_body(**more) -> dict:
    return {"name": fresh("t"), "schema": SCHEMA, **more}


def view_body(namespace: str) -> dict:
    version = {
        "version-id": 1, "timestamp-ms": 1_760_000_000_000, "schema-id": 0, "summary": {"engine-name": "spark"},
        "default-namespace": [namespace],
        "representations": [{"type": "sql", "sql": "SELECT 1 AS id", "dialect": "spark"}],
    }  # fmt: skip
    return {"name": fresh("v"), "schema": SCHEMA, "view-version": version, "properties": {"comment": "a view"}}


def property_update(key: str = "team") -> list[dict]:
    return [{"action": "set-properties", "updates": {key: "data"}}]


def identifier(path: dict[str, str]) -> dict:
    return {"namespace": [path["namespace"]], "name": path.get("table") or path["view"]}


def append(path: dict[str, str], uuid_: str) -> dict:
    """A change of one table."""
    requirement = {"type": "assert-table-uuid", "uuid": uuid_}
    return {"identifier": identifier(path), "requirements": [requirement], "updates": property_update()}


@recipe("getConfig")
def get_config(_scene):
    return {}


@recipe("getToken")
def get_token(scene):
    client_id, secret = scene.credential.split(":", 1)
    form = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}&scope=catalog"
    return {"body": form.encode(), "headers": {"Content-Type": "application/x-www-form-urlencoded"}}


@recipe("listNamespaces")
def list_namespaces(scene):
    scene.namespace()
    return {}


@recipe("createNamespace")
def create_namespace(_scene):
    return {"body": {"namespace": [fresh("ns")], "properties": {"owner": "ann"}}}


@recipe("loadNamespaceMetadata")
def load_namespace_metadata(scene):
    return {"path": {"namespace": scene.namespace()}}


@recipe("namespaceExists")
def namespace_exists(scene):
    return {"path": {"namespace": scene.namespace()}}


@recipe("dropNamespace")
def drop_namespace(scene):
    return {"path": {"namespace": scene.namespace()}}


@recipe("updateProperties")
def update_properties(scene):
    return {"path": {"namespace": scene.namespace()}, "body": {"updates": {"tier": "gold"}, "removals": ["owner", "none"]}}


@recipe("listTables")
def list_tables(scene):
    return {"path": {"namespace": scene.table()["namespace"]}}


@recipe("createTable")
def create_table(scene):
    return {"path": {"namespace": scene.namespace()}, "body": table_body()}


@recipe("registerTable")
def register_table(scene):
    path = scene.table()
    location = scene.made("loadTable", path=path)["metadata-location"]
    scene.made("unregisterTable", path=path)
    # Under its own name: its files come back under no other (decision 0028).
    return {"path": {"namespace": path["namespace"]}, "body": {"name": path["table"], "metadata-location": location}}


@recipe("unregisterTable")
def unregister_table(scene):
    return {"path": scene.table()}


@recipe("loadTable")
def load_table(scene):
    return {"path": scene.table()}


@recipe("tableExists")
def table_exists(scene):
    return {"path": scene.table()}


@recipe("dropTable")
def drop_table(scene):
    return {"path": scene.table()}


@recipe("updateTable")
def update_table(scene):
    path = scene.table()
    change = append(path, scene.made("loadTable", path=path)["metadata"]["table-uuid"])
    # Java's clients leave the identifier out: the path says it.
    del change["identifier"]
    return {"path": path, "body": change}


@recipe("commitTransaction")
def commit_transaction(scene):
    paths = [scene.table(), scene.table()]
    uuids = [scene.made("loadTable", path=path)["metadata"]["table-uuid"] for path in paths]
    return {"body": {"table-changes": [append(path, uuid_) for path, uuid_ in zip(paths, uuids)]}}


@recipe("renameTable")
def rename_table(scene):
    path = scene.table()
    return {"body": {"source": identifier(path), "destination": {"namespace": [path["namespace"]], "name": fresh("t")}}}


@recipe("reportMetrics")
def report_metrics(scene):
    path = scene.table()
    report = {
        "report-type": "scan-report", "table-name": path["table"], "snapshot-id": 1, "filter": {"type": "true"},
        "schema-id": 0, "projected-field-ids": [1], "projected-field-names": ["id"],
        "metrics": {"total-planning-duration": {"count": 1, "time-unit": "nanoseconds", "total-duration": 5}},
    }  # fmt: skip
    return {"path": path, "body": report}


@recipe("planTableScan")
def plan_table_scan(scene):
    return {"path": scene.table(), "body": {"select": ["id"], "case-sensitive": True}}


@recipe("fetchPlanningResult")
def fetch_planning_result(scene):
    path = scene.table()
    return {"path": {**path, "plan-id": scene.plan(path)["plan-id"]}}


@recipe("cancelPlanning")
def cancel_planning(scene):
    path = scene.table()
    return {"path": {**path, "plan-id": scene.plan(path)["plan-id"]}}


@recipe("fetchScanTasks")
def fetch_scan_tasks(scene):
    path, tasks = scene.large
    return {"path": path, "body": {"plan-task": next(tasks)}}


@recipe("loadCredentials")
def load_credentials(scene):
    return {"path": scene.table()}


@recipe("signRequest")
def sign_request(scene):
    path = scene.table()
    loaded = scene.made("loadTable", path=path)
    place = loaded["metadata"]["location"].removeprefix("s3://")
    uri = f"{loaded['config']['s3.endpoint'].rstrip('/')}/{place}/data/a.parquet"
    request = {"region": loaded["config"]["client.region"], "method": "GET", "uri": uri, "headers": {}, "provider": "s3"}
    return {"path": path, "body": request}


@recipe("listViews")
def list_views(scene):
    return {"path": {"namespace": scene.view()["namespace"]}}


@recipe("createView")
def create_view(scene):
    namespace = scene.namespace()
    return {"path": {"namespace": namespace}, "body": view_body(namespace)}


@recipe("loadView")
def load_view(scene):
    return {"path": scene.view()}


@recipe("viewExists")
def view_exists(scene):
    return {"path": scene.view()}


@recipe("replaceView")
def replace_view(scene):
    path = scene.view()
    requirement = {"type": "assert-view-uuid", "uuid": scene.made("loadView", path=path)["metadata"]["view-uuid"]}
    return {"path": path, "body": {"requirements": [requirement], "updates": property_update()}}


@recipe("dropView")
def drop_view(scene):
    return {"path": scene.view()}


@recipe("renameView")
def rename_view(scene):
    path = scene.view()
    return {"body": {"source": identifier(path), "destination": {"namespace": [path["namespace"]], "name": fresh("v")}}}


@recipe("registerView")
def register_view(scene):
    path = scene.view()
    location = scene.made("loadView", path=path)["metadata-location"]
    scene.made("dropView", path=path)
    return {"path": {"namespace": path["namespace"]}, "body": {"name": path["view"], "metadata-location": location}}
