"""iceberg-rust: SQL through DataFusion, and its own API. It cannot update or delete rows, make branches, tags or views, or renew its
token. After a commit it forgets vended keys: load the table again."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

from engines.lake import Lake, Steps

TITLE = "iceberg-rust"
LANGUAGE = "rust"
WORKSPACE = Path(__file__).parent / "rust"
PACKAGES = ["iceberg", "iceberg-catalog-rest", "iceberg-datafusion", "iceberg-storage-opendal", "datafusion"]
BUILD_SECONDS_MAX = 3600


def properties(lake: Lake) -> dict[str, str]:
    keys = {"s3.access-key-id": lake.key, "s3.secret-access-key": lake.key_secret}
    delegation = {"header.x-iceberg-access-delegation": "vended-credentials"}
    return {
        "uri": lake.uri, "warehouse": lake.warehouse, "credential": lake.credential, "scope": lake.scope,
        "oauth2-server-uri": lake.token_uri,
    } | (delegation if lake.vended else keys)  # fmt: skip


def settings(lake: Lake) -> str:
    pairs = "\n".join(f"    ({json.dumps(key)}.into(), {json.dumps(value)}.into())," for key, value in properties(lake).items())
    return f"""let properties = HashMap::from([
{pairs}
]);
let storage = OpenDalStorageFactory::S3 {{ customized_credential_load: None }};
let catalog = RestCatalogBuilder::default().with_storage_factory(Arc::new(storage)).load("polder", properties).await?;
session.register_catalog("lake", Arc::new(IcebergCatalogProvider::try_new(Arc::new(catalog)).await?));"""


def missing() -> str | None:
    return None if shutil.which("cargo") else "there is no `cargo` (https://rustup.rs)"


def prepare(folder: Path) -> None:
    """Builds the program, which takes minutes the first time."""
    command = ["cargo", "build", "--quiet", "--locked", "--manifest-path", str(WORKSPACE / "Cargo.toml")]
    environment = os.environ | {"CARGO_TARGET_DIR": str(folder / "rust"), "CARGO_INCREMENTAL": "0"}
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=BUILD_SECONDS_MAX, env=environment)


def versions() -> list[str]:
    locked = tomllib.loads((WORKSPACE / "Cargo.lock").read_text())["package"]
    return [f"{package['name']} {package['version']}" for package in locked if package["name"] in PACKAGES]


def run(lake: Lake, step: Steps) -> None:
    program(lake, step, "run")


def share(lake: Lake, step: Steps, row: int, before: list[int]) -> None:
    program(lake, step, "share", *map(str, [row, *before]))


def program(lake: Lake, step: Steps, *what: str) -> None:
    """Runs the program, which tells its steps itself."""
    binary = Path(lake.artifacts).parent / "rust" / "debug" / "polder-iceberg-rust"
    environment = os.environ | {"POLDER_PROPERTIES": json.dumps(properties(lake))}
    done = subprocess.run([str(binary), lake.namespace, *what], stdin=subprocess.DEVNULL, env=environment)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)
    step.failed += done.returncode
