"""docs/errata.md: every number in the column "right" is computed anew, and every reference leads somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest
from coursetools import notebook

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "errata.md").read_text(encoding="utf-8")
ROWS = [[part.strip() for part in line.strip("|").split(" | ")] for line in TEXT.splitlines() if line.startswith("| E")]
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")


def recomputed():
    """The functions of all chapters, by the identifier of the row."""
    found = {}
    for path in sorted((ROOT / "tests" / "errata").glob("ch*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert not found.keys() & module.RECOMPUTED.keys()
        found |= module.RECOMPUTED
    return found


RECOMPUTED = recomputed()


def headings(number):
    """Section headings of a chapter, without their marks."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    cells = notebook.read(path).cells
    lines = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown").splitlines()
    return [line.lstrip("# ") for line in lines if line.startswith("#")]


def test_identifiers_are_unique_and_known():
    identifiers = [row[0] for row in ROWS]
    assert len(set(identifiers)) == len(identifiers)
    assert RECOMPUTED.keys() <= set(identifiers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row(row):
    identifier, where, printed, right, proven = row
    assert re.match(r"S[0-4] ", where) and printed
    values = {text: float(value) for text, value in RECOMPUTED.get(identifier, dict)().items()}
    for text in NUMBER.findall(right):
        assert text in values, f"{identifier}: {text} is not recomputed"
    for text, value in values.items():
        assert text in right, f"{identifier}: {text} is recomputed, but not in the row"
        plain = text.replace(",", "")
        if "e" in plain:
            assert value == pytest.approx(float(plain), rel=0.05), identifier
        else:
            decimals = len(plain.partition(".")[2])
            assert abs(value - float(plain)) <= 0.5000001 * 10**-decimals, f"{identifier}: {text}, computed {value}"
    number, _, place = proven.partition(", ")
    known = headings(number)
    for part in place.split("; "):
        section = re.fullmatch(r"section (\d+)", part)
        start = f"{section[1]}. " if section else part
        assert any(heading.startswith(start) for heading in known), f"{identifier}: no {part!r} in chapter {number}"
