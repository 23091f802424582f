"""The built binary as a fixture: starts `polder demo`, speaks to its doors as one of its principals, stops it by its own
process. Knows the doors' shapes; judges nothing."""

import json
import os
import queue
import socket
import subprocess
import threading
import time
from decimal import Decimal
from pathlib import Path

import requests
from pyiceberg.catalog.rest import RestCatalog

START_SECONDS_MAX = 180
STOP_SECONDS_MAX = 20
REQUEST_SECONDS_MAX = 60


def binary() -> Path:
    """Returns the binary under test: `POLDER_BIN`, else the debug build."""
    if named := os.environ.get("POLDER_BIN"):
        return Path(named)
    root = Path(__file__).resolve().parent.parent
    return root / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "polder"


class Polder:
    """A running demo and what it said about itself once it was ready."""

    def __init__(self, data: Path, log: Path):
        self._log = log
        self._cwd = data.parent
        try:
            self._start(["demo", "--json", "--listen", "127.0.0.1:0", "--data", str(data)])
            self.ready = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.base_url = self.ready["base_url"].rstrip("/")
        self.iceberg_uri = self.ready["iceberg_uri"].rstrip("/")
        self.warehouse = self.ready["warehouse"]
        self.client_keys: dict[str, str] = {}
        self.store_endpoint: str | None = None
        self.namespace = self.ready["namespace"]
        self.restricted_table = self.ready["restricted_table"].rsplit(".", 1)[-1]

    def _start(self, command: list[str], **environment: str) -> None:
        with self._log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [str(binary()), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                cwd=self._cwd, env=os.environ | environment,
            )  # fmt: skip

    def move(self, config: str, address: str, **environment: str) -> str:
        """Stops the server, founds another deployment with a configuration of its own and serves that one; returns the
        credential of its operator."""
        code = self.stop()
        assert code == 0, f"polder did not shut down cleanly (exit code {code})\n{self.log_tail()}"
        return self._found(config, address, **environment)

    def _found(self, config: str, address: str, **environment: str) -> str:
        """Founds a deployment and serves it; returns the credential of its operator."""
        (self._cwd / "polder.toml").write_text(config)
        founded = subprocess.run(
            [str(binary()), "init", "--config", "polder.toml"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            cwd=self._cwd, env=os.environ | environment, timeout=START_SECONDS_MAX,
        )  # fmt: skip
        assert founded.returncode == 0, founded.stderr
        self._start(["serve", "--config", "polder.toml"], **environment)
        self.base_url = f"http://{address}"
        self.iceberg_uri = f"{self.base_url}/iceberg"
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            assert self.running() and time.monotonic() < deadline, f"polder does not serve\n{self.log_tail()}"
            try:
                socket.create_connection(tuple(address.split(":")), timeout=1).close()
                return founded.stdout.strip()
            except OSError:
                time.sleep(0.05)

    def _wait_until_ready(self) -> dict:
        """Reads standard output until it holds one whole JSON object."""
        lines: queue.Queue[bytes | None] = queue.Queue()

        def read():
            for line in self._process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        deadline = time.monotonic() + START_SECONDS_MAX
        text = ""
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"polder was not ready after {START_SECONDS_MAX} s\n{self.log_tail()}") from None
            if line is None:
                raise AssertionError(f"polder ended before it was ready (exit code {self._process.wait(STOP_SECONDS_MAX)})\n{self.log_tail()}")
            text += line.decode()
            try:
                return json.loads(text)
            except ValueError:
                continue

    def log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-40:])

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """Asks the process to end and waits; returns its exit code."""
        if self.running():
            self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(STOP_SECONDS_MAX)

    def credential(self, who: str) -> str:
        return self.ready["principals"][who]["credential"]

    def catalog(self, who: str, **properties: str) -> RestCatalog:
        """Connects PyIceberg as one of the principals, through client credentials."""
        usual = {"uri": self.iceberg_uri, "warehouse": self.warehouse, "credential": self.credential(who)}
        return RestCatalog(f"polder-{who}", **(usual | self.client_keys | properties))

    def door(self, who: str, scope: str = "catalog") -> "Door":
        return Door(self, who, scope)


class Door:
    """Plain HTTP as one of the principals."""

    def __init__(self, polder: Polder, who: str, scope: str):
        self._polder = polder
        self._token = self._fetch_token(polder.credential(who), scope)

    def _fetch_token(self, credential: str, scope: str) -> str:
        client_id, secret = credential.split(":", 1)
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": scope}
        answer = requests.post(f"{self._polder.iceberg_uri}/v1/oauth/tokens", data=form, timeout=REQUEST_SECONDS_MAX)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def request(self, method: str, url: str, **arguments) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"} | arguments.pop("headers", {})
        return requests.request(method, url, headers=headers, timeout=REQUEST_SECONDS_MAX, **arguments)

    def iceberg(self, method: str, path: str, **arguments) -> requests.Response:
        """Asks a route below the warehouse's prefix."""
        return self.request(method, f"{self._polder.iceberg_uri}/v1/{self._polder.warehouse}/{path}", **arguments)

    def ask(self, sql: str) -> requests.Response:
        """Sends one statement to the gateway."""
        return self.request("POST", f"{self._polder.base_url}/api/v1/query", json={"sql": sql})

    def query(self, sql: str) -> "Answer":
        """Sends one statement that must be answered."""
        response = self.ask(sql)
        assert response.status_code == 200, f"{sql}\n{response.status_code} {response.text}"
        return Answer(json.loads(response.text, parse_float=Decimal))


class Answer:
    """An answer of the gateway."""

    def __init__(self, body: dict):
        self.body = body
        self.names = [column["name"] for column in body["columns"]]
        self.rows = [tuple(row) for row in body["rows"]]

    def one(self) -> tuple:
        """Returns the only row."""
        assert len(self.rows) == 1, self.rows
        return self.rows[0]

    def column(self, name: str) -> list:
        at = self.names.index(name)
        return [row[at] for row in self.rows]
