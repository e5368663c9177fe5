"""Conventions of the chapters, read from the committed files. What the outputs say is compared by nbval."""

import ast
import importlib
import re
import statistics
from pathlib import Path

import pytest
from coursetools import notebook

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PACKAGE = Path(__file__).parents[1] / "src" / "groundup"
TAGS = {"parameters", "nbval-ignore-output", "exercise", "check", "solution"}
ENDING = ["## Break it", "## From the sources", "## Exercises", "## Recall", "## Summary", "## Further reading"]
# Their cells are still too long. A chapter leaves this list when it is rewritten, and none is added.
NOT_YET_REWRITTEN = []
REWRITTEN = [path for path in NOTEBOOKS if path.stem[:2] not in NOT_YET_REWRITTEN]
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|Users|work|tmp|mnt|opt)/|[A-Z]:\\\\")

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind=None):
    """The cells of a notebook (of one type), each with `text` and `tags`."""
    found = notebook.read(path).cells
    for cell in found:
        cell["text"] = cell.source
        cell["tags"] = set(cell["metadata"].get("tags", []))
    return [cell for cell in found if kind in (None, cell["cell_type"])]


def top_level(tree):
    """Names that a module defines or imports."""
    found = set()
    for node in tree.body:
        found.update(alias.asname or alias.name for alias in getattr(node, "names", []))
        for target in getattr(node, "targets", []):  # a name, or a tuple of names
            found.update(part.id for part in ast.walk(target) if isinstance(part, ast.Name))
        found.add(getattr(node, "name", None))
    return found


def printed(cell):
    """What a code cell wrote to standard output."""
    return "".join(o["text"] for o in cell["outputs"] if o.get("name") == "stdout")


def has_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def test_executed_in_order_without_errors(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", cell["text"]
            assert output.get("name") != "stderr", cell["text"]


def test_plain_python(path):
    for cell in cells(path, "code"):
        ast.parse(cell["text"])  # a magic or a shell line is a syntax error


def test_what_it_takes_from_the_package_is_there(path):
    """Read, not imported: some modules of the package import TensorFlow."""
    tree = ast.parse("\n".join(cell["text"] for cell in cells(path, "code")))
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "groundup":
            place = PACKAGE.joinpath(*node.module.split(".")[1:])
            for alias in node.names:
                file = next(f for f in (place / f"{alias.name}.py", place / alias.name / "__init__.py") if f.exists())
                modules[alias.name] = top_level(ast.parse(file.read_text(encoding="utf-8")))
    assert modules
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert node.attr in modules[node.value.id] | {"__file__"}, f"{node.value.id}.{node.attr}"


def test_what_it_tells_others_to_import_is_there(path):
    """In programs that it writes and in its prose, too."""
    text = "\n".join(cell["text"] for cell in cells(path))
    for module, names in re.findall(r"from (groundup[\w.]*) import (\w+(?:, \w+)*)", text):
        for name in names.split(", "):
            place = PACKAGE.joinpath(*module.split(".")[1:], name)
            assert place.is_dir() or place.with_suffix(".py").is_file(), f"from {module} import {name}"


def test_no_machine_paths(path):
    found = MACHINE_PATH.search(path.read_text(encoding="utf-8").replace("\\/", "/"))
    assert not found, found.group() if found else ""


def test_metadata_is_tidy(path):
    nb = notebook.read(path)
    assert set(nb.metadata) <= {"kernelspec", "language_info"}
    assert nb.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in nb.cells}) == len(nb.cells)
    for cell in cells(path):
        assert cell["tags"] <= TAGS, f"unknown tags {cell['tags'] - TAGS}"
        assert set(cell["metadata"]) <= {"tags", "jupyter", "slideshow"}
        assert ("solution" in cell["tags"]) == bool(cell["metadata"].get("jupyter", {}).get("source_hidden"))


def test_opening(path):
    first, second = cells(path)[:2]
    number = path.stem[:2]
    assert re.match(rf"# {number} · \S", first["text"])
    assert "**You will** " in first["text"]
    assert "| You will do | You will learn | You need |" in first["text"]
    measured = re.search(r"\*Measured on two CPU cores: (\d+) s, (\d+) MB\.\*", first["text"])
    assert measured and int(measured[1]) > 0, "run make budget"
    assert re.search(rf"session\.start\(seed={int(number)}[,)]", second["text"])


def test_closing_sections_in_order(path):
    headings = [line for cell in cells(path, "markdown") for line in cell["text"].splitlines() if line[:3] == "## "]
    assert headings[-len(ENDING) :] == ENDING
    text = "".join(cell["text"] for cell in cells(path, "markdown"))
    assert text.count("<details><summary>") == text.count("</details>") == 5


def test_figures_are_captioned_and_numbered(path):
    everything = cells(path)
    captions = []
    for cell, after in zip(everything, [*everything[1:], {"text": ""}], strict=True):
        if has_figure(cell):
            caption = re.match(r"\*Figure (\d\d\.\d+)\.\* \S", after["text"])
            assert caption, f"no caption follows:\n{cell['text']}"
            captions.append(caption[1])
    assert captions == [f"{path.stem[:2]}.{i}" for i in range(1, len(captions) + 1)]
    assert len(captions) >= 4


def test_parameters_are_commented(path):
    tagged = [cell for cell in cells(path, "code") if "parameters" in cell["tags"]]
    assert len(tagged) == 1
    for line in tagged[0]["text"].splitlines():
        assert re.match(r"[A-Z_]+ = [^#]+  # \S", line), line


def test_cells_are_short(path):
    code = [cell for cell in cells(path, "code") if not cell["tags"] & {"exercise", "check", "solution"}]
    lines = [cell["text"].count("\n") + 1 for cell in code]
    assert sum(n > 20 for n in lines) <= 2
    if path in REWRITTEN:
        median, ninetieth = statistics.median(lines), statistics.quantiles(lines, n=10, method="inclusive")[-1]
        assert median <= 8, f"half of the code cells have more than 8 lines: the median is {median}"
        assert ninetieth <= 18, f"a tenth of the code cells have more than 18 lines: the 90th percentile is {ninetieth}"


def test_file_is_small(path):
    assert path.stat().st_size < 1.5e6, f"{path.stat().st_size / 1e6:.1f} MB: make fewer or smaller figures"


def test_most_outputs_are_compared(path):
    with_output = [cell for cell in cells(path, "code") if cell["outputs"]]
    ignored = [cell for cell in with_output if "nbval-ignore-output" in cell["tags"]]
    assert len(ignored) <= len(with_output) / 3


def test_an_ignored_output_is_followed_by_a_claim(path):
    code = cells(path, "code")
    for i, cell in enumerate(code):
        if "nbval-ignore-output" in cell["tags"]:
            near = [each["text"] for each in code[i : i + 4]]  # chapter 07 calls its claims about trainings `measured`
            assert any("check." in text or "measured." in text for text in near), cell["text"]


def test_exercises_are_complete(path):
    code = cells(path, "code")
    number = path.stem[:2]
    graders = importlib.import_module(f"groundup.exercises.ch{number}").GRADERS
    assert 3 <= len(graders) <= 5
    roles = [next(iter(cell["tags"])) for cell in code if cell["tags"] & {"exercise", "check", "solution"}]
    assert roles == ["exercise", "check", "solution"] * len(graders)
    for role, verdict in (("check", "not answered yet"), ("solution", "right")):
        shown = [printed(cell).strip() for cell in code if role in cell["tags"]]
        assert shown == [f"{exercise} {verdict}" for exercise in graders]
    for cell in code:
        if "exercise" in cell["tags"]:
            assert "..." in cell["text"] and '"""' in cell["text"]


def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\(([^)#]+)", cell["text"]):
            assert target.startswith("https://") or (path.parent / target).exists(), target


def test_prose(path):
    text = " ".join(cell["text"] for cell in cells(path, "markdown"))
    assert not re.search(r"\bsimply\b", text, re.IGNORECASE)
    assert text.count("$$") % 2 == 0
