"""The wall between what chapters import and the tools around them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"


# who may import whom
WALLS = {"groundup": {"coursetools", "ownfiles"}, "ownfiles": {"coursetools"}, "coursetools": {"ownfiles"}}


@pytest.mark.parametrize("package", WALLS)
def test_walls(package):
    for path in (SRC / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not WALLS[package] & {name.split(".")[0] for name in names}, (path, node.lineno)


def test_groundup_is_small():
    """What chapters import can be read in one sitting; the graders are beside it."""
    files = [path for path in (SRC / "groundup").rglob("*.py") if path.parent.name != "exercises"]
    lines = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert sum(lines.values()) <= 3150 and max(lines.values()) <= 400, lines


def test_all_are_installed():
    """No PYTHONPATH: a kernel of the environment finds them by itself, in whatever folder it starts."""
    code = "import groundup, ownfiles, coursetools; print(*(p.__path__[0] for p in (groundup, ownfiles, coursetools)))"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.check_output([sys.executable, "-c", code], cwd="/", env=env, encoding="utf-8").strip()
    assert found == " ".join(str(SRC / name) for name in ("groundup", "ownfiles", "coursetools"))
