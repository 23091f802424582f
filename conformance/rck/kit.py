"""Runs Iceberg's REST Compatibility Kit against a deployment and reads what it reports. Judges nothing."""

import os
import subprocess
import xml.etree.ElementTree as xml
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import maven

HERE = Path(__file__).resolve().parent
JAVA = 17
# Each on a warehouse of its own: the kit leaves behind what its last test made, and refuses to begin where that is.
CLASSES = {"of-tables": "polder.CatalogKit", "of-views": "polder.ViewKit"}
RUN_SECONDS_MAX = 900
FLAGS = {
    "rck.local": "false",
    "rck.requires-namespace-create": "true",
    "rck.supports-serverside-retry": "true",
    "rck.supports-names-with-dot": "true",
    "rck.purge-test-namespaces": "true",
    # One answer of 5xx would cost half a minute of the client's retries.
    "rest.client.max-retries": "1",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one test: `passed`, `failed` or `skipped`, and what it said."""

    name: str
    state: str
    message: str


def temporary(folder: Path) -> Path:
    """Where the kit asks for tables and views of its own choice, a folder for each warehouse, which must allow it."""
    place = folder / "asked"
    place.mkdir(exist_ok=True)
    return place.resolve()


def run(iceberg_uri: str, credential: str, folder: Path) -> list[Outcome]:
    """Runs every class once; there is a warehouse for each, named as in `CLASSES`, that holds nothing yet."""
    java = maven.jdk(JAVA)
    class_path = maven.class_path(HERE / "pom.xml", folder)
    classes = folder / "classes"
    sources = [str(source) for source in sorted((HERE / "java").rglob("*.java"))]
    subprocess.run([str(java / "bin" / "javac"), "-d", str(classes), "-cp", class_path, *sources], check=True)
    found = []
    for warehouse, name in CLASSES.items():
        launcher = [
            str(java / "bin" / "java"), "-Xmx1g", f"-Djava.io.tmpdir={temporary(folder) / warehouse}",
            *(f"-D{flag}={value}" for flag, value in FLAGS.items()), "-cp", f"{classes}{os.pathsep}{class_path}",
            "org.junit.platform.console.ConsoleLauncher", "execute", "--disable-banner", "--details=none",
            f"--reports-dir={folder / warehouse}", f"--select-class={name}",
        ]  # fmt: skip
        with (folder / f"{warehouse}.log").open("wb") as log:
            # It fails when a test does; the reports say which.
            subprocess.run(
                launcher, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=RUN_SECONDS_MAX, cwd=folder,
                env=os.environ | client(iceberg_uri, credential, warehouse),
            )  # fmt: skip
        found += [outcome for report in sorted((folder / warehouse).glob("TEST-*.xml")) for outcome in outcomes(report)]
    return found


def client(iceberg_uri: str, credential: str, warehouse: str) -> dict[str, str]:
    """The kit's client as the environment tells it: an argument would show the secret to the whole machine."""
    return {
        "CATALOG_URI": iceberg_uri,
        "CATALOG_WAREHOUSE": warehouse,
        "CATALOG_CREDENTIAL": credential,
        "CATALOG_OAUTH2__SERVER__URI": f"{iceberg_uri}/v1/oauth/tokens",
        "CATALOG_SCOPE": "catalog",
    }


def outcomes(report: Path) -> list[Outcome]:
    """Reads a JUnit report. A test that runs for several values has each time the same name: they are numbered."""
    found, times = [], Counter()
    for case in xml.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname').rsplit('.', 1)[-1]}.{case.get('name').split('(')[0]}"
        times[name] += 1
        found.append(outcome(name if times[name] == 1 else f"{name}#{times[name]}", case))
    return found


def outcome(name: str, case) -> Outcome:
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            message = " ".join((child.get("message") or child.text or "").split())
            return Outcome(name, "skipped" if child.tag == "skipped" else "failed", message[:600])
    return Outcome(name, "passed", "")
