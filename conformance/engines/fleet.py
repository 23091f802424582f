"""Starts a lake for engines and runs their programs against it, each in an environment of its own, bounded in time. Tells
what each did; judges nothing."""

import hashlib
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import maven
import postgres
import s3
from deployment import BUCKET, ENGINE, TENANT, VENDING, WAREHOUSE, Deployment
from engines.lake import MARK, Lake
from judge import Judge

HERE = Path(__file__).resolve().parent
# In the order in which they come to the shared table; ClickHouse cannot follow DuckDB, whose snapshots leave out the totals that it
# wants to add to. One JVM at a time.
ENGINES = ["pyiceberg_", "clickhouse", "duckdb_", "polars_", "daft_", "iceberg_rust", "spark", "trino_", "flink"]
# Seconds each, without a JVM or a build.
FAST = ENGINES[:5]
ENGINE_SECONDS_MAX = 900
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polder-engines"


@dataclass
class Result:
    """What one program did."""

    engine: str
    what: str
    steps: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    # Why the program ended before its end, or could not begin.
    broken: str | None = None

    @property
    def failed(self) -> list[str]:
        found = [f"{step['step']}: {step['error']}" for step in self.steps if step["error"]]
        return [*found, self.broken] if self.broken else found


class Fleet:
    """A deployment on PostgreSQL, if it is there, else on SQLite, with its warehouse in S3, and a judge before its Iceberg door.
    `used` names the database and the store."""

    def __init__(self, folder: Path, vended: bool = False):
        self.folder, self.vended = folder, vended
        self._open = []

    def __enter__(self):
        try:
            weed = s3.program()
            assert weed, "the environment holds no `weed`"
            self.store = self._enter(s3.Weed(weed, self.folder / "weed", sts=self.vended))
            programs = postgres.programs()
            database = self._enter(postgres.Cluster(programs)) if programs else None
            self.used = f"{postgres.version(programs) if programs else 'SQLite'} and {s3.version(weed)}"
            self.deployment = Deployment(self.folder, database=database, store=self.store, storage=VENDING if self.vended else "")
            self.judge = self._enter(Judge(self.deployment.iceberg_uri))
            return self
        except BaseException:
            self.__exit__()
            raise

    def _enter(self, part):
        part.__enter__()
        self._open.append(part)
        return part

    def __exit__(self, *_):
        if hasattr(self, "deployment"):
            self.deployment.stop()
        while self._open:
            self._open.pop().__exit__(None, None, None)

    def lake(self, namespace: str) -> Lake:
        client_id, secret = self.deployment.credential(ENGINE).split(":", 1)
        key, key_secret = ("", "") if self.vended else self.store.keys["client"]
        scratch = self.folder / f"scratch-{namespace}"
        scratch.mkdir(exist_ok=True)
        return Lake(
            uri=self.judge.uri, warehouse=WAREHOUSE, client_id=client_id, client_secret=secret,
            store=self.store.endpoint.removeprefix("http://"), root=f"s3://{BUCKET}/base/tenant={TENANT}/workspace={WAREHOUSE}",
            key=key, key_secret=key_secret, vended=self.vended, namespace=namespace,
            artifacts=str(CACHE / "artifacts"), scratch=str(scratch),
        )  # fmt: skip

    def run(self, engine: str, *what: str, namespace: str | None = None) -> Result:
        """Runs one engine's program to its end."""
        told = self.lake(namespace or f"eng_{engine.strip('_')}")
        result, started = Result(engine, what[0]), time.monotonic()
        log = self.folder / f"{engine}-{what[0]}.log"
        with log.open("wb") as errors:
            program = subprocess.Popen(
                [str(interpreter(engine)), "-m", "engines.program", engine, *what], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, cwd=told.scratch, start_new_session=True,
                env=os.environ | told.told() | {"PYTHONPATH": str(HERE.parent)},
            )  # fmt: skip
            try:
                output, _ = program.communicate(timeout=ENGINE_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, 9)
                output, _ = program.communicate()
                result.broken = f"it took longer than {ENGINE_SECONDS_MAX} s"
        lines = output.decode(errors="replace").splitlines()
        result.steps = [json.loads(line.removeprefix(MARK)) for line in lines if line.startswith(MARK)]
        result.seconds = time.monotonic() - started
        if program.returncode not in (0, 1) or not result.steps or (program.returncode == 1 and not result.failed):
            tail = log.read_text(errors="replace").strip().splitlines()[-12:]
            result.broken = result.broken or f"ended with {program.returncode}: " + " / ".join(tail)[-1500:]
        return result


def module(engine: str):
    return importlib.import_module(f"engines.{engine}")


def interpreter(engine: str) -> Path:
    """Returns the Python of an engine: the suite's own, or an environment that is made from the engine's requirements."""
    pinned = getattr(module(engine), "REQUIREMENTS", None)
    if pinned is None:
        return Path(sys.executable)
    key = hashlib.sha256("\n".join([*pinned, sys.version]).encode()).hexdigest()[:16]
    folder = CACHE / f"{engine.strip('_')}-{key}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, stdin=subprocess.DEVNULL)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *pinned]
        subprocess.run(install, check=True, stdin=subprocess.DEVNULL)
        ready.write_text("")
    return python


def prepare(engine: str) -> None:
    """Fetches what an engine needs from Maven, and makes what it makes itself."""
    made = module(engine)
    for coordinates in getattr(made, "ARTIFACTS", []):
        maven.artifact(coordinates, CACHE / "artifacts")
    if hasattr(made, "prepare"):
        made.prepare(CACHE)


def missing(engine: str) -> str | None:
    """Says what an engine needs that this machine does not have."""
    made = module(engine)
    if hasattr(made, "missing"):
        return made.missing()
    wanted = getattr(made, "JAVA", None)
    return maven.missing(wanted) if wanted else None


def versions(engine: str) -> list[str]:
    """Returns the exact artifacts that were used."""
    made = module(engine)
    if hasattr(made, "versions"):
        return made.versions()
    names = getattr(made, "PACKAGES", [])
    asked = subprocess.run([str(interpreter(engine)), "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    installed = {row["name"].lower().replace("_", "-"): row["version"] for row in json.loads(asked.stdout)}
    return [f"{name} {installed[name]}" for name in names] + list(getattr(made, "ARTIFACTS", []))
