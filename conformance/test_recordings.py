"""A-120, A-121: what engines were recorded to do about tokens, done again: every line is answered as the specification says.

The recordings lie beside the checkout. Their other requests are replayed in `crates/server/tests/it/traces.rs`."""

import base64
import json
import os
from pathlib import Path

import pytest
import requests
from deployment import ENGINE, Deployment
from server import REQUEST_SECONDS_MAX

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "client-traces"
NAMES = ["auth_chdb", "auth_duckdb", "auth_pyiceberg", "auth_spark", "auth_spark_exchange_refused"]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    if not RECORDINGS.is_dir():
        assert "CI" not in os.environ, f"no recordings at {RECORDINGS}"
        pytest.skip(f"SKIPPED recordings: there are none at {RECORDINGS}")
    running = Deployment(tmp_path_factory.mktemp("recordings"))
    yield running
    assert running.stop() == 0, running.log_tail()


def lines(name: str) -> tuple[dict, list[dict]]:
    """Returns the headers that every request has, and the requests."""
    head, *rest = (json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines())
    return head["common-headers"], rest


class Replay:
    """Sends recorded requests with the tokens that this server hands out in place of the recorded ones."""

    def __init__(self, deployment: Deployment):
        self._deployment = deployment
        self._id, self._secret = deployment.credential(ENGINE).split(":", 1)
        self._tokens: dict[str, str] = {}

    def send(self, common: dict, line: dict) -> requests.Response:
        headers = {k: self._mapped(v) for k, v in (common | line.get("headers", {})).items() if v is not None}
        path = line.get("path", line["template"]).replace("/v1/wh/", "/v1/lake/")
        query = line.get("query", "").replace("warehouse=wh", "warehouse=lake")
        url = f"{self._deployment.iceberg_uri}{path}" + (f"?{query}" if query else "")
        form = {k: self._mapped(v) for k, v in line["form"].items()} if "form" in line else None
        if form and "client_id" in form:
            form |= {"client_id": self._id, "client_secret": self._secret}
        answer = requests.request(line["method"], url, data=form, headers=headers, timeout=REQUEST_SECONDS_MAX)
        if form and answer.ok and " -> " in line.get("note", ""):
            self._tokens[f"<{line['note'].rsplit(' -> ', 1)[1]}>"] = answer.json()["access_token"]
        return answer

    def _mapped(self, text: str) -> str:
        if text == "Basic <...>":
            return "Basic " + base64.b64encode(f"{self._id}:{self._secret}".encode()).decode()
        for name, token in self._tokens.items():
            text = text.replace(name, token)
        return text


def wanted(line: dict) -> int:
    """What we answer, given what the recorded server said."""
    if "form" in line:
        # Also where the recorded server refused RFC 8693: ours has it.
        return 200
    if line["status"] == 401:
        # The recorded token had run out after 20 s; ours lives an hour.
        return 404 if "{table}" in line["template"] else 200
    return line["status"]


@pytest.mark.parametrize("name", NAMES)
def test_a_client_gets_and_renews_its_tokens(deployment, name):
    """A-120: by form and by Basic, by exchange with the token and with the key, beside a token that has run out."""
    replay, (common, recorded) = Replay(deployment), lines(name)
    for line in recorded:
        answer = replay.send(common, line)
        assert answer.status_code == wanted(line), f"{name} line {line['n']}: {answer.status_code} {answer.text}"
        if "form" in line:
            token = answer.json()
            assert token["token_type"].lower() == "bearer" and token["access_token"] and isinstance(token["expires_in"], int)
    assert any("form" in line for line in recorded)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_without_a_valid_token_is_told(deployment, name):
    """A-121: 401 for the requests that were answered so."""
    common, recorded = lines(name)
    refused = [line for line in recorded if line["status"] == 401]
    for line in refused:
        stale = line | {"headers": line.get("headers", {}) | {"authorization": "Bearer stale"}}
        answer = Replay(deployment).send(common, stale)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, line["error"]["type"])
