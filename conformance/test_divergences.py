"""A-121: `docs/iceberg-divergences.md` says exactly what the judges let through: each divergence, in the same words, and no other.
Needs no server."""

from pathlib import Path

import divergences
from rck import kit
from specification import official

PAGE = Path(__file__).resolve().parent.parent / "docs" / "iceberg-divergences.md"
EXCEPTIONS = Path(kit.__file__).with_name("exceptions.txt")


def rows(heading: str) -> list[tuple[str, ...]]:
    """Returns the rows of the one table below a heading of the page."""
    text = PAGE.read_text()
    assert text.count(f"\n## {heading}\n") == 1, heading
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert lines[1].startswith("|---"), heading
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def code(name: str) -> str:
    """As the page writes a name; `any …` is none."""
    return name if name in (divergences.ANY, divergences.KEEPING) else f"`{name}`"


def test_operations_that_are_not_served():
    assert sorted(rows("Operations that are not served")) == sorted((code(name), why) for name, why in divergences.UNSERVED.items())


def test_parameters():
    listed = divergences.PARAMETERS | divergences.MORE_PARAMETERS
    assert sorted(rows("Parameters")) == sorted((code(name), code(parameter), why) for (name, parameter), why in listed.items())


def test_statuses():
    listed = [(code(name), str(status), why) for (name, status), why in divergences.STATUSES.items()]
    assert sorted(rows("Statuses that the document does not name")) == sorted(listed)


def test_readings():
    assert sorted(rows("Where the document is read otherwise than it is written")) == sorted(divergences.READINGS.items())


def test_tests_of_the_kit():
    lines = [line.split(None, 2) for line in EXCEPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    listed = {(name, state, why) for name, state, why in lines}
    told = {(name.strip(" `"), state, why) for names, state, why in rows("Tests of Iceberg's kit that do not pass") for name in names.split(",")}
    assert told == listed


def test_what_is_listed_is_a_divergence():
    """A list of what is as documented would hide what is not."""
    operations = official().operations
    declared = {(name, parameter.name) for name, operation in operations.items() for parameter in operation.parameters}
    assert set(divergences.UNSERVED) <= set(operations)
    assert set(divergences.PARAMETERS) <= declared and not set(divergences.MORE_PARAMETERS) & declared
    for name, status in divergences.STATUSES:
        for operation in [operations[name]] if name in operations else operations.values():
            documented = {str(key) for key in operation.responses}
            # `updateProperties` has a 422 of its own.
            assert str(status) not in documented or (name == divergences.KEEPING and operation.name == "updateProperties")
