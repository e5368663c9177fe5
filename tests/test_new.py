"""make new: a chapter made in a copy passes what the tests ask of a chapter, and nothing is overwritten."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from coursetools import new, notebook

ROOT = Path(__file__).parents[1]
TITLE = "A language model that answers"
FORM = "88 or up_to_date or index_agree or resolve or every_exercise or identifiers or schedules"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout, and a function that runs Python in it: arguments to what it printed and its status."""
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    unwanted = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".ruff_cache")
    shutil.copytree(ROOT, copy, ignore=unwanted)

    def python(*arguments):
        paths = [str(copy / "src"), str(copy / "src" / "coursetools" / "offline")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        env.pop("GROUNDUP_NOTEBOOKS", None)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=copy,
            env=env,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.stdout, done.returncode

    return copy, python


def contents(folder):
    """{path: bytes} of all files, but for results."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {"build", "data"} & set(path.relative_to(folder).parts)
    }


def test_a_new_chapter_passes_the_tests_of_form_and_is_never_overwritten(checkout):
    copy, python = checkout
    before = contents(copy)
    said, status = python("-m", "coursetools.new", "88", TITLE)
    assert status == 0, said
    after = contents(copy)
    made = {path.relative_to(copy).as_posix() for path in after.keys() - before.keys()}
    assert made == {
        "notebooks/88_a_language_model_that_answers.ipynb",
        "src/groundup/exercises/ch88.py",
        "tests/answers/ch88.py",
        "tests/errata/ch88.py",
    }
    changed = {path.relative_to(copy).as_posix() for path in before if after[path] != before[path]}
    assert changed == {"docs/teaching.md", "docs/figures.md"}

    names = ("notebooks", "docs", "errata", "exercises", "workshop")
    said, status = python("-m", "pytest", "-rA", *(f"tests/test_{name}.py" for name in names), "-k", FORM)
    assert status == 0, said[-3000:]
    for needed in (
        "test_opening[88_",
        "test_is_up_to_date[figures.md]",
        "exercises.py::test_a_solution_is_right[88.3]",
    ):
        assert needed in said
    said, status = python("-m", "ruff", "check", ".")
    assert status == 0, said
    said, status = python("-m", "ruff", "format", "--check", ".")
    assert status == 0, said

    nb = nbformat.read(copy / "notebooks" / "88_a_language_model_that_answers.ipynb", as_version=4)
    nb.cells[0].source += "\n\nWritten by hand."
    nbformat.write(nb, copy / "notebooks" / "88_a_language_model_that_answers.ipynb")
    before = contents(copy)
    for title in (TITLE, "Another title"):
        said, status = python("-m", "coursetools.new", "88", title)
        assert status == 2 and "88_a_language_model_that_answers.ipynb is there already" in said
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("number", "title", "words"),
    [
        ("1", "One", "two digits, from 01 to 99"),
        ("00", "None", "two digits, from 01 to 99"),
        ("../12", "Elsewhere", "two digits, from 01 to 99"),
        ("", "No number", "two digits, from 01 to 99"),
        ("12", "", "gives no name to a file"),
        ("12", "大模型", "gives no name to a file"),
        ("12", "a | b", "would break a table or a link"),
        ("01", "Gradients again", "01_gradient_descent.ipynb is there already"),
    ],
)
def test_refused(number, title, words, capsys):
    before = contents(ROOT / "notebooks"), contents(ROOT / "docs"), contents(ROOT / "src")
    assert new.main([number, title]) == 2
    assert words in capsys.readouterr().err
    assert (contents(ROOT / "notebooks"), contents(ROOT / "docs"), contents(ROOT / "src")) == before


def test_no_chapter_is_begun_whose_first_run_has_no_place(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(new, "make", lambda *_: pytest.fail("a chapter was begun"))
    assert new.main(["13", "New", "--out", str(tmp_path / "file")]) == 1
    assert "cannot go on" in capsys.readouterr().err


def test_names_of_files():
    assert new.slug_of("A café, twice: 2 × 2") == "a_cafe_twice_2_2"


def test_the_guide_keeps_its_order():
    guide = "| 01 | 9 | 4 | 5 | section 2 |\n| 03 | 9 | 4 | 5 | section 2 |\n\n## 01 · One\n\nText.\n\n## 03 · Three\n"
    guide = new.taught(new.taught(guide, "02", "## 02 · Two\n\nNew.\n"), "04", "## 04 · Four\n")
    assert [line[:5] for line in guide.splitlines() if line[:1] in ("|", "#")] == [
        "| 01 ", "| 02 ", "| 03 ", "| 04 ", "## 01", "## 02", "## 03", "## 04"
    ]  # fmt: skip
    with pytest.raises(notebook.Refused, match="knows a chapter 02 already"):
        new.taught(guide, "02", "")


def test_what_was_written_is_deleted_when_the_rest_cannot_be(tmp_path, monkeypatch):
    for folder in ("docs", "notebooks", "src/groundup/exercises", "tests/answers", "tests/errata"):
        (tmp_path / folder).mkdir(parents=True)
    guide = tmp_path / "docs" / "teaching.md"
    guide.write_text("| 01 | 9 | 4 | 5 | section 2 |\n")
    monkeypatch.setattr(new, "ROOT", tmp_path)
    monkeypatch.setattr(notebook, "NOTEBOOKS", tmp_path / "notebooks")
    write = new.tidy.write

    def full(path, text):
        if Path(path).name == "teaching.md":
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(new.tidy, "write", full)
    with pytest.raises(OSError, match="No space left"):
        new.make("12", TITLE)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [guide]
