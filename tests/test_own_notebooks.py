"""Conventions of the notebooks for a reader's own data, my_*.ipynb: those of the chapters that fit, and their own."""

import itertools
import re

import pytest
from test_notebooks import (  # noqa: F401  (collected here too, for the notebooks below)
    NOTEBOOKS,
    cells,
    has_figure,
    test_executed_in_order_without_errors,
    test_links_lead_somewhere,
    test_metadata_is_tidy,
    test_most_outputs_are_compared,
    test_no_machine_paths,
    test_parameters_are_commented,
    test_plain_python,
    test_prose,
    test_what_it_takes_from_the_package_is_there,
    test_what_it_tells_others_to_import_is_there,
)

OWN = sorted(NOTEBOOKS[0].parent.glob("my_*.ipynb"))
pytestmark = pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)


def test_opening(path):
    first, second = cells(path)[:2]
    assert re.match(r"# \S", first["text"]) and "**You will** " in first["text"]
    assert f'make run NB={path.stem} ARGS="-p ' in first["text"]
    assert re.search(r"\]\(\d\d_\w+\.ipynb\)", first["text"]), "name the chapter that explains it"
    assert "session.start(" in second["text"]


def test_cells_are_short(path):
    lines = sorted(cell["text"].count("\n") + 1 for cell in cells(path, "code"))
    assert len(lines) <= 30 and lines[len(lines) // 2] <= 8 and lines[-1] <= 18
    assert path.stat().st_size < 1e6


def test_figures_have_captions(path):
    everything, number = cells(path), 0
    for cell, after in itertools.pairwise(everything):
        if has_figure(cell):
            number += 1
            assert re.match(rf"\*Figure {number}\.\* \S", after["text"]), f"no caption follows:\n{cell['text']}"
    assert number >= 2 and not has_figure(everything[-1])


def test_an_ignored_output_is_followed_by_a_claim(path):
    code = cells(path, "code")
    for i, cell in enumerate(code):
        if "nbval-ignore-output" in cell["tags"]:
            assert any(re.search(r"\b(check|claims)\.", near["text"]) for near in code[i : i + 4]), cell["text"]
