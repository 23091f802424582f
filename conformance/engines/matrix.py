"""`cargo xtask engines`: runs every engine, or those that are named, and writes what was seen to `docs/engine-matrix.md` (A-115).

    python -m engines.matrix [--only ENGINE]... [--keys static|vended]... [--print]

With `--only` or `--print` nothing is written."""

import argparse
import datetime
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from engines import fleet, shared
from engines.fleet import Fleet, Result
from engines.lake import EXAMPLE

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "engine-matrix.md"
HEAD = """# Engines that were seen to work

Made by `cargo xtask engines`, which runs each engine with the artifacts and settings below: through OAuth2 client credentials, without
debug, with the warehouse in S3. Every answer that they get at the Iceberg door is held against the official document at the same time.
Do not edit.
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask engines")
    parser.add_argument("--only", action="append", choices=[name.strip("_") for name in fleet.ENGINES])
    parser.add_argument("--keys", action="append", choices=["static", "vended"])
    parser.add_argument("--print", action="store_true")
    asked = parser.parse_args(arguments)
    names = [name for name in fleet.ENGINES if not asked.only or name.strip("_") in asked.only]
    found: dict[str, list[Result]] = {}
    absent: dict[str, str] = {}
    wrong: list[str] = []
    used: list[str] = []
    checkout = revision()
    for keys in asked.keys or ["static", "vended"]:
        wrong += run(names, keys, found, absent, used)
    text = document(found, absent, used, checkout)
    if asked.only or asked.print:
        print(text)
    else:
        DOCUMENT.write_text(text)
    for problem in wrong:
        print(f"engines: an answer is not as documented: {problem}")
    failed = [f"{keys}: {r.engine}: {f}" for keys, results in found.items() for r in results for f in r.failed]
    for failure in failed:
        print(f"engines: {failure}")
    passed = sum(not r.failed for results in found.values() for r in results)
    print(f"{passed} passed, {len(failed) + len(wrong)} failed, {len(absent)} skipped")
    return 1 if failed or wrong else 0


def revision() -> str:
    """Names the checkout, and says whether it holds what no commit does: the page is no proof of the commit then."""
    git = lambda *words: subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()
    try:
        changed = git("status", "--porcelain", "--", ".", f":!{DOCUMENT.relative_to(ROOT)}")
        return git("rev-parse", "--short", "HEAD") + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (no git checkout)"


def run(names: list[str], keys: str, found: dict[str, list[Result]], absent: dict[str, str], used: list[str]) -> list[str]:
    """Runs the engines on a fresh lake; returns what was wrong with the answers that they got."""
    with tempfile.TemporaryDirectory(prefix="polder-engines-") as folder, Fleet(Path(folder), keys == "vended") as lake:
        used.append(lake.used)
        able = []
        for name in names:
            if why := fleet.missing(name):
                print(f"SKIPPED {name}: {why}")
                absent[name] = why
                continue
            fleet.prepare(name)
            able.append(name)
        results = []
        for name in able:
            results.append(told(lake.run(name, "run")))
        for result in shared.run(lake, able):
            results.append(told(result))
        found[keys] = results
        return [f"{problem} ({times} times)" for problem, times in lake.judge.problems.items()]


def told(result: Result) -> Result:
    print(f"{result.engine.strip('_')} {result.what}: {'FAILED' if result.failed else 'ok'} in {result.seconds:.0f} s", flush=True)
    for step in result.steps:
        print(f"    {step['step']}: {step['error'] or 'ok'}", flush=True)
    if result.broken:
        print(f"    {result.broken}", flush=True)
    return result


def document(found: dict[str, list[Result]], absent: dict[str, str], used: list[str], checkout: str) -> str:
    """`used`: what each run had for its database and its store; `checkout`: which revision lay there."""
    today, stores = datetime.date.today().isoformat(), " / ".join(dict.fromkeys(used))
    lines = [HEAD, f"Run on {today} at revision {checkout}, on {stores}."]
    lines.append(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}.\n")
    lines += ["| engine | exact artifacts | " + " | ".join(f"{keys} keys" for keys in found) + " |", "|---|---|" + "---|" * len(found)]
    names = list(dict.fromkeys(r.engine for results in found.values() for r in results))
    for name in names:
        cells = [summary([r for r in results if r.engine == name]) for results in found.values()]
        artifacts = "<br>".join(f"`{version}`" for version in fleet.versions(name))
        lines.append(f"| {fleet.module(name).TITLE} | {artifacts} | " + " | ".join(cells) + " |")
    lines += [f"| {fleet.module(name).TITLE} | – | not run: {why} |" for name, why in absent.items()]
    for name in names:
        lines += section(name, found)
    return "\n".join(lines) + "\n"


def summary(results: list[Result]) -> str:
    steps = [step for result in results for step in result.steps]
    failed = sum(step["error"] is not None for step in steps) + sum(result.broken is not None for result in results)
    seconds = sum(result.seconds for result in results)
    return f"{len(steps)} steps, {failed or 'none'} failed, {seconds:.0f} s" if results else "not run"


def section(name: str, found: dict[str, list[Result]]) -> list[str]:
    """What a user pastes, and what was seen."""
    module = fleet.module(name)
    told = [line.strip() for line in module.__doc__.strip().splitlines()]
    lines = ["", f"## {module.TITLE}", "", " ".join(told), ""]
    for keys in found:
        text = module.settings(EXAMPLE.but(vended=keys == "vended"))
        lines += [f"With {keys} keys:", "", f"```{module.LANGUAGE}", text.rstrip(), "```", ""]
    lines += ["| step | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    steps = list(dict.fromkeys(s["step"] for results in found.values() for r in results if r.engine == name for s in r.steps))
    for step in steps:
        cells = [outcome(step, [r for r in results if r.engine == name]) for results in found.values()]
        lines.append(f"| {step} | " + " | ".join(cells) + " |")
    return lines


def outcome(step: str, results: list[Result]) -> str:
    for result in results:
        for told in result.steps:
            if told["step"] == step:
                return "ok" if told["error"] is None else "**failed**: " + " ".join(told["error"].split())[:200].replace("|", "\\|")
    return "–"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
