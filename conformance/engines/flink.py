"""Flink SQL through its own client: batch, streaming with checkpoints, upserts. Its SQL cannot update, delete or make views of
Iceberg."""

import os
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
PROGRAM = Path(__file__).parent / "java" / "FlinkSql.java"
MARK = "@rows "
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
    """Runs statements in one process with a cluster of its own."""

    def __init__(self, lake: Lake):
        import pyflink

        self._lake, self._home = lake, Path(pyflink.__path__[0])

    def run(self, *statements: str) -> list[list[str]]:
        """Runs statements in order, each after the mode that it runs in; returns the rows of those that have some, one text a row."""
        script = Path(self._lake.scratch) / "statements.sql"
        script.write_text("\n---\n".join([settings(self._lake).rstrip(";"), *statements]))
        jars = [self._home / "lib" / "*", *(Path(self._lake.artifacts) / f"{name}.jar" for name in jar_names())]
        command = [
            str(maven.jdk(JAVA) / "bin" / "java"), "-Xmx1500m", *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED),
            "-Dlog4j2.level=ERROR", "-cp", os.pathsep.join(map(str, jars)), str(PROGRAM), str(script),
        ]  # fmt: skip
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STATEMENTS_SECONDS_MAX,
            cwd=self._lake.scratch, env=os.environ | {"AWS_REGION": self._lake.region},
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(done.stderr[:3000])
        rows = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
        return [[row for row in line.split("\t") if row] for line in rows]


def jar_names() -> list[str]:
    return ["-".join(coordinates.split(":")[1:]) for coordinates in ARTIFACTS]


def run(self, *statements: str) -> list[list[str]]:
        """Runs statements in order, each after the mode that it runs in; returns the rows of those that have some, one text a row."""
        script = Path(self._lake.scratch) / "statements.sql"
        script.write_text("\n---\n".join([settings(self._lake).rstrip(";"), *statements]))
        jars = [self._home / "lib" / "*", *(Path(self._lake.artifacts) / f"{name}.jar" for name in jar_names())]
        command = [
            str(maven.jdk(JAVA) / "bin" / "java"), "-Xmx1500m", *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED),
            "-Dlog4j2.level=ERROR", "-cp", os.pathsep.join(map(str, jars)), str(PROGRAM), str(script),
        ]  # fmt: skip
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STATEMENTS_SECONDS_MAX,
            cwd=self._lake.scratch, env=os.environ | {"AWS_REGION": self._lake.region},
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(done.stderr[:3000])
        rows = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
        return [[row for row in line.split("\t") if row] for line in rows]


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

    @step("create")
    def _():
        client.run(
            f"batch CREATE DATABASE {ns}",
            f"batch CREATE TABLE {ns}.t (id BIGINT, name STRING) PARTITIONED BY (name) WITH ('team' = 'data')",
            f"batch CREATE TABLE {ns}.s (id BIGINT, name STRING)",
            f"batch CREATE TABLE {ns}.u (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED) "
            "WITH ('format-version' = '2', 'write.upsert.enabled' = 'true')",
        )

    @step("batch: insert, overwrite, create with rows (CTAS)")
    def _():
        found = client.run(
            f"batch INSERT INTO {ns}.t VALUES (1, 'a'), (2, 'b'), (3, 'b')",
            f"batch INSERT OVERWRITE {ns}.t PARTITION (name = 'b') SELECT CAST(9 AS BIGINT)",
            f"batch CREATE TABLE {ns}.copy AS SELECT id, name FROM {ns}.t WHERE id > 1",
            f"batch SELECT id, name FROM {ns}.t ORDER BY id",
            f"batch SELECT COUNT(*) FROM {ns}.copy",
        )
        same(found, [["1 a", "9 b"], ["1"]])

    @step("streaming with checkpoints")
    def _():
        found = client.run(
            "streaming CREATE TEMPORARY TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', "
            "'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '100')",
            f"streaming INSERT INTO {ns}.s SELECT id, CAST(id AS STRING) FROM numbers",
            f"batch SELECT COUNT(*), COUNT(DISTINCT id) FROM {ns}.s",
            f"batch SELECT COUNT(*) > 2 FROM {ns}.`s$snapshots`",
        )
        same(found, [["100 100"], ["true"]])

    @step("streaming read")
    def _():
        found = client.run(
            f"streaming SELECT id FROM {ns}.s /*+ OPTIONS('streaming'='false') */ WHERE id > 98",
        )
        same(sorted(found[0]), ["100", "99"])

    @step("streaming upserts")
    def _():
        found = client.run(
            f"streaming INSERT INTO {ns}.u VALUES (1, 'a'), (2, 'b')",
            f"streaming INSERT INTO {ns}.u VALUES (2, 'bb'), (3, 'c')",
            f"batch SELECT id, name FROM {ns}.u ORDER BY id",
        )
        same(found, [["1 a", "2 bb", "3 c"]])

    @step("evolve")
    def _():
        found = client.run(
            f"batch ALTER TABLE {ns}.u ADD (city STRING)",
            f"batch ALTER TABLE {ns}.u SET ('team' = 'data')",
            f"streaming INSERT INTO {ns}.u VALUES (4, 'd', 'Ghent')",
            f"batch SELECT city FROM {ns}.u WHERE id = 4",
        )
        same(found, [["Ghent"]])

    @step("rename and drop")
    def _():
        found = client.run(
            f"batch ALTER TABLE {ns}.copy RENAME TO {ns}.moved",
            f"batch USE {ns}",
            "batch SHOW TABLES",
            *(f"batch DROP TABLE {ns}.{table}" for table in ("t", "s", "u", "moved")),
            # Flink drops no database that it is in.
            "batch USE CATALOG default_catalog",
            f"batch DROP DATABASE polder.{ns}",
        )
        same(sorted(found[0]), ["moved", "s", "t", "u"])


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    client, table = Client(lake), f"{lake.namespace}.shared"

    @step("shared table")
    def _():
        ids = f"batch SELECT id FROM {table} ORDER BY id"
        found = client.run(ids, f"batch INSERT INTO {table} VALUES ({row}, 'Flink')", ids)
        texts = [str(value) for value in before]
        same(found, [texts, [*texts, str(row)]])
