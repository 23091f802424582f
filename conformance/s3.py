"""An S3 store on loopback for the suite, and a demo moved into it. The store has static keys; so has PyIceberg, which is
given its own: the server hands out none."""

import json
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
REGION = "us-east-1"
WAREHOUSE = "cloud"
PARTS = ["master", "volume", "filer", "s3"]


def program() -> Path | None:
    """Returns the `weed` program of this environment."""
    weed = Path(sys.executable).parent / "weed"
    return weed if weed.is_file() else None


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports


class Weed:
    """SeaweedFS, stopped by its own process."""

    def __init__(self, weed: Path, folder: Path):
        folder.mkdir()
        self.keys = {name: (f"{name}-id", secrets.token_hex(16)) for name in ("server", "client")}
        identities = [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": ["Admin", "Read", "Write", "List"]}
            for name, (key, secret) in self.keys.items()
        ]  # fmt: skip
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))
        ports = iter(free_ports(2 * len(PARTS)))
        self._ports = {flag: str(next(ports)) for part in PARTS for flag in (f"-{part}.port", f"-{part}.port.grpc")}
        self.endpoint = f"http://127.0.0.1:{self._ports['-s3.port']}"
        self._log = folder / "weed.log"
        command = [
            str(weed), "server", "-dir", str(folder), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-filer", "-s3",
            "-master.telemetry=false", "-s3.port.iceberg", "0", "-s3.port.lance", "0", "-volume.max", "50",
            "-master.volumeSizeLimitMB", "64", "-s3.config", str(folder / "s3.json"),
            *(word for pair in self._ports.items() for word in pair),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (self._answers("-s3.port", "/", b"") and self._answers("-master.port", "/dir/assign", b'"fid"')):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"the store does not start\n{self._log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)
        return self

    def _answers(self, port: str, path: str, wanted: bytes) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[port]}{path}", timeout=5) as answer:
                return wanted in answer.read()
        except urllib.error.HTTPError:
            return wanted == b""
        except OSError:
            return False

    def __exit__(self, *_):
        # It waits ten seconds before it ends in peace; nothing here is kept.
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_SECONDS_MAX)


def move_to_s3(polder, store: Weed, folder: Path) -> None:
    """Serves the demo's data with an S3 store beside it: managed warehouses go there from now on. Copies the demo's tables
    into one that is the new default."""
    tables = polder.catalog("engineer")
    copies = {name: tables.load_table(name).scan().to_arrow() for name in tables.list_tables(polder.namespace)}
    address = f"127.0.0.1:{free_ports(1)[0]}"
    key, secret = store.keys["server"]
    config = f"""
environment = "dev"
api_public = false
listen = "{address}"
data_dir = "{folder / 'data'}"
managed_base = "s3://polder-managed/base"

[[storage.s3]]
endpoint = "{store.endpoint}"
region = "{REGION}"
path_style = true
access_key_id = "{key}"
secret_access_key_env = "CONFORMANCE_S3_SECRET"
buckets = ["polder-managed"]
"""
    polder.restart(config, address, CONFORMANCE_S3_SECRET=secret)
    admin = polder.door("admin", "admin:warehouses admin:access admin:policies")
    url = f"{polder.base_url}/api/v1/admin"
    made = admin.request("POST", f"{url}/warehouses", json={"name": WAREHOUSE, "default": True})
    assert made.status_code == 201 and made.json()["root"].startswith("s3://polder-managed/base/"), made.text
    privileges = ["list", "read", "write", "create", "drop", "read_unrestricted"]
    grant = {"role": "engineer", "privileges": privileges, "on": {"warehouse": WAREHOUSE}}
    granted = admin.request("POST", f"{url}/grants", json=grant)
    assert granted.status_code == 201, granted.text
    key, secret = store.keys["client"]
    polder.warehouse = WAREHOUSE
    polder.store_endpoint = store.endpoint
    polder.client_keys = {"s3.access-key-id": key, "s3.secret-access-key": secret}
    engineer = polder.catalog("engineer")
    engineer.create_namespace(polder.namespace)
    for name, rows in copies.items():
        table = engineer.create_table((polder.namespace, name[-1]), schema=rows.schema)
        table.append(rows)
        assert table.location().startswith("s3://polder-managed/base/tenant=acme/workspace=cloud/"), table.location()
    govern(admin, url, polder)


def govern(admin, url: str, polder) -> None:
    """Gives the copies the grant and the policies of the originals."""
    grant = {"role": "analyst", "privileges": ["list", "read"], "on": {"warehouse": WAREHOUSE, "namespace": [polder.namespace]}}
    granted = admin.request("POST", f"{url}/grants", json=grant)
    assert granted.status_code == 201, granted.text
    listed = admin.request("GET", f"{url}/policies").json()["policies"]
    assert listed, "the demo has no policies"
    for policy in listed:
        spec = {key: value for key, value in policy.items() if key not in ("id", "kind", "created_at")}
        spec["name"] += "-in-s3"
        spec["table"]["warehouse"] = WAREHOUSE
        made = admin.request("POST", f"{url}/policies", json=spec)
        assert made.status_code == 201, made.text
