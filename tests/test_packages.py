"""The wall between what chapters import and the tools around them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"


def test_groundup_imports_no_tool():
    for path in (SRC / "groundup").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "coursetools" for name in names), (path, node.lineno)


def test_both_are_installed():
    """No PYTHONPATH: a kernel of the environment finds them by itself, in whatever folder it starts."""
    code = "import groundup, coursetools; print(groundup.__path__[0]); print(coursetools.__path__[0])"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.check_output([sys.executable, "-c", code], cwd="/", env=env, encoding="utf-8").splitlines()
    assert found == [str(SRC / "groundup"), str(SRC / "coursetools")]
