"""What several test files share."""

import importlib
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[1] / "src" / "coursetools" / "recipes"


@pytest.fixture
def import_recipe(monkeypatch):
    """Function that imports a recipe by name; the modules are forgotten after the test."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield lambda name: importlib.import_module(f"coursetools.recipes.{name}")
    for path in RECIPES.glob("*.py"):
        sys.modules.pop(f"coursetools.recipes.{path.stem}", None)
