"""A PostgreSQL cluster on loopback for the suite: made from the installed programs in a temporary folder, stopped by its own
process, removed afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from s3 import free_ports

VERSIONS = Path("/usr/lib/postgresql")
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20


def programs() -> Path | None:
    """Returns the folder of the newest server programs, where Debian's package puts them."""
    found = [path for path in VERSIONS.glob("*/bin") if (path / "initdb").is_file()]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def version(programs: Path) -> str:
    """Names the server as it names itself: `PostgreSQL 15.14`."""
    told = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=True, timeout=START_SECONDS_MAX)
    return told.stdout.replace("(", "").replace(")", "").removeprefix("postgres ").strip().split(" Debian")[0]


class Cluster:
    """One running cluster with an empty database. The server refuses to run as root, so root hands it to `postgres`."""

    def __init__(self, programs: Path):
        self._programs = programs
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="conformance-postgres-"))
        self._port = str(free_ports(1)[0])
        self.url = f"postgres://polder@127.0.0.1:{self._port}/polder?sslmode=disable"
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments], check=True, stdin=subprocess.DEVNULL, capture_output=True,
            cwd="/", user=self._user, timeout=START_SECONDS_MAX,
        )  # fmt: skip

    def __enter__(self):
        data, log = str(self._folder / "data"), self._folder / "log"
        self._run("initdb", "-D", data, "-U", "polder", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    str(self._programs / "postgres"), "-D", data, "-p", self._port, "-c", "listen_addresses=127.0.0.1",
                    "-c", "unix_socket_directories=",
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", user=self._user,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self._run("createdb", "-h", "127.0.0.1", "-p", self._port, "-U", "polder", "polder")
                return self
            except subprocess.CalledProcessError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    text = log.read_text(errors="replace")[-4000:]
                    self.__exit__()
                    raise AssertionError(f"PostgreSQL does not start\n{text}") from None
                time.sleep(0.1)

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(STOP_SECONDS_MAX)
        shutil.rmtree(self._folder)
