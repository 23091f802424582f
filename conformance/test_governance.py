"""What PyIceberg and plain HTTP get who may not have everything: the restricted analyst, the stranger of another tenant,
the caller without a key."""

import pytest
import requests
from compare import quoted
from pyiceberg.exceptions import ForbiddenError, NoSuchNamespaceError, NoSuchTableError, OAuthError, RESTError, UnauthorizedError
from server import REQUEST_SECONDS_MAX


@pytest.fixture(scope="module")
def analyst(polder):
    return polder.catalog("analyst")


@pytest.fixture(scope="module")
def analyst_door(polder):
    return polder.door("analyst")


@pytest.fixture(scope="module")
def stranger_door(polder):
    return polder.door("stranger")


@pytest.fixture(scope="module")
def restricted(polder, engineer):
    """The restricted table as the engineer sees it: identifier, SQL name, Arrow rows."""
    identifier = (polder.namespace, polder.restricted_table)
    return identifier, quoted(*identifier), engineer.load_table(identifier).scan().to_arrow()


# Authentication


def test_a_wrong_secret_gets_no_token(polder):
    """A-120: client credentials are really checked."""
    client_id = polder.credential("engineer").split(":", 1)[0]
    for credential in (f"{client_id}:wrong", "nobody:wrong", polder.credential("engineer")[:-1]):
        with pytest.raises((OAuthError, UnauthorizedError)):
            polder.catalog("engineer", credential=credential)


def test_no_door_opens_without_a_credential(polder):
    """A-120, A-060: no token, a made-up token, or headers that name a tenant: 401 at every door."""
    tenant = polder.ready["principals"]["engineer"]["tenant"]
    attempts = [{}, {"Authorization": "Bearer made-up"}, {"X-Tenant-Id": tenant, "X-Workspace-Id": polder.warehouse}]
    doors = [
        ("GET", f"{polder.iceberg_uri}/v1/config?warehouse={polder.warehouse}"),
        ("GET", f"{polder.iceberg_uri}/v1/{polder.warehouse}/namespaces"),
        ("GET", f"{polder.iceberg_uri}/v1/{polder.warehouse}/namespaces/{polder.namespace}/tables/nation"),
        ("POST", f"{polder.base_url}/api/v1/query"),
        ("GET", f"{polder.base_url}/api/v1/admin/tenants"),
    ]
    for method, url in doors:
        for headers in attempts:
            body = {"sql": "SELECT 1"} if method == "POST" else None
            answer = requests.request(method, url, headers=headers, json=body, timeout=REQUEST_SECONDS_MAX)
            assert answer.status_code == 401, f"{method} {url} with {list(headers)}: {answer.status_code}"


def test_config_names_the_endpoints_that_work(polder, engineer_door):
    """A-060: the warehouse's prefix, a list of endpoints, and 404 for a warehouse that is not there."""
    config = engineer_door.request("GET", f"{polder.iceberg_uri}/v1/config", params={"warehouse": polder.warehouse}).json()
    assert config["overrides"]["prefix"] == polder.warehouse
    assert "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}" in config["endpoints"]
    missing = engineer_door.request("GET", f"{polder.iceberg_uri}/v1/config", params={"warehouse": "no-such-place"})
    assert missing.status_code == 404


# The analyst: restricted on one table


def test_the_analyst_gets_403_from_pyiceberg_on_the_restricted_table(analyst, restricted):
    """A-077: load is refused with a text that names the query door and nothing of the schema; list and HEAD show it."""
    identifier, _, arrow = restricted
    with pytest.raises(ForbiddenError) as refusal:
        analyst.load_table(identifier)
    text = str(refusal.value)
    assert "POST /api/v1/query" in text
    assert not [name for name in arrow.schema.names if name in text]
    assert identifier in analyst.list_tables(identifier[0]) and analyst.table_exists(identifier)


def test_the_analyst_cannot_commit_to_the_restricted_table(analyst_door, restricted, engineer):
    """A-077: the commit door refuses before it looks at requirements, and nothing changes."""
    (namespace, name), _, _ = restricted
    before = engineer.load_table((namespace, name)).metadata_location
    commit = {"requirements": [], "updates": [{"action": "set-properties", "updates": {"x": "y"}}]}
    answer = analyst_door.iceberg("POST", f"namespaces/{namespace}/tables/{name}", json=commit)
    assert answer.status_code == 403 and answer.json()["error"]["type"] == "ForbiddenException"
    assert engineer.load_table((namespace, name)).metadata_location == before


def test_the_gateway_answers_the_analyst_with_less(analyst_door, engineer_door, restricted):
    """A-077, S-033, S-034: the same question: fewer rows, a column fewer or masked, and the answer says by which policy."""
    _, target, arrow = restricted
    full = engineer_door.query(f"SELECT count(*) FROM {target}").one()[0]
    less = analyst_door.query(f"SELECT count(*) FROM {target}").one()[0]
    assert full == len(arrow) and 0 < less < full
    answer = analyst_door.query(f"SELECT * FROM {target} LIMIT 50")
    assert answer.body["policies_applied"]
    assert set(answer.names) < set(arrow.schema.names), "a hidden column is absent, none is added"
    originals = {name: set(map(str, arrow.column(name).to_pylist())) for name in answer.names}
    masked = [n for n in answer.names if not {str(v) for v in answer.column(n) if v is not None} <= originals[n]]
    nulled = [n for n in answer.names if set(answer.column(n)) == {None} and arrow.column(n).null_count < len(arrow)]
    assert masked or nulled, "at least one column is masked"


def test_a_hidden_column_cannot_be_asked_for(analyst_door, restricted):
    """A-077, S-033: a hidden column answers exactly as one that does not exist."""
    _, target, arrow = restricted
    visible = analyst_door.query(f"SELECT * FROM {target} LIMIT 1").names
    hidden = [name for name in arrow.schema.names if name not in visible]
    assert hidden
    for name in hidden:
        there = analyst_door.ask(f"SELECT {quoted(name)} FROM {target}")
        absent = analyst_door.ask(f"SELECT {quoted('x' * len(name))} FROM {target}")
        assert there.status_code == absent.status_code and there.status_code >= 400
        bodies = [without_ids(there.json(), name), without_ids(absent.json(), "x" * len(name))]
        # Candidates are the visible names nearest to what was asked, so they differ with the question alone.
        candidates = [body["error"].pop("candidates", []) for body in bodies]
        assert {candidate.rsplit(".", 1)[-1] for candidate in candidates[0]} <= set(visible)
        assert bodies[0] == bodies[1]


def test_the_analyst_reads_other_tables_as_the_engineer_does(polder, analyst, engineer):
    """A-077: a restriction on one table does not spread: the analyst loads an open table with PyIceberg."""
    other = "nation" if polder.restricted_table != "nation" else "region"
    identifier = (polder.namespace, other)
    assert analyst.load_table(identifier).scan().to_arrow() == engineer.load_table(identifier).scan().to_arrow()


# The stranger: administrator of another tenant


def test_a_foreign_warehouse_is_an_absent_warehouse(polder, stranger_door):
    """A-001, R22: config for our warehouse and for one that never was answer alike."""
    url = f"{polder.iceberg_uri}/v1/config"
    foreign, absent = (stranger_door.request("GET", url, params={"warehouse": w}) for w in (polder.warehouse, "absent-place"))
    assert foreign.status_code == absent.status_code == 404
    assert without_ids(foreign.json(), polder.warehouse) == without_ids(absent.json(), "absent-place")
    with pytest.raises(RESTError):
        polder.catalog("stranger")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "namespaces", None),
        ("GET", "namespaces/{ns}", None),
        ("HEAD", "namespaces/{ns}", None),
        ("GET", "namespaces/{ns}/tables", None),
        ("GET", "namespaces/{ns}/tables/nation", None),
        ("HEAD", "namespaces/{ns}/tables/nation", None),
        ("DELETE", "namespaces/{ns}/tables/nation", None),
        ("DELETE", "namespaces/{ns}", None),
        ("POST", "namespaces/{ns}/tables/nation", {"requirements": [], "updates": []}),
        ("POST", "namespaces/{ns}/properties", {"updates": {"a": "b"}, "removals": []}),
        ("POST", "tables/rename", {"source": {"namespace": ["{ns}"], "name": "nation"}, "destination": {"namespace": ["{ns}"], "name": "stolen"}}),
    ],
)  # fmt: skip
def test_a_stranger_meets_absence_on_every_catalog_door(polder, stranger_door, engineer, method, path, body):
    """A-001, R22: with our prefix and with one that never was: the same status and the same body."""
    path = path.replace("{ns}", polder.namespace)
    if body and "source" in body:
        body = {end: {"namespace": [polder.namespace], "name": body[end]["name"]} for end in body}
    ours, never = polder.warehouse, "absent-place"
    answers = [stranger_door.request(method, f"{polder.iceberg_uri}/v1/{w}/{path}", json=body) for w in (ours, never)]
    assert [a.status_code for a in answers] == [404, 404]
    if method != "HEAD":
        assert without_ids(answers[0].json(), ours) == without_ids(answers[1].json(), never)
    assert engineer.table_exists((polder.namespace, "nation"))


def test_a_stranger_sees_no_table_through_the_gateway(polder, stranger_door):
    """A-001, R22: a foreign table answers exactly as one that does not exist."""
    there = stranger_door.ask(f"SELECT * FROM {quoted(polder.namespace, 'nation')}")
    absent = stranger_door.ask(f"SELECT * FROM {quoted(polder.namespace, 'xxxxxx')}")
    assert there.status_code == absent.status_code and there.status_code >= 400
    assert without_ids(there.json(), "nation") == without_ids(absent.json(), "xxxxxx")


def test_an_absent_table_and_namespace_have_their_own_errors(polder, engineer):
    """A-062, A-061: for those who may know, absence is told in the client's own terms."""
    with pytest.raises(NoSuchTableError):
        engineer.load_table((polder.namespace, "absent"))
    with pytest.raises(NoSuchNamespaceError):
        engineer.list_tables(("absent",))


def without_ids(body, name: str):
    """Returns an error body without the name asked for and without what differs from request to request."""
    if isinstance(body, dict):
        return {key: without_ids(value, name) for key, value in body.items() if key not in ("request_id", "query_id", "trace_id")}
    if isinstance(body, list):
        return [without_ids(value, name) for value in body]
    return body.replace(name, "?") if isinstance(body, str) else body
