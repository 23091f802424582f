"""Fixtures: one running demo for the whole session, a client for each principal, a fresh namespace for each test."""

import signal
import uuid

import pytest
import postgres
import requests
import s3
import specification
from cloud import move_to_cloud
from server import Polder, binary

TEST_SECONDS_MAX = 180


@pytest.fixture(autouse=True)
def bounded():
    """Fails a test that waits for ever."""

    def expired(_signal, _frame):
        raise TimeoutError(f"the test took longer than {TEST_SECONDS_MAX} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(TEST_SECONDS_MAX)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(autouse=True)
def documented(monkeypatch):
    """A-121: holds every answer that a test gets at the Iceberg door against the official document."""
    wrong, send = [], requests.Session.send

    def judged(session, request, **arguments):
        answer = send(session, request, **arguments)
        iceberg_uri = request.url.split("/iceberg/")[0] + "/iceberg"
        wrong.extend(specification.judge(request.method, request.url, iceberg_uri, answer.status_code, answer.headers, answer.content))
        return answer

    monkeypatch.setattr(requests.Session, "send", judged)
    yield
    assert not wrong, wrong


@pytest.fixture(scope="session")
def polder_files(tmp_path_factory):
    """The demo, started once; its end is checked like its answers."""
    assert binary().is_file(), f"no binary at {binary()}: build it, or say where it is with POLDER_BIN"
    folder = tmp_path_factory.mktemp("polder")
    running = Polder(folder / "data", folder / "stderr.log")
    yield running
    alive = running.running()
    code = running.stop()
    assert alive, f"polder died during the tests (exit code {code})\n{running.log_tail()}"
    assert code == 0, f"polder did not shut down cleanly (exit code {code})\n{running.log_tail()}"


@pytest.fixture(scope="session", params=["files", "cloud"])
def polder(request):
    """SQLite and the local file system, and PostgreSQL and S3: what clients do holds for both."""
    return request.getfixturevalue(f"polder_{request.param}")


@pytest.fixture(scope="session")
def polder_cloud(tmp_path_factory):
    """A deployment on PostgreSQL with its warehouses in S3, with the people, tables and policies of the demo."""
    weed, programs = s3.program(), postgres.programs()
    if weed is None:
        pytest.skip("SKIPPED S3: the environment holds no `weed`")
    if programs is None:
        pytest.skip("SKIPPED PostgreSQL: its server is not installed (Debian's package `postgresql`)")
    folder = tmp_path_factory.mktemp("polder-cloud")
    with s3.Weed(weed, folder / "weed") as store, postgres.Cluster(programs) as database:
        running = Polder(folder / "demo", folder / "stderr.log")
        try:
            move_to_cloud(running, store, database)
            yield running
            assert running.running(), f"polder died during the tests\n{running.log_tail()}"
        finally:
            code = running.stop()
        assert code == 0, f"polder did not shut down cleanly (exit code {code})\n{running.log_tail()}"


@pytest.fixture(scope="session")
def engineer(polder):
    """PyIceberg as the engineer."""
    return polder.catalog("engineer")


@pytest.fixture(scope="session")
def engineer_door(polder):
    """Plain HTTP as the engineer."""
    return polder.door("engineer")


@pytest.fixture
def namespace(engineer):
    """A fresh namespace; it is emptied and dropped afterwards, which must work too."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    engineer.create_namespace(name)
    yield name
    empty(engineer, (name,))


def empty(catalog, namespace: tuple) -> None:
    """Drops a namespace with everything in it."""
    for child in catalog.list_namespaces(namespace):
        empty(catalog, child)
    for table in catalog.list_tables(namespace):
        catalog.drop_table(table)
    catalog.drop_namespace(namespace)
