"""Flink SQL through its own client: batch, streaming with checkpoints, upserts. Its SQL cannot update, delete or make views of
Iceberg."""

import os
import re
import subprocess
from pathlib import Path

import maven

from engines.lake import Lake, Steps, same

TITLE = "Flink"
JAVA = 17
PACKAGES = ["apache-flink-libraries"]
REQUIREMENTS = ["apache-flink-libraries==2.1.3"]
ARTIFACTS = [
    "org.apache.iceberg:iceberg-flink-runtime-2.1:1.11.0",
    "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
    "org.apache.hadoop:hadoop-client-api:3.4.3",
    "org.apache.hadoop:hadoop-client-runtime:3.4.3",
    "commons-logging:commons-logging:1.3.0",
]
LANGUAGE = "sql"
STATEMENTS_SECONDS_MAX = 300
# What Flink's own `bin/` sets in `conf/config.yaml`, which the Python package leaves out.
OPENED = [
    "java.base/java.net", "java.base/java.nio", "java.base/java.util", "java.base/java.lang", "java.base/java.lang.reflect",
    "java.base/java.text", "java.base/java.time", "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks", "java.base/java.io", "java.base/java.lang.invoke", "java.base/sun.nio.ch",
]  # fmt: skip


def settings(lake: Lake) -> str:
    """For the SQL client, with the jars of `iceberg-flink-runtime` and `iceberg-aws-bundle` in `lib/`."""
    if lake.vended:
        access = "'header.X-Iceberg-Access-Delegation' = 'vended-credentials'"
    else:
        access = f"'s3.access-key-id' = '{lake.key}', 's3.secret-access-key' = '{lake.key_secret}'"
    return f"""CREATE CATALOG polder WITH (
    'type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = '{lake.uri}', 'warehouse' = '{lake.warehouse}',
    'credential' = '{lake.credential}', 'scope' = '{lake.scope}', 'oauth2-server-uri' = '{lake.token_uri}',
    'io-impl' = 'org.apache.iceberg.aws.s3.S3FileIO', {access}
);"""


class Client:
    """Runs statements in Flink's SQL client, in one process with a cluster of its own."""

    def __init__(self, lake: Lake):
        import pyflink

        self._lake, self._home = lake, Path(pyflink.__path__[0])
        self._scratch = Path(lake.scratch)
        conf = self._scratch / "conf"
        conf.mkdir(exist_ok=True)
        (conf / "config.yaml").write_text(
            "execution:\n  target: local\n  checkpointing:\n    interval: 1s\nparallelism:\n  default: 1\n"
            "rest:\n  address: 127.0.0.1\n  bind-address: 127.0.0.1\n  bind-port: '0'\n  port: 0\n"
            f"io:\n  tmp:\n    dirs: {self._scratch}\ntable:\n  dml-sync: true\n"
        )
        (conf / "log4j-cli.properties").write_text("rootLogger.level = WARN\nrootLogger.appenderRef.c.ref = c\nappender.c.type = Console\nappender.c.name = c\nappender.c.target = SYSTEM_ERR\nappender.c.layout.type = PatternLayout\nappender.c.layout.pattern = %p %c %m%n\n")
        self._conf = conf

    def run(self, *statements: str) -> list[list[str]]:
        """Runs statements in order; returns the rows of every SELECT among them, one text a row."""
        script = self._scratch / "script.sql"
        text = settings(self._lake) + "\nUSE CATALOG polder;\nSET 'sql-client.execution.result-mode' = 'tableau';\n"
        script.write_text(text + "".join(f"{statement};\n" for statement in statements))
        jars = [self._home / "lib" / "*", self._home / "opt" / "*", *(Path(self._lake.artifacts) / f"{name}.jar" for name in jar_names())]
        command = [
            str(maven.jdk(JAVA) / "bin" / "java"), "-Xmx1500m", *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED),
            f"-Dlog4j.configurationFile=file:{self._conf}/log4j-cli.properties", "-cp", os.pathsep.join(map(str, jars)),
            "org.apache.flink.table.client.SqlClient", "embedded", "-f", str(script),
        ]  # fmt: skip
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STATEMENTS_SECONDS_MAX, cwd=self._scratch,
            env=os.environ | {"FLINK_CONF_DIR": str(self._conf), "FLINK_HOME": str(self._home), "AWS_REGION": self._lake.region},
        )  # fmt: skip
        if done.returncode or "[ERROR]" in done.stdout:
            raise AssertionError(f"{' '.join(done.stdout.split())[-900:]} {done.stderr[-900:]}")
        return tables(done.stdout)


def jar_names() -> list[str]:
    return ["-".join(coordinates.split(":")[1:]) for coordinates in ARTIFACTS]


def tables(output: str) -> list[list[str]]:
    """Reads the tables that the client prints."""
    found, inside = [], False
    for line in output.splitlines():
        if re.fullmatch(r"\+[-+]+\+", line.strip()):
            continue
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not inside:
                found.append([])
                inside = True
                continue
            found[-1].append(" ".join(cells))
        else:
            inside = False
    return found


def run(lake: Lake, step: Steps) -> None:
    client, ns = Client(lake), lake.namespace
    batch = "SET 'execution.runtime-mode' = 'batch'"
    streaming = "SET 'execution.runtime-mode' = 'streaming'"

    @step("create")
    def _():
        client.run(
            f"CREATE DATABASE {ns}",
            f"CREATE TABLE {ns}.t (id BIGINT, name STRING) PARTITIONED BY (name) WITH ('team' = 'data')",
            f"CREATE TABLE {ns}.s (id BIGINT, name STRING)",
            f"CREATE TABLE {ns}.u (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED) "
            "WITH ('format-version' = '2', 'write.upsert.enabled' = 'true')",
        )

    @step("batch: insert, overwrite, create with rows (CTAS)")
    def _():
        found = client.run(
            batch,
            f"INSERT INTO {ns}.t VALUES (1, 'a'), (2, 'b'), (3, 'b')",
            f"INSERT OVERWRITE {ns}.t PARTITION (name = 'b') SELECT CAST(9 AS BIGINT)",
            f"CREATE TABLE {ns}.copy AS SELECT id, name FROM {ns}.t WHERE id > 1",
            f"SELECT id, name FROM {ns}.t ORDER BY id",
            f"SELECT COUNT(*) FROM {ns}.copy",
        )
        same(found, [["1 a", "9 b"], ["1"]])

    @step("streaming with checkpoints: write")
    def _():
        generated = (
            "CREATE TEMPORARY TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', "
            "'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '100')"
        )
        found = client.run(
            streaming, generated, f"INSERT INTO {ns}.s SELECT id, CAST(id AS STRING) FROM numbers", batch,
            f"SELECT COUNT(*), COUNT(DISTINCT id) FROM {ns}.s", f"SELECT COUNT(*) > 2 FROM {ns}.s$snapshots",
        )  # fmt: skip
        same(found, [["100 100"], ["TRUE"]])

    @step("streaming: upserts")
    def _():
        found = client.run(
            streaming, f"INSERT INTO {ns}.u VALUES (1, 'a'), (2, 'b')", f"INSERT INTO {ns}.u VALUES (2, 'bb'), (3, 'c')",
            batch, f"SELECT id, name FROM {ns}.u ORDER BY id",
        )  # fmt: skip
        same(found, [["1 a", "2 bb", "3 c"]])

    @step("evolve")
    def _():
        found = client.run(
            batch, f"ALTER TABLE {ns}.u ADD (city STRING)", f"ALTER TABLE {ns}.u SET ('team' = 'data')",
            f"INSERT INTO {ns}.u VALUES (4, 'd', 'Ghent')", f"SELECT city FROM {ns}.u WHERE id = 4",
        )  # fmt: skip
        same(found, [["Ghent"]])

    @step("rename and drop")
    def _():
        found = client.run(
            f"ALTER TABLE {ns}.copy RENAME TO moved", f"USE {ns}", "SHOW TABLES", *(f"DROP TABLE {t}" for t in ("t", "s", "u", "moved")),
            f"DROP DATABASE {ns}",
        )  # fmt: skip
        same(found, [["moved", "s", "t", "u"]])


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    client, table = Client(lake), f"{lake.namespace}.shared"

    @step("shared table")
    def _():
        batch, ids = "SET 'execution.runtime-mode' = 'batch'", f"SELECT id FROM {table} ORDER BY id"
        found = client.run(batch, ids, f"INSERT INTO {table} VALUES ({row}, 'Flink')", ids)
        texts = [str(value) for value in before]
        same(found, [texts, [*texts, str(row)]])
