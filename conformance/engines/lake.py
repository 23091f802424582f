"""What an engine's program is told of the lake, and how it tells what it did. Runs in the engine's own environment, so it
needs nothing but Python."""

import json
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

VARIABLE = "POLDER_LAKE"
MARK = "@step "


@dataclass(frozen=True)
class Lake:
    """Where Polder and the object store are, with the engine's own credential and, unless keys are vended, its own keys."""

    uri: str
    warehouse: str
    client_id: str
    client_secret: str
    # `host:port`, and where the warehouse's tables are in it.
    store: str
    root: str
    key: str
    key_secret: str
    vended: bool
    namespace: str
    # Where jars and unpacked servers are kept, and where the engine may write.
    artifacts: str
    scratch: str
    scope: str = "catalog"
    region: str = "us-east-1"

    @property
    def credential(self) -> str:
        return f"{self.client_id}:{self.client_secret}"

    @property
    def token_uri(self) -> str:
        return f"{self.uri}/v1/oauth/tokens"

    @property
    def endpoint(self) -> str:
        return f"http://{self.store}"

    def but(self, **changed) -> "Lake":
        return replace(self, **changed)

    def told(self) -> dict[str, str]:
        """Returns the environment that tells a program."""
        return {VARIABLE: json.dumps(asdict(self))}


def lake() -> Lake:
    """Returns the lake that this program was told of."""
    return Lake(**json.loads(os.environ[VARIABLE]))


# What the matrix shows in place of a real one.
EXAMPLE = Lake(
    uri="https://polder.example/iceberg", warehouse="lake", client_id="pk_ID", client_secret="polder_SECRET",
    store="s3.example:9000", root="s3://bucket/lake", key="KEY", key_secret="SECRET", vended=False, namespace="sales",
    artifacts="/opt/jars", scratch="/tmp/scratch",
)  # fmt: skip


class Steps:
    """The steps of an engine, each told in one line as it ends. A step that fails does not keep the next from running."""

    def __init__(self):
        self.failed = 0

    def __call__(self, name: str) -> Callable:
        """Runs the decorated function at once, as a step of this name."""

        def run(act: Callable) -> None:
            started, error = time.monotonic(), None
            try:
                act()
            except Exception as raised:  # the engine's, of whatever class
                error = f"{type(raised).__name__}: {raised}"[:1500]
                traceback.print_exc()
            tell(name, error, time.monotonic() - started)
            self.failed += error is not None

        return run


def tell(name: str, error: str | None, seconds: float) -> None:
    """Prints a step for whoever started this program."""
    print(MARK + json.dumps({"step": name, "error": error, "seconds": round(seconds, 2)}), flush=True)


def same(found, wanted) -> None:
    """Fails with both values if they differ."""
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")
