"""Trino, once as its own service (`session=NONE`) and once with a session of its user (`session=USER`). It cannot make materialized
views or rename schemas on a REST catalog."""

import shutil
import signal
import socket
import subprocess
import tarfile
import time
from functools import partial
from pathlib import Path

import maven

from engines.lake import Lake, Steps, same

TITLE = "Trino"
JAVA = 25
PACKAGES = ["trino"]
REQUIREMENTS = [
    "trino==0.340.0", "requests==2.34.2", "urllib3==2.8.0", "idna==3.20", "certifi==2026.10.19.post1", "charset-normalizer==3.5.3",
    "python-dateutil==4.0.0", "pytz==2026.6", "tzlocal==5.4.5", "tzdata==2026.6", "lz4==4.4.5", "zstandard==0.25.0", "orjson==3.13.0",
]  # fmt: skip
ARTIFACTS = ["io.trino:trino-server:476:tar.gz"]
LANGUAGE = "properties"
PLUGINS = ["iceberg", "memory", "tpch"]
JVM = ["-Xmx2G", "-XX:+ExitOnOutOfMemoryError", "-Djdk.attach.allowAttachSelf=true", "--sun-misc-unsafe-memory-access=allow"]
START_SECONDS_MAX = 240
STOP_SECONDS_MAX = 30
# The deployment's own principal, and whom it lets that one act for; nobody else.
ENGINE, USER = "engine", "ann"


def settings(lake: Lake, session: str = "NONE") -> str:
    """`etc/catalog/polder.properties`."""
    if lake.vended:
        access = "iceberg.rest-catalog.vended-credentials-enabled=true"
    else:
        access = f"s3.aws-access-key={lake.key}\ns3.aws-secret-key={lake.key_secret}\niceberg.register-table-procedure.enabled=true"
    return f"""connector.name=iceberg
iceberg.catalog.type=rest
iceberg.rest-catalog.uri={lake.uri}
iceberg.rest-catalog.warehouse={lake.warehouse}
iceberg.rest-catalog.security=OAUTH2
iceberg.rest-catalog.oauth2.credential={lake.credential}
iceberg.rest-catalog.oauth2.scope={lake.scope}
iceberg.rest-catalog.oauth2.server-uri={lake.token_uri}
iceberg.rest-catalog.session={session}
iceberg.rest-catalog.nested-namespace-enabled=true
fs.native-s3.enabled=true
s3.endpoint={lake.endpoint}
s3.region={lake.region}
s3.path-style-access=true
{access}"""


class Server:
    """One node on loopback, from the unpacked server."""

    def __init__(self, lake: Lake, session: str):
        home, folder = unpacked(lake), Path(lake.scratch) / f"trino-{session.lower()}"
        etc = folder / "etc"
        (etc / "catalog").mkdir(parents=True)
        plugins = folder / "plugin"
        plugins.mkdir()
        for name in PLUGINS:
            (plugins / name).symlink_to(home / "plugin" / name)
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.port = held.getsockname()[1]
        (etc / "catalog" / "polder.properties").write_text(settings(lake, session) + "\n")
        (etc / "catalog" / "tpch.properties").write_text("connector.name=tpch\n")
        (etc / "config.properties").write_text(
            "coordinator=true\nnode-scheduler.include-coordinator=true\n"
            f"http-server.http.port={self.port}\ndiscovery.uri=http://127.0.0.1:{self.port}\nquery.max-memory=512MB\n"
        )
        self._log = folder / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(maven.jdk(JAVA) / "bin" / "java"), *JVM, f"-Dconfig={etc}/config.properties", "-Dnode.environment=conformance", "-Dnode.id=one",
                    "-Dnode.bind-ip=127.0.0.1", "-Dnode.internal-address=127.0.0.1",
                    f"-Dnode.data-dir={folder}/data", f"-Dplugin.dir={plugins}", f"-Dcatalog.config-dir={etc}/catalog",
                    "-cp", f"{home}/lib/*", "io.trino.server.TrinoServer",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip

    def __enter__(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while b"SERVER STARTED" not in self._log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"Trino does not start\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        while not self._schedules():
            if time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError("Trino started, but runs no query")
            time.sleep(0.2)
        return self

    def _schedules(self) -> bool:
        """Trino learns only every five seconds which node runs which catalog, and runs nothing on one that it has not learned of."""
        try:
            return self.sql("SELECT count(*) FROM tpch.tiny.nation") == [(25,)]
        except Exception as early:  # Trino's own, of whatever class
            if any(known in str(early) for known in ("NO_NODES_AVAILABLE", "nodes is empty", "SERVER_STARTING_UP")):
                return False
            raise

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS_MAX)

    def sql(self, text: str, user: str = USER) -> list[tuple]:
        from trino.dbapi import connect

        with connect(host="127.0.0.1", port=self.port, user=user, catalog="polder", http_scheme="http") as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            return [tuple(row) for row in cursor.fetchall()]


def unpacked(lake: Lake) -> Path:
    """Returns the server's folder; unpacked once."""
    folder = Path(lake.artifacts)
    home = folder / "trino-server-476"
    if not (home / "lib").is_dir():
        with tarfile.open(folder / "trino-server-476.tar.gz") as archive:
            shutil.rmtree(home, ignore_errors=True)
            archive.extractall(folder, filter="data")
    return home


def run(lake: Lake, step: Steps) -> None:
    with Server(lake, "NONE") as trino:
        # A view that runs as its owner is made by whoever has the owner's name at the catalog (R36): here that is the engine.
        life(step, partial(trino.sql, user=ENGINE), lake.namespace, "session=NONE")
    with Server(lake, "USER") as trino:
        life(step, trino.sql, f"{lake.namespace}_user", "session=USER")

        @step("session=USER: another user is refused")
        def _():
            try:
                trino.sql("SHOW SCHEMAS FROM polder", user="ben")
            except Exception as refused:  # Trino's own, of whatever class
                assert "ICEBERG_CATALOG_ERROR" in str(refused), refused
            else:
                raise AssertionError("a session of somebody for whom the engine may not act")


def life(step: Steps, sql, namespace: str, how: str) -> None:
    ns = f"polder.{namespace}"

    @step(f"{how}: create")
    def _():
        sql(f"CREATE SCHEMA {ns}")
        sql(f"CREATE TABLE {ns}.t (id BIGINT, name VARCHAR, day DATE) WITH (partitioning = ARRAY['month(day)'], format_version = 2)")
        same(sql(f"SHOW TABLES FROM {ns}"), [("t",)])

    @step(f"{how}: insert")
    def _():
        sql(f"INSERT INTO {ns}.t VALUES (1, 'a', DATE '2026-01-01'), (2, 'b', DATE '2026-02-01'), (3, 'c', NULL)")
        same(sql(f"SELECT count(*), sum(id) FROM {ns}.t"), [(3, 6)])

    @step(f"{how}: create with rows (CTAS), replace")
    def _():
        sql(f"CREATE TABLE {ns}.copy AS SELECT id FROM {ns}.t")
        sql(f"CREATE OR REPLACE TABLE {ns}.copy AS SELECT id, name FROM {ns}.t WHERE id > 1")
        same(sql(f"SELECT count(*) FROM {ns}.copy"), [(2,)])

    @step(f"{how}: update, delete, merge")
    def _():
        sql(f"UPDATE {ns}.t SET name = 'z' WHERE id = 1")
        sql(f"DELETE FROM {ns}.t WHERE id = 2")
        sql(
            f"MERGE INTO {ns}.t t USING (VALUES (3, 'cc'), (4, 'd')) AS s(id, name) ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)"
        )
        same(sql(f"SELECT id, name FROM {ns}.t ORDER BY id"), [(1, "z"), (3, "cc"), (4, "d")])

    @step(f"{how}: evolve")
    def _():
        sql(f"ALTER TABLE {ns}.t ADD COLUMN city VARCHAR")
        sql(f"ALTER TABLE {ns}.t RENAME COLUMN name TO label")
        sql(f"ALTER TABLE {ns}.t SET PROPERTIES partitioning = ARRAY['bucket(id, 4)']")
        sql(f"INSERT INTO {ns}.t VALUES (5, 'e', NULL, 'Ghent')")
        same(sql(f"SELECT label, city FROM {ns}.t WHERE id = 5"), [("e", "Ghent")])

    @step(f"{how}: time travel")
    def _():
        snapshots = sql(f'SELECT snapshot_id FROM {ns}."t$snapshots" WHERE operation = \'append\' ORDER BY committed_at')
        first = next(s[0] for s in snapshots if sql(f"SELECT count(*) FROM {ns}.t FOR VERSION AS OF {s[0]}")[0][0] == 3)
        same(sql(f"SELECT sum(id) FROM {ns}.t FOR VERSION AS OF {first}"), [(6,)])

    @step(f"{how}: optimize, expire snapshots")
    def _():
        sql(f"ALTER TABLE {ns}.t EXECUTE optimize")
        sql(f"ANALYZE {ns}.t")
        sql(f"ALTER TABLE {ns}.t EXECUTE expire_snapshots(retention_threshold => '7d')")
        same(sql(f"SELECT count(*) FROM {ns}.t"), [(4,)])

    @step(f"{how}: rename")
    def _():
        sql(f"ALTER TABLE {ns}.copy RENAME TO {ns}.moved")
        same(sql(f"SELECT count(*) FROM {ns}.moved"), [(2,)])

    @step(f"{how}: views")
    def _():
        sql(f"CREATE VIEW {ns}.names AS SELECT id, label FROM {ns}.t WHERE id > 3")
        same(sql(f"SELECT count(*) FROM {ns}.names"), [(2,)])
        sql(f"CREATE OR REPLACE VIEW {ns}.names SECURITY INVOKER AS SELECT id FROM {ns}.t")
        same(sql(f"SELECT count(*) FROM {ns}.names"), [(4,)])
        sql(f"DROP VIEW {ns}.names")

    @step(f"{how}: drop")
    def _():
        for table in ("t", "moved"):
            sql(f"DROP TABLE {ns}.{table}")
        sql(f"DROP SCHEMA {ns}")


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    with Server(lake, "NONE") as trino:
        table = f"polder.{lake.namespace}.shared"
        ids = lambda: [found[0] for found in trino.sql(f"SELECT id FROM {table} ORDER BY id")]

        @step("shared table")
        def _():
            same(ids(), before)
            trino.sql(f"INSERT INTO {table} VALUES ({row}, 'Trino')")
            same(ids(), [*before, row])
