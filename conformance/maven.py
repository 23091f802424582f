"""Java artifacts by their coordinates, through the machine's own Maven. Its local repository keeps them between runs."""

import os
import shutil
import subprocess
from pathlib import Path

FETCH_SECONDS_MAX = 900
JDKS = Path("/usr/lib/jvm")


def jdk(version: int) -> Path | None:
    """Returns the folder of an installed JDK of this major version."""
    for release in sorted(JDKS.glob("*/release")):
        text = release.read_text(errors="replace")
        if f'JAVA_VERSION="{version}' in text and (release.parent / "bin" / "javac").is_file():
            return release.parent
    return None


def missing(version: int) -> str | None:
    """Says what of Java is not on this machine."""
    if shutil.which("mvn") is None:
        return "Maven is not installed (Debian's package `maven`)"
    if jdk(version) is None:
        return f"there is no JDK {version} below {JDKS}"
    return None


def class_path(pom: Path, folder: Path) -> str:
    """Returns the class path of a POM's dependencies; those that are not there yet are fetched."""
    written = folder / f"{pom.stem}.classpath"
    _maven("-f", str(pom), "dependency:build-classpath", f"-Dmdep.outputFile={written}")
    return written.read_text().strip()


def artifact(coordinates: str, folder: Path) -> Path:
    """Returns one artifact, alone, `group:name:version[:type[:classifier]]`, copied into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    name, version, kind, *classifier = [*coordinates.split(":")[1:], "jar"][:4] if coordinates.count(":") < 3 else coordinates.split(":")[1:]
    file = folder / ("-".join([name, version, *classifier]) + f".{kind}")
    if not file.is_file():
        _maven("dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}")
    assert file.is_file(), f"{coordinates} did not become {file}"
    return file


def _maven(*arguments: str) -> None:
    done = subprocess.run(
        ["mvn", "--quiet", "--batch-mode", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=FETCH_SECONDS_MAX, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, f"mvn {' '.join(arguments)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
