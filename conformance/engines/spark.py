"""Spark SQL: everything that its Iceberg extension has: DML, evolution, references, procedures, views, streaming."""

from engines.lake import Lake, Steps, same

TITLE = "Spark"
JAVA = 17
PACKAGES = ["pyspark"]
REQUIREMENTS = ["pyspark==4.0.5", "py4j==0.10.9.9"]
ARTIFACTS = ["org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0", "org.apache.iceberg:iceberg-aws-bundle:1.11.0"]
LANGUAGE = "properties"


def settings(lake: Lake) -> str:
    """`spark-defaults.conf`."""
    prefix = "spark.sql.catalog.polder"
    jars = ",".join(f"{lake.artifacts}/{name}-1.11.0.jar" for name in ("iceberg-spark-runtime-4.0_2.13", "iceberg-aws-bundle"))
    if lake.vended:
        access = f"{prefix}.header.X-Iceberg-Access-Delegation vended-credentials"
    else:
        access = f"{prefix}.s3.access-key-id {lake.key}\n{prefix}.s3.secret-access-key {lake.key_secret}"
    return f"""spark.jars {jars}
spark.sql.extensions org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions
spark.sql.defaultCatalog polder
{prefix} org.apache.iceberg.spark.SparkCatalog
{prefix}.type rest
{prefix}.uri {lake.uri}
{prefix}.warehouse {lake.warehouse}
{prefix}.credential {lake.credential}
{prefix}.scope {lake.scope}
{prefix}.oauth2-server-uri {lake.token_uri}
{prefix}.io-impl org.apache.iceberg.aws.s3.S3FileIO
{access}"""


def connect(lake: Lake):
    import os
    from pathlib import Path

    from pyspark.sql import SparkSession

    # A secret in an argument would be seen by the whole machine; in a file it is the engine's own.
    conf = Path(lake.scratch) / "conf"
    conf.mkdir(exist_ok=True)
    (conf / "spark-defaults.conf").write_text(settings(lake) + "\n")
    os.environ["SPARK_CONF_DIR"] = str(conf)
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["AWS_REGION"] = lake.region
    local = {
        "spark.driver.memory": "1g", "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2",
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.sql.catalogImplementation": "in-memory",
        "spark.local.dir": lake.scratch, "spark.sql.warehouse.dir": f"{lake.scratch}/warehouse",
    }  # fmt: skip
    builder = SparkSession.builder.master("local[2]")
    for name, value in local.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def run(lake: Lake, step: Steps) -> None:
    spark, ns = connect(lake), f"polder.{lake.namespace}"
    sql = lambda text: [tuple(row) for row in spark.sql(text).collect()]
    writes(step, sql, ns)
    history(step, sql, ns)
    maintenance(step, sql, ns, lake)
    views(step, sql, ns)
    streaming(step, spark, sql, ns, lake)

    @step("drop with purge")
    def _():
        for table in [row[1] for row in sql(f"SHOW TABLES IN {ns}")]:
            sql(f"DROP TABLE {ns}.{table} PURGE")
        sql(f"DROP NAMESPACE {ns}")

    spark.stop()


def writes(step: Steps, sql, ns: str) -> None:
    @step("create")
    def _():
        sql(f"CREATE NAMESPACE {ns}")
        sql(f"CREATE TABLE {ns}.t (id BIGINT NOT NULL, name STRING, day DATE) PARTITIONED BY (days(day), bucket(4, id))")
        same([row[1] for row in sql(f"SHOW TABLES IN {ns}")], ["t"])

    @step("insert")
    def _():
        sql(f"INSERT INTO {ns}.t VALUES (1, 'a', DATE'2026-01-01'), (2, 'b', DATE'2026-01-02'), (3, 'c', NULL)")
        same(sql(f"SELECT count(*), sum(id) FROM {ns}.t"), [(3, 6)])

    @step("create with rows (CTAS), replace with rows (RTAS)")
    def _():
        sql(f"CREATE TABLE {ns}.copy AS SELECT * FROM {ns}.t")
        sql(f"CREATE OR REPLACE TABLE {ns}.copy AS SELECT id FROM {ns}.t WHERE id > 1")
        same(sql(f"SELECT id FROM {ns}.copy ORDER BY id"), [(2,), (3,)])

    @step("merge")
    def _():
        sql(
            f"MERGE INTO {ns}.t USING (SELECT * FROM VALUES (3, 'cc'), (4, 'd') AS v(id, name)) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET t.name = s.name WHEN NOT MATCHED THEN INSERT (id, name, day) VALUES (s.id, s.name, NULL)"
        )
        same(sql(f"SELECT id, name FROM {ns}.t ORDER BY id"), [(1, "a"), (2, "b"), (3, "cc"), (4, "d")])

    @step("update and delete, copy on write")
    def _():
        sql(f"UPDATE {ns}.t SET name = 'z' WHERE id = 1")
        sql(f"DELETE FROM {ns}.t WHERE id = 2")
        same(sql(f"SELECT id, name FROM {ns}.t ORDER BY id"), [(1, "z"), (3, "cc"), (4, "d")])

    @step("delete, merge on read, with deletion vectors (v3)")
    def _():
        sql(
            f"CREATE TABLE {ns}.v3 (id BIGINT, name STRING) TBLPROPERTIES ('format-version'='3', "
            "'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read')"
        )
        sql(f"INSERT INTO {ns}.v3 SELECT id, cast(id AS STRING) FROM range(100)")
        sql(f"DELETE FROM {ns}.v3 WHERE id % 10 = 3")
        sql(f"UPDATE {ns}.v3 SET name = 'x' WHERE id = 1")
        same(sql(f"SELECT count(*), count(DISTINCT _row_id) FROM {ns}.v3"), [(90, 90)])

    @step("variant (v3)")
    def _():
        sql(f"CREATE TABLE {ns}.var (id BIGINT, body VARIANT) TBLPROPERTIES ('format-version'='3')")
        sql(f"""INSERT INTO {ns}.var SELECT 1, parse_json('{{"a": 5}}')""")
        same(sql(f"SELECT variant_get(body, '$.a', 'int') FROM {ns}.var"), [(5,)])

    @step("evolve")
    def _():
        sql(f"ALTER TABLE {ns}.t ADD COLUMN info STRUCT<city: STRING, zip: INT>")
        sql(f"ALTER TABLE {ns}.t ADD COLUMN info.country STRING")
        sql(f"ALTER TABLE {ns}.t RENAME COLUMN name TO label")
        sql(f"ALTER TABLE {ns}.t ALTER COLUMN id COMMENT 'key'")
        sql(f"ALTER TABLE {ns}.t REPLACE PARTITION FIELD days(day) WITH months(day)")
        sql(f"ALTER TABLE {ns}.t WRITE ORDERED BY id")
        sql(f"ALTER TABLE {ns}.t SET TBLPROPERTIES ('team'='data')")
        sql(f"INSERT INTO {ns}.t VALUES (5, 'e', DATE'2026-02-02', named_struct('city', 'Ghent', 'zip', 9000, 'country', 'BE'))")
        same(sql(f"SELECT label, info.country FROM {ns}.t WHERE id = 5"), [("e", "BE")])


def history(step: Steps, sql, ns: str) -> None:
    @step("time travel")
    def _():
        first = sql(f"SELECT snapshot_id FROM {ns}.t.snapshots ORDER BY committed_at LIMIT 1")[0][0]
        same(sql(f"SELECT count(*) FROM {ns}.t VERSION AS OF {first}"), [(3,)])

    @step("branches and tags, write-audit-publish")
    def _():
        sql(f"ALTER TABLE {ns}.t CREATE TAG v1 RETAIN 5 DAYS")
        sql(f"ALTER TABLE {ns}.t CREATE BRANCH dev")
        sql(f"INSERT INTO {ns}.t.branch_dev VALUES (9, 'i', NULL, NULL)")
        same(sql(f"SELECT (SELECT count(*) FROM {ns}.t), (SELECT count(*) FROM {ns}.t VERSION AS OF 'dev')"), [(4, 5)])
        sql(f"CALL polder.system.fast_forward('{ns.split('.')[1]}.t', 'main', 'dev')")
        same(sql(f"SELECT count(*) FROM {ns}.t"), [(5,)])
        sql(f"ALTER TABLE {ns}.t DROP BRANCH dev")

    @step("metadata tables")
    def _():
        same(sorted(row[0] for row in sql(f"SELECT name FROM {ns}.t.refs")), ["main", "v1"])
        assert sql(f"SELECT count(*) FROM {ns}.t.files")[0][0] > 0 and sql(f"SELECT count(*) FROM {ns}.t.history")[0][0] > 4

    @step("rename")
    def _():
        sql(f"ALTER TABLE {ns}.copy RENAME TO {ns.split('.')[1]}.moved")
        same(sql(f"SELECT count(*) FROM {ns}.moved"), [(2,)])


def maintenance(step: Steps, sql, ns: str, lake: Lake) -> None:
    table = f"{lake.namespace}.t"

    @step("roll back")
    def _():
        before = sql(f"SELECT count(*) FROM {ns}.t")
        now = sql(f"SELECT snapshot_id FROM {ns}.t.refs WHERE name = 'main'")[0][0]
        sql(f"DELETE FROM {ns}.t WHERE id > 0")
        sql(f"CALL polder.system.rollback_to_snapshot('{table}', {now})")
        same(sql(f"SELECT count(*) FROM {ns}.t"), before)

    @step("rewrite data files and manifests")
    def _():
        sql(f"CALL polder.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))")
        sql(f"CALL polder.system.rewrite_position_delete_files('{table}')")
        sql(f"CALL polder.system.rewrite_manifests('{table}')")
        same(sql(f"SELECT count(*) FROM {ns}.t"), [(5,)])

    @step("statistics")
    def _():
        sql(f"CALL polder.system.compute_table_stats('{table}')")

    @step("expire snapshots")
    def _():
        sql(f"ALTER TABLE {ns}.t DROP TAG v1")
        sql(f"CALL polder.system.expire_snapshots(table => '{table}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)")
        same(sql(f"SELECT count(*) FROM {ns}.t.snapshots"), [(1,)])
        same(sql(f"SELECT count(*) FROM {ns}.t"), [(5,)])

    @step("remove orphan files")
    def _():
        sql(f"CALL polder.system.remove_orphan_files(table => '{table}', dry_run => true, prefix_listing => true)")

    @step("register a metadata file")
    def _():
        place = sql(f"SELECT file FROM {ns}.moved.metadata_log_entries ORDER BY timestamp DESC LIMIT 1")[0][0]
        sql(f"DROP TABLE {ns}.moved")
        # Under its own name: the files of a dropped table come back under no other (decision 0028).
        sql(f"CALL polder.system.register_table('{lake.namespace}.moved', '{place}')")
        same(sql(f"SELECT count(*) FROM {ns}.moved"), [(2,)])


def views(step: Steps, sql, ns: str) -> None:
    @step("views")
    def _():
        sql(f"CREATE VIEW {ns}.labels COMMENT 'names' AS SELECT id, label FROM {ns}.t WHERE id > 3")
        same(sql(f"SELECT count(*) FROM {ns}.labels"), [(3,)])
        sql(f"CREATE OR REPLACE VIEW {ns}.labels AS SELECT id FROM {ns}.t WHERE id > 4")
        sql(f"ALTER VIEW {ns}.labels SET TBLPROPERTIES ('team'='data')")
        sql(f"ALTER VIEW {ns}.labels RENAME TO {ns.split('.')[1]}.names")
        same([row[1] for row in sql(f"SHOW VIEWS IN {ns}")], ["names"])
        same(sql(f"SELECT count(*) FROM {ns}.names"), [(2,)])
        sql(f"DROP VIEW {ns}.names")


def streaming(step: Steps, spark, sql, ns: str, lake: Lake) -> None:
    @step("streaming write and read")
    def _():
        sql(f"CREATE TABLE {ns}.stream (value BIGINT, timestamp TIMESTAMP)")
        sql(f"CREATE TABLE {ns}.drain (value BIGINT)")
        source = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 20).load()
        writing = source.select("value", "timestamp").writeStream.format("iceberg").outputMode("append")
        writing = writing.trigger(processingTime="1 second").option("checkpointLocation", f"{lake.scratch}/c1").toTable(f"{ns}.stream")
        writing.awaitTermination(8)
        writing.stop()
        written = sql(f"SELECT count(*), count(DISTINCT value) FROM {ns}.stream")[0]
        assert written[0] == written[1] >= 40, written
        reading = spark.readStream.format("iceberg").load(f"{ns}.stream").select("value").writeStream.format("iceberg")
        reading = reading.trigger(availableNow=True).option("checkpointLocation", f"{lake.scratch}/c2").toTable(f"{ns}.drain")
        reading.awaitTermination(60)
        same(sql(f"SELECT count(*) FROM {ns}.drain"), [(written[0],)])


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    spark, table = connect(lake), f"polder.{lake.namespace}.shared"
    ids = lambda: [found[0] for found in spark.sql(f"SELECT id FROM {table} ORDER BY id").collect()]

    @step("shared table")
    def _():
        same(ids(), before)
        spark.sql(f"INSERT INTO {table} VALUES ({row}, 'Spark')")
        same(ids(), [*before, row])

    @step("shared table: a row that comes and goes by merge on read")
    def _():
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')")
        spark.sql(f"INSERT INTO {table} SELECT id, 'gone' FROM range(1000, 1010)")
        spark.sql(f"DELETE FROM {table} WHERE id >= 1000 AND id % 2 = 0")
        spark.sql(f"DELETE FROM {table} WHERE id >= 1000")
        same(ids(), [*before, row])

    spark.stop()
