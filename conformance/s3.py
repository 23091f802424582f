"""An S3 store on loopback for the suite. It has static keys: one for the server, one for the clients; and STS, if asked for."""

import base64
import json
import re
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
PARTS = ["master", "volume", "filer", "s3"]
# A role that the store's STS lets be assumed. It may do everything: how narrow a session is, is its own policy's doing.
ROLE = "arn:aws:iam::role/vend"


def roles() -> dict:
    """The store's STS with the one role."""
    everything = {"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": ["*"]}
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}
    document = lambda *statements: {"Version": "2012-10-17", "Statement": [*statements]}
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "sts": {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "conformance", "signingKey": key},
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [{"roleName": "vend", "roleArn": ROLE, "attachedPolicies": ["all"], "trustPolicy": document(anybody)}],
        "policies": [{"name": "all", "document": document(everything)}],
    }


def program() -> Path | None:
    """Returns the `weed` program of this environment."""
    weed = Path(sys.executable).parent / "weed"
    return weed if weed.is_file() else None


def version(weed: Path) -> str:
    """Names the store as it names itself: `SeaweedFS 4.48`."""
    told = subprocess.run([str(weed), "version"], capture_output=True, text=True, check=True, timeout=START_SECONDS_MAX)
    found = re.search(r"\b\d+\.\d+\b", told.stdout)
    assert found, told.stdout
    return f"SeaweedFS {found[0]}"


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports


class Weed:
    """SeaweedFS, stopped by its own process."""

    def __init__(self, weed: Path, folder: Path, sts: bool = False):
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
        if sts:
            (folder / "iam.json").write_text(json.dumps(roles()))
            command += ["-s3.iam.config", str(folder / "iam.json")]
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
