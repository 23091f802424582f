"""A-121: live answers of every operation that the server advertises, success and errors, held against the official document;
A-074: every parameter that it declares is read. What the server does not advertise is not there at all."""

from collections.abc import Callable
from functools import cached_property

import pytest
import requests
from deployment import ENGINE, Deployment
from recipes import ABSENT, RECIPES, Request, Scene, fresh, identifier, property_update, table_body
from server import REQUEST_SECONDS_MAX
from specification import Operation, official

OPERATIONS = list(official().operations.values())
# Driven elsewhere: the first two need a store whose keys can be lent, the third a plan too large for one answer.
ELSEWHERE = {"loadCredentials", "signRequest", "fetchScanTasks"}
# Whoever has no credential yet.
PUBLIC = {"getToken"}

# Which parameters of which operations a test of this file proves to be read.
PROVEN: set[tuple[str, str]] = set()


def proves(*pairs: tuple[str, str]):
    """Says that a test proves these parameters, `(operation, parameter)`, to be read."""
    PROVEN.update(pairs)
    return lambda test: test


def declaring(*names: str) -> list[tuple[str, str]]:
    return [(o.name, p.name) for o in OPERATIONS for p in o.parameters if p.name in names]


class Caller(Scene):
    """Sends requests of the specification as one principal; every answer is held against the document."""

    def __init__(self, deployment: Deployment, who: str | None):
        super().__init__(self.send)
        self.deployment = deployment
        self.credential = deployment.credential(who) if who else ""
        self._door = deployment.door(who) if who else None

    @cached_property
    def endpoints(self) -> list[str]:
        return self.send(Request(official().operations["getConfig"])).json()["endpoints"]

    @cached_property
    def advertised(self) -> set[str]:
        return {o.name for o in OPERATIONS if o.endpoint in self.endpoints or o.name in ("getConfig", "getToken")}

    def send(self, request: Request, warehouse: str | None = None) -> requests.Response:
        url = f"{self.deployment.iceberg_uri}{request.at(warehouse or self.deployment.warehouse)}"
        headers = ({"Content-Type": "application/json"} if request.body is not None else {}) | request.headers
        arguments = {"params": request.query, "headers": headers, "data": request.data()}
        if self._door and request.operation.name not in PUBLIC:
            answer = self._door.request(request.operation.method, url, **arguments)
        else:
            answer = requests.request(request.operation.method, url, timeout=REQUEST_SECONDS_MAX, **arguments)
        wrong = official().problems(request.operation, answer.status_code, answer.headers, answer.content)
        assert not wrong, f"{request.operation.name}: {wrong}\n{answer.status_code} {answer.text[:2000]}"
        return answer

    def recipe(self, name: str) -> Request:
        """Makes the request that succeeds."""
        if name not in self.advertised:
            pytest.skip(f"{name} is not advertised")
        return RECIPES[name](self)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    """A server on SQLite and files, with a principal that may do nothing beside the one that may do all."""
    running = Deployment(tmp_path_factory.mktemp("specification"))
    running.add_principal("nobody")
    yield running
    assert running.stop() == 0, running.log_tail()


@pytest.fixture(scope="module")
def engine(deployment):
    return Caller(deployment, ENGINE)


@pytest.fixture(scope="module")
def nobody(deployment):
    return Caller(deployment, "nobody")


@pytest.fixture(scope="module")
def unknown(deployment):
    return Caller(deployment, None)


def names(wanted: Callable[[Operation], bool] = lambda _: True) -> list[str]:
    return [o.name for o in OPERATIONS if o.name not in ELSEWHERE and wanted(o)]


def error(answer: requests.Response) -> str:
    return answer.json()["error"]["type"]


# Every operation


def test_every_advertised_operation_has_a_recipe(engine):
    """A-060, A-121: an operation that lands without one fails here."""
    assert engine.advertised - ELSEWHERE <= set(RECIPES)
    assert not set(RECIPES) - set(official().operations)


def test_every_advertised_endpoint_is_of_the_document(engine):
    """A-060: in the document's own words."""
    assert set(engine.endpoints) <= {o.endpoint for o in OPERATIONS}


@pytest.mark.parametrize("name", names())
def test_success(engine, name):
    """A-121: status, content type, headers and every member of the body."""
    answer = engine.send(engine.recipe(name))
    assert answer.ok, f"{answer.status_code} {answer.text}"


@pytest.mark.parametrize("name", names())
def test_what_is_not_advertised_is_not_there(engine, name):
    """A-060: neither a stub nor a half."""
    if name in engine.advertised:
        pytest.skip(f"{name} is advertised")
    operation = official().operations[name]
    path = {p.name: ABSENT for p in operation.parameters if p.place == "path" and p.name != "prefix"}
    url = f"{engine.deployment.iceberg_uri}{Request(operation, path).at(engine.deployment.warehouse)}"
    answer = engine._door.request(operation.method, url, json={} if operation.has_body else None)
    assert answer.status_code in (404, 405), answer.status_code


@pytest.mark.parametrize("name", [n for n in names() if n not in PUBLIC])
@pytest.mark.parametrize("header", [None, "Bearer rubbish", "Basic cms6cms="])
def test_no_credential(engine, unknown, name, header):
    """A-075, A-121: 401 with a body of the document, whatever is wrong with the credential."""
    request = engine.recipe(name)
    if header:
        request = request.but(headers=request.headers | {"Authorization": header})
    answer = unknown.send(request)
    assert answer.status_code == 401
    assert request.operation.method == "HEAD" or error(answer) == "NotAuthorizedException"


@pytest.mark.parametrize("name", [n for n in names() if n not in PUBLIC])
def test_no_privilege(engine, nobody, name):
    """A-121: whoever has no grant is told that nothing is there, or that it may not; in the document's shape."""
    answer = nobody.send(engine.recipe(name))
    assert answer.status_code in (400, 403, 404), answer.text


@proves(*declaring("prefix", "namespace", "table", "view", "plan-id"))
@pytest.mark.parametrize(
    ("name", "part"),
    [(o.name, p.name) for o in OPERATIONS if o.name not in ELSEWHERE for p in o.parameters if p.place == "path"],
)
def test_an_absent_object(engine, name, part):
    """A-074, A-121: 404 for whatever the path names that is not there."""
    request = engine.recipe(name)
    if part == "prefix":
        answer = engine.send(request, warehouse=ABSENT)
    else:
        answer = engine.send(request.but(path=request.path | {part: ABSENT}))
    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"", b"\xff"])
@pytest.mark.parametrize("name", names(lambda o: o.has_body and o.name != "getToken"))
def test_a_body_that_is_none(engine, name, body):
    """A-121: 400 and nothing else for what is no body of the operation."""
    assert engine.send(engine.recipe(name).but(body=body)).status_code == 400


# Statuses of their own


@pytest.mark.parametrize("name", ["createNamespace", "createTable", "createView", "registerTable", "registerView"])
def test_made_twice(engine, name):
    """A-121: 409 for a name that is taken."""
    request = engine.recipe(name)
    assert engine.send(request).ok
    answer = engine.send(request)
    assert answer.status_code == 409 and error(answer) == "AlreadyExistsException"


def test_a_namespace_that_is_not_empty(engine):
    """A-065: 409."""
    answer = engine.send(engine.recipe("dropNamespace").but(path={"namespace": engine.table()["namespace"]}))
    assert answer.status_code == 409 and error(answer) == "NamespaceNotEmptyException"


def test_a_property_that_is_set_and_removed(engine):
    """A-065: 422."""
    request = engine.recipe("updateProperties")
    answer = engine.send(request.but(body={"updates": {"a": "1"}, "removals": ["a"]}))
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["updateTable", "replaceView"])
def test_a_requirement_that_does_not_hold(engine, name):
    """A-064: 409."""
    request = engine.recipe(name)
    kind = "table" if name == "updateTable" else "view"
    wrong = {"type": f"assert-{kind}-uuid", "uuid": "00000000-0000-4000-8000-000000000000"}
    answer = engine.send(request.but(body=request.body | {"requirements": [wrong]}))
    assert answer.status_code == 409 and error(answer) == "CommitFailedException"


def test_a_transaction_of_which_one_change_fails(engine):
    """A-071: 409, and nothing was done."""
    request = engine.recipe("commitTransaction")
    changes = request.body["table-changes"]
    changes[1]["requirements"][0]["uuid"] = "00000000-0000-4000-8000-000000000000"
    assert engine.send(request).status_code == 409
    first = {"namespace": changes[0]["identifier"]["namespace"][0], "table": changes[0]["identifier"]["name"]}
    assert "team" not in engine.made("loadTable", path=first)["metadata"].get("properties", {})


@pytest.mark.parametrize(("name", "kind"), [("renameTable", "table"), ("renameView", "view")])
def test_a_rename_onto_a_taken_name(engine, name, kind):
    """A-069: 409."""
    request = engine.recipe(name)
    source = request.body["source"]
    other = getattr(engine, kind)(source["namespace"][0])
    answer = engine.send(request.but(body={"source": source, "destination": identifier(other)}))
    assert answer.status_code == 409 and error(answer) == "AlreadyExistsException"


def test_a_token_for_a_wrong_secret(engine):
    """A-121: the token endpoint has an error of its own shape."""
    request = engine.recipe("getToken")
    answer = engine.send(request.but(body=request.body.replace(b"client_secret=", b"client_secret=x")))
    assert answer.status_code in (400, 401) and answer.json()["error"] == "invalid_client"


def test_a_token_of_an_unknown_grant(engine):
    """A-121: as above."""
    request = engine.recipe("getToken")
    answer = engine.send(request.but(body=request.body.replace(b"client_credentials", b"password")))
    assert answer.status_code == 400 and answer.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("name", ["loadTable", "createTable", "updateTable", "registerTable"])
def test_answers_with_metadata_carry_a_strong_tag(engine, name):
    """A-063: quoted, and the same as a load's."""
    request = engine.recipe(name)
    answer = engine.send(request)
    tag = answer.headers["ETag"]
    assert tag.startswith('"') and tag.endswith('"')
    table = request.path.get("table") or request.body["name"]
    loaded = engine.send(Request(official().operations["loadTable"], {"namespace": request.path["namespace"], "table": table}))
    assert loaded.headers["ETag"] == tag


# Every declared parameter


@proves(("getConfig", "warehouse"))
def test_config_of_a_warehouse(engine):
    """A-060, A-074: the one that is asked for; 404 for one that is not there."""
    config = Request(official().operations["getConfig"])
    assert engine.send(config.but(query={"warehouse": engine.deployment.warehouse})).status_code == 200
    assert engine.send(config.but(query={"warehouse": ABSENT})).status_code == 404


@proves(*declaring("pageSize", "pageToken"))
@pytest.mark.parametrize("name", [o.name for o in OPERATIONS if any(p.name == "pageSize" for p in o.parameters)])
def test_pages(engine, name):
    """A-061, A-062, A-074: of the size that is asked for, each row once; a token that is none is refused."""
    request = engine.recipe(name)
    parent = fresh("pages")
    engine.made("createNamespace", body={"namespace": [parent]})
    if name == "listNamespaces":
        for child in "abc":
            engine.made("createNamespace", body={"namespace": [parent, child]})
        request = request.but(query={"parent": parent})
    else:
        for _ in range(3):
            engine.view(parent) if name == "listViews" else engine.table(parent)
        request = request.but(path=request.path | {"namespace": parent})
    seen, token = [], ""
    while token is not None:
        page = engine.send(request.but(query=request.query | {"pageSize": "2", "pageToken": token})).json()
        rows = page.get("namespaces", page.get("identifiers"))
        assert len(rows) <= 2
        seen += [str(row) for row in rows]
        token = page.get("next-page-token")
    assert len(seen) == len(set(seen)) == 3
    for wrong in ({"pageToken": "rubbish", "pageSize": "2"}, {"pageSize": "0"}, {"pageSize": "many"}):
        assert engine.send(request.but(query=request.query | wrong)).status_code == 400, wrong


@proves(("listNamespaces", "parent"))
def test_namespaces_below_a_parent(engine):
    """A-061, A-074: its children alone, at every depth; 404 for a parent that is not there."""
    listing = engine.recipe("listNamespaces")
    parent = fresh("up")
    for levels in ([parent], [parent, "mid"], [parent, "mid", "low"]):
        engine.made("createNamespace", body={"namespace": levels})
    below = lambda text: engine.send(listing.but(query={"parent": text}))
    assert below(parent).json()["namespaces"] == [[parent, "mid"]]
    assert below(f"{parent}\x1fmid").json()["namespaces"] == [[parent, "mid", "low"]]
    assert below(ABSENT).status_code == 404


@proves(("loadTable", "If-None-Match"))
def test_a_table_that_did_not_change(engine):
    """A-063, A-074: 304 without a body for the current tag, 200 for another."""
    request = engine.recipe("loadTable")
    tag = engine.send(request).headers["ETag"]
    same = engine.send(request.but(headers={"If-None-Match": tag}))
    assert same.status_code == 304 and not same.content
    assert engine.send(request.but(headers={"If-None-Match": '"other"'})).status_code == 200


@proves(("loadTable", "snapshots"))
def test_snapshots_of_a_load(engine):
    """A-072, A-074: all, or those that references name; another word is refused."""
    request = engine.recipe("loadTable")
    for word in ("all", "refs"):
        assert engine.send(request.but(query={"snapshots": word})).status_code == 200
    assert engine.send(request.but(query={"snapshots": "some"})).status_code == 400


@proves(("dropTable", "purgeRequested"))
def test_a_purge(engine):
    """A-067, A-074: a word that is no truth value is refused, and the table stays."""
    request = engine.recipe("dropTable")
    assert engine.send(request.but(query={"purgeRequested": "perhaps"})).status_code == 400
    assert engine.send(Request(official().operations["tableExists"], request.path)).status_code == 204
    assert engine.send(request.but(query={"purgeRequested": "False"})).status_code == 204


@proves(*declaring("referenced-by"))
@pytest.mark.parametrize("name", ["loadTable", "loadView"])
def test_a_load_through_a_view(engine, name):
    """A-074: what it names is looked at: a view that is not there is no reason to answer."""
    answer = engine.send(engine.recipe(name).but(query={"referenced-by": "absent\x1fview"}))
    assert answer.status_code in (400, 403, 404), answer.status_code


@proves(*declaring("Idempotency-Key"))
@pytest.mark.parametrize("name", [o.name for o in OPERATIONS if any(p.name == "Idempotency-Key" for p in o.parameters)])
def test_a_key_of_a_request_that_comes_again(engine, name):
    """A-064, A-074: the same answer, though its object may be gone or changed; another request under the key is refused."""
    if name in ELSEWHERE or name in READ_AGAIN:
        pytest.skip(READ_AGAIN.get(name, "driven elsewhere"))
    request = engine.recipe(name)
    keyed = request.but(headers={"Idempotency-Key": "0197f3a4-5b6c-7d8e-9f00-" + fresh("k")[-12:]})
    first, again = engine.send(keyed), engine.send(keyed)
    assert first.ok and (again.status_code, again.content) == (first.status_code, first.content)
    if request.operation.has_body:
        other = RECIPES[name](engine)
        assert engine.send(keyed.but(path=other.path, body=other.body)).status_code == 422


# Plans have no effect that a second request could double: they are made anew.
READ_AGAIN = {"planTableScan": "each plan has an id of its own"}


@proves(*declaring("X-Iceberg-Access-Delegation"))
@pytest.mark.parametrize(
    "name", [o.name for o in OPERATIONS if any(p.name == "X-Iceberg-Access-Delegation" for p in o.parameters)]
)
def test_delegation_that_the_store_cannot_give(engine, name):
    """A-074, A-080: a hint, not a demand. What it does where keys can be lent is tested where a store lends them."""
    request = engine.recipe(name)
    hint = {"X-Iceberg-Access-Delegation": "remote-signing,vended-credentials,teleport"}
    answer = engine.send(request.but(headers=request.headers | hint))
    assert answer.ok and "storage-credentials" not in answer.text


def test_every_declared_parameter_has_a_test(engine):
    """A-074: of the operations that are advertised; none is accepted and ignored."""
    declared = {(o.name, p.name) for o in OPERATIONS if o.name in engine.advertised - ELSEWHERE for p in o.parameters}
    assert declared <= PROVEN, sorted(declared - PROVEN)


def test_a_task_that_is_none(engine):
    """A-073: refused, in the document's shape."""
    if "fetchScanTasks" not in engine.advertised:
        pytest.skip("fetchScanTasks is not advertised")
    operation = official().operations["fetchScanTasks"]
    assert engine.send(Request(operation, engine.table(), body={"plan-task": "rubbish"})).status_code in (400, 404)


def test_a_commit_of_nothing_known(engine):
    """A-064: 400 for an update that the document does not have."""
    request = engine.recipe("updateTable")
    answer = engine.send(request.but(body=request.body | {"updates": [{"action": "explode"}]}))
    assert answer.status_code == 400


def test_paths_without_a_prefix(engine):
    """A-060: they mean the tenant's default warehouse, and are answered alike."""
    request = engine.recipe("loadTable")
    direct = engine._door.request("GET", engine.deployment.iceberg_uri + request.at("lake").replace("/lake/", "/"))
    assert direct.json() == engine.send(request).json()


def test_a_staged_create(engine):
    """A-066: no metadata location, since nothing is there yet."""
    request = engine.recipe("createTable").but(body=table_body(**{"stage-create": True}))
    made = engine.send(request).json()
    assert made.get("metadata-location") is None
    path = request.path | {"table": request.body["name"]}
    assert engine.send(Request(official().operations["tableExists"], path)).status_code == 404
    create = [{"type": "assert-create"}]
    commit = Request(official().operations["updateTable"], path, body={"requirements": create, "updates": property_update()})
    assert engine.send(commit).status_code in (200, 400)
