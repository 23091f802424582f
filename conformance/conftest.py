"""Fixtures: one running demo for the whole session, a client for each principal, a fresh namespace for each test."""

import signal
import uuid

import pytest
from s3 import Weed, move_to_s3, program
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


@pytest.fixture(scope="session", params=["files", "s3"])
def polder(request):
    """A warehouse in the local file system, and one in S3: what clients do holds for both."""
    return request.getfixturevalue(f"polder_{request.param}")


@pytest.fixture(scope="session")
def polder_s3(tmp_path_factory):
    """A demo whose default warehouse is in S3, with the tables of the demo copied there; skipped without a store."""
    weed = program()
    if weed is None:
        pytest.skip("SKIPPED S3: the environment holds no `weed`")
    folder = tmp_path_factory.mktemp("polder-s3")
    with Weed(weed, folder / "weed") as store:
        running = Polder(folder / "data", folder / "stderr.log")
        try:
            move_to_s3(running, store, folder)
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
