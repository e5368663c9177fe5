"""What several test files share."""

import importlib
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[1] / "data" / "recipes"


@pytest.fixture
def import_recipe(monkeypatch):
    """Function that imports a recipe by name; the modules are forgotten after the test."""
    monkeypatch.syspath_prepend(str(RECIPES))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module
    for path in RECIPES.glob("*.py"):
        sys.modules.pop(path.stem, None)
