"""Runs one engine in its own environment: `python -m engines.program ENGINE run`, or `… share ROW READ…` with the row to append to
the table of all engines and those that must be there before. Told of the lake by the environment."""

import importlib
import sys

from engines.lake import Steps, lake


def main(name: str, what: str, *rows: str) -> int:
    engine, steps = importlib.import_module(f"engines.{name}"), Steps()
    if what == "run":
        engine.run(lake(), steps)
    else:
        row, *before = (int(row) for row in rows)
        engine.share(lake(), steps, row, before)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
