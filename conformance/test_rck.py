"""A-121, A-120: Iceberg's own REST Compatibility Kit, unchanged but for what a subclass turns on, through client credentials.

What does not pass is named in `rck/exceptions.txt` with its reason. Any other failure fails, and so does an exception that
is none any more."""

from dataclasses import dataclass
from pathlib import Path

import maven
import postgres
import pytest
from deployment import ENGINE, Deployment
from judge import Judge
from rck import kit

EXCEPTIONS = Path(kit.__file__).with_name("exceptions.txt")
TESTS = 157


@dataclass(frozen=True)
class Run:
    """What became of each test, and what was wrong with the answers that the kit got."""

    outcomes: dict[str, kit.Outcome]
    judge: Judge


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def ran(request, tmp_path_factory) -> Run:
    """One run of the kit on a deployment of its own."""
    if why := maven.missing(kit.JAVA):
        pytest.skip(f"SKIPPED RCK: {why}")
    folder = tmp_path_factory.mktemp("rck")
    if request.param == "sqlite":
        return run(folder, None)
    programs = postgres.programs()
    if programs is None:
        pytest.skip("SKIPPED PostgreSQL: its server is not installed (Debian's package `postgresql`)")
    with postgres.Cluster(programs) as database:
        return run(folder, database)


def run(folder: Path, database) -> Run:
    deployment = Deployment(folder, database=database)
    try:
        for name in kit.CLASSES:
            root, asked = folder / f"{name}-root", kit.temporary(folder) / name
            root.mkdir()
            asked.mkdir()
            deployment.add_warehouse(name, root=f"file://{root.resolve()}", allowed_locations=[f"file://{asked}"])
        with Judge(deployment.iceberg_uri) as judge:
            found = kit.run(judge.uri, deployment.credential(ENGINE), folder)
    finally:
        code = deployment.stop()
    assert code == 0, f"polder did not shut down cleanly (exit code {code})\n{deployment.log_tail()}"
    return Run({outcome.name: outcome for outcome in found}, judge)


def exceptions() -> dict[str, str]:
    """Returns the name of each exception with what becomes of it."""
    lines = [line.split(None, 2) for line in EXCEPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    assert all(len(line) == 3 and line[1] in ("skipped", "failed") for line in lines), "NAME skipped|failed REASON"
    return {name: state for name, state, _ in lines}


def test_the_whole_kit_ran(ran):
    """A-121: all of its tests, so that a class that is not found does not pass for one that has no failures."""
    assert len(ran.outcomes) == TESTS


def test_nothing_fails_but_the_named_exceptions(ran):
    """A-121: each other test passes, and each exception is one."""
    expected = exceptions()
    surprises = [
        f"{name}: {outcome.state}, not {expected.get(name, 'passed')}: {outcome.message}"
        for name, outcome in sorted(ran.outcomes.items())
        if outcome.state != expected.get(name, "passed")
    ]
    absent = [f"{name}: there is no such test" for name in expected if name not in ran.outcomes]
    assert not surprises + absent, "\n".join(surprises + absent)


def test_every_answer_that_the_kit_got_is_documented(ran):
    """A-121: some two thousand of them, in every state that the kit brings a catalog into."""
    assert ran.judge.answered.total() > 1_500
    assert not ran.judge.problems, ran.judge.problems
