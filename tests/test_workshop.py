"""Editions of the chapters for teaching, the pages of the slides in a real browser, and what the guide says."""

import ast
import copy
import functools
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import types
import zipfile
from pathlib import Path
from unittest import mock

import nbformat
import pytest
from coursetools import doctor, notebook
from coursetools.workshop import editions, pack, slides
from coursetools.workshop.__main__ import main

CHAPTERS = sorted((notebook.SRC.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
GUIDE = editions.read_guide()
MEASURE = Path(__file__).with_name("measure_slides.html")  # what the browser is to find out
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


@functools.cache
def _read(path):
    return nbformat.read(path, as_version=4)


def read(path):
    """A notebook to do with as one likes; it is read and validated once."""
    return copy.deepcopy(_read(path))


def code(nb, but=()):
    """The sources of the code cells, without those with one of the tags."""
    return [cell.source for cell in nb.cells if cell.cell_type == "code" and not editions.tags(cell) & set(but)]


# Editions


@each_chapter
def test_learners_edition_is_the_chapter_less_solutions_and_outputs(path):
    nb, learner = read(path), editions.learner_edition(read(path))
    kept = [cell for cell in nb.cells if "solution" not in editions.tags(cell)]
    assert len(kept) < len(nb.cells)
    for mine, theirs in zip(kept, learner.cells, strict=True):
        assert (mine.id, mine.cell_type, mine.source, mine.metadata) == (
            theirs.id,
            theirs.cell_type,
            theirs.source,
            theirs.metadata,
        )
    assert all(not cell.outputs and cell.execution_count is None for cell in learner.cells if "outputs" in cell)
    assert learner.metadata == nb.metadata
    nbformat.validate(learner)


@each_chapter
def test_learners_edition_holds_no_solution(path):
    text = nbformat.writes(editions.learner_edition(read(path)))
    for cell in read(path).cells:
        if "solution" in editions.tags(cell):
            body = [line for line in cell.source.splitlines() if line.startswith("    ")]
            assert len(body) < 3 or json.dumps("\n".join(body))[1:-1] not in text  # a line or two may occur elsewhere
    assert "def solution_" not in text


@each_chapter
def test_nothing_needs_a_solution(path):
    """So the learner's edition runs from top to bottom: no other cell uses what only a solution cell defines."""

    def defined(cells):
        found = set()
        for statement in (statement for cell in cells for statement in ast.parse(cell.source).body):
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                found.add(statement.name)
            else:
                found |= {
                    node.id
                    for node in ast.walk(statement)
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                }
        return found

    def used(cells):
        return {
            node.id
            for cell in cells
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    solutions = [cell for cell in cells if "solution" in editions.tags(cell)]
    others = [cell for cell in cells if "solution" not in editions.tags(cell)]
    assert not (defined(solutions) - defined(others)) & used(others)


@each_chapter
def test_putting_the_solutions_back_gives_the_instructors_code(path):
    nb = read(path)
    instructor = editions.instructor_edition(nb, GUIDE.get(path.stem[:2], ""))
    restored = editions.learner_edition(nb).cells
    for before, cell in zip(nb.cells, nb.cells[1:], strict=False):
        if "solution" in editions.tags(cell):
            place = next(i for i, other in enumerate(restored) if other.id == before.id)
            restored.insert(place + 1, cell)
    assert [cell.source for cell in restored if cell.cell_type == "code"] == code(instructor) == code(nb)
    assert not any("source_hidden" in cell.metadata.get("jupyter", {}) for cell in instructor.cells)
    nbformat.validate(instructor)


def test_learners_edition_runs_and_reports_no_answers(capsys):
    """Its exercises, after its first cell. The other cells are the chapter's, which nbval runs, and need no solution:
    see above."""
    learner, scope = editions.learner_edition(read(CHAPTERS[0])), {}
    start = next(cell for cell in learner.cells if cell.cell_type == "code")
    exec(start.source, scope)
    assert capsys.readouterr().out.startswith("ready: ")
    said = []
    for cell in learner.cells:
        if editions.tags(cell) & {"exercise", "check"}:
            exec(cell.source, scope)
            said += capsys.readouterr().out.splitlines()
    assert said == [f"{CHAPTERS[0].stem[:2]}.{i} not answered yet" for i in range(1, len(said) + 1)] and said


def test_notes_go_where_the_guide_says():
    nb = read(CHAPTERS[0])
    nb.cells = nb.cells[:20]
    guide = '60 minutes.\n\n- "Mistake": show `c01-014`.\n- Also `§2`, and `§1`.'
    noted = editions.instructor_edition(nb, guide)
    at = {cell.id: i for i, cell in enumerate(noted.cells)}
    assert at["notes"] == 1 and "60 minutes." in noted.cells[1].source
    assert at["note-c01-014"] + 1 == at["c01-014"] and "Mistake" in noted.cells[at["note-c01-014"]].source
    assert at["note-c01-011"] + 1 == at["c01-011"] and at["note-c01-005"] + 1 == at["c01-005"]
    with pytest.raises(notebook.Refused, match=r"names §99 in the chapter '01 · .*', which has no such cell"):
        editions.instructor_edition(nb, "- See `§99`.")
    assert "says nothing about this chapter yet" in editions.instructor_edition(nb, "").cells[1].source


@pytest.fixture(scope="module")
def deck():
    pytest.importorskip("math_core", reason="math-core is not installed: make setup")
    pytest.importorskip("pyreveal", reason="pyreveal is not installed: make setup")
    pytest.importorskip("ziamath", reason="ziamath is not installed: make setup")
    return slides.libraries()


def test_build_writes_a_subset_and_its_archives(deck, tmp_path, capsys):
    stale = tmp_path / "workshop" / "learner" / "09_stale.ipynb"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier call")
    stems = [path.stem for path in CHAPTERS[:2]]
    assert main([*(stem[:2] for stem in stems), "--out", str(tmp_path)]) == 0
    out = tmp_path / "workshop"
    for edition, ending in (("learner", ".ipynb"), ("instructor", ".ipynb"), ("slides", ".slides.html")):
        assert {path.name for path in (out / edition).iterdir()} == {stem + ending for stem in stems}
    assert {path.name for path in out.iterdir()} == {
        "learner",
        "instructor",
        "slides",
        "learner.zip",
        "instructor.zip",
        "slides.zip",
    }
    packed = {}
    for edition in ("learner", "instructor", "slides"):
        with zipfile.ZipFile(out / f"{edition}.zip") as archive:
            assert archive.testzip() is None
            packed[edition] = {name.removeprefix("groundup-workshop/"): name for name in archive.namelist()}
            if edition == "learner":
                inside = archive.read(packed[edition][f"notebooks/{stems[0]}.ipynb"])
                assert inside == (out / "learner" / f"{stems[0]}.ipynb").read_bytes()
    for needed in (
        "Makefile",
        "README.md",
        "LICENSE",
        "requirements.txt",
        "requirements-bert.txt",
        "requirements-llm.txt",
        "src/coursetools/run.py",
        "src/groundup/exercises/ch01.py",
        "data/MANIFEST.json",
        "data/mnist.npz",
        "notebooks/my_pictures.ipynb",
    ):
        assert needed in packed["learner"] and needed in packed["instructor"], needed
    assert not any(name.startswith(("tests/", "docs/", "build/", ".")) for name in packed["learner"])
    assert set(packed["slides"]) == {f"{stem}.slides.html" for stem in stems}


def test_the_same_chapter_gives_the_same_page(deck, monkeypatch):
    page = slides.slides_page(read(CHAPTERS[0]), "name", deck)
    monkeypatch.setattr(time, "time", lambda: 2e9)  # a font's file says when it was last saved
    assert slides.libraries() == deck
    assert slides.slides_page(read(CHAPTERS[0]), "name", deck) == page


def test_all_that_the_packages_are_made_of_is_handed_out_and_installed(tmp_path):
    """A new kind of file in src/ must be named twice: in pack.OURS and as package data in pyproject.toml."""
    made = {path for path in notebook.SRC.rglob("*") if path.is_file()}
    made = {
        path.relative_to(notebook.SRC).as_posix()
        for path in made
        if not re.search(r"__pycache__|egg-info|/\.", str(path.relative_to(notebook.SRC)))
    }
    names = dict(pack.files_to_run())
    assert {name.removeprefix("src/") for name in names if name.startswith("src/")} == made
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        here, there = notebook.SRC.parent / name, tmp_path / "checkout" / name
        there.parent.mkdir(exist_ok=True)
        shutil.copytree(here, there) if here.is_dir() else shutil.copy(here, there)
    command = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path)],
        cwd=tmp_path / "checkout",
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        assert {name for name in wheel.namelist() if ".dist-info/" not in name} == made


def test_refused(tmp_path, capsys):
    assert main(["77", "--out", str(tmp_path)]) == 2
    assert "there is no chapter 77" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    pytest.importorskip("pyreveal")
    assert main(["01", "--out", str(tmp_path / "file")]) == 1
    assert "OUT=/elsewhere" in capsys.readouterr().err


def test_an_edition_that_cannot_be_replaced_is_said_as_it_is(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pyreveal")
    (tmp_path / "workshop" / "learner").mkdir(parents=True)

    def refuse(path, ignore_errors=False):
        if not ignore_errors:
            raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert main(["01", "--out", str(tmp_path)]) == 1
    assert "Read-only file system" in capsys.readouterr().err


# Slides


@each_chapter
def test_what_is_on_the_slides(path):
    nb, pages = read(path), slides.slides_of(read(path))
    assert 20 <= len(pages) <= 100
    titles = list(dict.fromkeys(page["title"] for page in pages))
    sections = [cell.source.splitlines()[0][3:] for cell in nb.cells if cell.source.startswith("## ")]
    assert titles[1:] == [section for section in sections if section not in slides.NOT_ON_SLIDES]
    shown = [cell for page in pages for cell in page["cells"]]
    assert sum("figure" in editions.tags(cell) for cell in shown) == sum(
        slides.figure_of(cell) is not None for cell in nb.cells if cell.cell_type == "code"
    )
    text = "\n".join(cell.source for cell in shown)
    for cell in nb.cells:
        if "exercise" in editions.tags(cell):
            assert cell.source in text
        elif "solution" in editions.tags(cell):
            assert cell.source not in text
        elif cell.cell_type == "markdown" and cell.source not in ("",):
            for formula in re.findall(r"\$\$(.+?)\$\$", re.sub(r"(?s)\A.*## Further reading.*", "", cell.source), re.S):
                assert re.split(r"\\qquad", formula)[0].strip(" ,.") in text, formula


def test_slideshow_metadata_overrules_the_rule():
    nb = read(CHAPTERS[0])
    nb.cells = nb.cells[:12]
    shown = [cell.source for page in slides.slides_of(nb) for cell in page["cells"]]
    first, second = nb.cells[5], nb.cells[7]
    assert first.source in shown and second.source not in shown
    first.metadata["slideshow"], second.metadata["slideshow"] = {"slide_type": "skip"}, {"slide_type": "slide"}
    shown = [cell.source for page in slides.slides_of(nb) for cell in page["cells"]]
    assert first.source not in shown and second.source in shown


def test_sentences():
    text = "A **loss**, $a. B$ and `x. Y`. It has 3.5 kg, e.g. Four.\nDoes it? Yes: Here"
    assert slides.sentences_of(text) == [
        "A **loss**, $a. B$ and `x. Y`.",
        "It has 3.5 kg, e.g. Four.",
        "Does it?",
        "Yes:",
        "Here",
    ]


def test_long_blocks_are_cut():
    rows = "| a |\n|---|\n" + "\n".join(f"| {i} |" for i in range(13))
    pieces = slides.cut(rows)
    assert len(pieces) == 3 and all(piece.startswith("| a |\n|---|\n| ") for piece in pieces)
    assert [len(slides.cut(block)) for block in ("- a\n- b\n- c\n- d\n- e", "one\ntwo")] == [2, 1]


def test_a_formula_that_cannot_be_set_is_an_error(deck):
    nb = read(CHAPTERS[0])
    nb.cells = copy.deepcopy(nb.cells[:12])
    nb.cells[6].source += "\n\nA sentence with $\\nosuch{x}$ in it."  # not on a slide, but in the notes
    said = rf'cell {nb.cells[6].id}: the formula .* cannot be set for the page: Unknown command "\\nosuch"'
    with pytest.raises(notebook.Refused, match=said):
        slides.slides_page(nb, "name", deck)
    assert "<math" in slides.set_formula(r"\frac1n \sum_i \mathbf x_i", True, "c")


@each_chapter
def test_slides_need_nothing_and_nothing_overflows(deck, tmp_path, path):
    page = slides.slides_page(read(path), "name", deck)
    wanted = re.findall(
        r"""(?:src|href)=["']([^"'#]+)|url\(["']?([^)"']+)|@import\s*([^;]+)""", re.sub("<a [^>]*>", "", page)
    )  # a link is followed by a reader, not by the page
    assert all(any(word.startswith("data:") for word in found) for found in wanted), wanted
    assert "$" not in re.sub(r"(?s)<(pre|code|style|script)\b.*?</\1>", "", page)  # no formula is left as it was
    if not BROWSER:
        pytest.skip("no chromium on this machine, so the pages could not be measured: apt install chromium")
    copy_of = tmp_path / "page.html"
    copy_of.write_text(page[: page.rindex("</html>")] + MEASURE.read_text(encoding="utf-8"), encoding="utf-8")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1280,720",
        "--dump-dom",
        "--virtual-time-budget=30000",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path / 'profile'}",
        copy_of.as_uri(),
    ]
    home = {**os.environ, "HOME": str(tmp_path)}  # Chromium writes there whatever its profile
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=180, env=home)
    printed = done.stdout.decode()
    measured = re.search(r'<pre id="measured">(.*?)</pre>', printed, re.S)
    assert measured, "the page did not start in the browser"
    pages, (width, height) = json.loads(html.unescape(measured[1]))
    assert len(pages) == len(slides.slides_of(read(path))) and width >= 1000 and height >= 500
    for number, (title, left, right, bottom, small, pictures) in enumerate(pages, 1):
        assert left > -1 and right < 1281 and bottom < 700, f"page {number}, {title!r}: {right} x {bottom}"
        assert small >= 14, f"page {number}, {title!r}: letters of {small} pixels"
        assert pictures, f"page {number}, {title!r}: a picture is not shown"


# The guide

MINUTES = {
    row[0]: list(map(int, row[1:4]))
    for row in re.findall(
        r"(?m)^\| (\d\d) \| (\d+) \| (\d+) \| (\d+) \| section \d+ \|$", editions.GUIDE.read_text(encoding="utf-8")
    )
}
NUMBERS = {"two": 2, "three": 3, "five": 5, "ten": 10, "fifteen": 15, "twenty": 20}


@each_chapter
def test_the_guide_knows_the_chapter(path):
    nb, number = read(path), path.stem[:2]
    assert number in MINUTES and number in GUIDE, f"docs/teaching.md has no row and no section for chapter {number}"
    notes = [line for line in GUIDE[number].splitlines() if line.startswith("- ")]
    assert len(notes) == 2 and all(editions.references(note) for note in notes)
    for reference in editions.references(GUIDE[number]):
        editions.find_cell(nb, reference)
    assert "Needs: " in GUIDE[number]
    stop = re.search(r"stop before section (\d+)", GUIDE[number])[1]
    row = re.search(rf"(?m)^\| {number} \|.*section (\d+) \|$", editions.GUIDE.read_text(encoding="utf-8"))
    assert stop == row[1]
    editions.find_cell(nb, f"§{stop}")
    everything, to_stop, exercises = MINUTES[number]
    assert to_stop < everything
    stated = re.findall(r"(?m)^\*\*\d\d\.\d\*\* \((\w+) minutes[;)]", "\n".join(cell.source for cell in nb.cells))
    assert 0 <= exercises - sum(NUMBERS[word] for word in stated) < 5


def test_schedules_add_up():
    text = editions.GUIDE.read_text(encoding="utf-8")
    schedules = re.findall(r"(?ms)^### (.*?): (\d+) minutes\n(.*?)(?=^##)", text)
    assert [name for name, _, _ in schedules] == ["Half a day", "One day", "Two days", "Eight weeks", "Fifteen weeks"]
    for name, total, table in schedules:
        rows = [(int(minutes), what) for minutes, what in re.findall(r"(?m)^\|(?: \d+ \|)? (\d+) \| (.*) \|$", table)]
        assert sum(minutes for minutes, _ in rows) == int(total), name
        for minutes, what in rows:
            if match := re.match(r"(\d\d) (whole|to the stop|exercises)$", what):
                part = ("whole", "to the stop", "exercises").index(match[2])
                assert minutes == MINUTES[match[1]][part], f"{name}: {what}"
            else:
                assert not re.match(r"\d\d ", what), what


def test_hosts_use_the_same_lock():
    root = notebook.SRC.parent
    assert (root / "binder" / "requirements.txt").read_text().split() == [
        "--require-hashes",
        "-r",
        "../requirements.txt",
    ]
    for name in ("requirements-bert.txt", "requirements-llm.txt"):
        assert name in (root / "binder" / "postBuild").read_text()
    version = (root / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert doctor.OLDEST <= tuple(map(int, version.split("."))) <= doctor.NEWEST
    container = json.loads((root / ".devcontainer" / "devcontainer.json").read_text())
    assert f":{version}-" in container["image"] and "make setup" in container["postCreateCommand"]


def test_a_hub_hands_out_the_whole_edition_also_after_a_copy_that_was_cut_short(tmp_path, monkeypatch):
    pwd = pytest.importorskip("pwd")
    text = (notebook.SRC.parent / "docs" / "jupyterhub_config.py").read_text()
    assert "\n    make workshop " in text  # what is handed out must have been made
    monkeypatch.setenv("COURSE", str(tmp_path / "course"))
    edition, home = tmp_path / "course" / "build" / "workshop" / "learner", tmp_path / "home"
    edition.mkdir(parents=True)
    (edition / "01_a.ipynb").write_text("{}")
    (home / "course.part").mkdir(parents=True)  # of a copy that was cut short
    (home / "course.part" / "half").touch()
    me = types.SimpleNamespace(pw_dir=str(home), pw_uid=os.getuid(), pw_gid=os.getgid(), pw_name="anna")
    monkeypatch.setattr(pwd, "getpwnam", lambda name: me)
    monkeypatch.setattr(os, "getgrouplist", lambda *_: [])
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda words, check, cwd, umask, **_: run(words, check=check, cwd=cwd))
    names = {"get_config": mock.MagicMock}
    exec(compile(text, "jupyterhub_config.py", "exec"), names)
    for _ in range(2):
        names["hand_out"](types.SimpleNamespace(user=types.SimpleNamespace(name="anna")))
        assert [path.relative_to(home).as_posix() for path in sorted(home.rglob("*"))] == [
            "course",
            "course/01_a.ipynb",
        ]


def test_the_cell_for_colab_runs_twice(tmp_path, monkeypatch):
    cell = re.search(r"```python\n(.*?)```", (notebook.SRC.parent / "docs" / "colab.md").read_text(), re.DOTALL)[1]
    called = []
    monkeypatch.setattr(subprocess, "run", lambda words, check: called.append(words))
    monkeypatch.setattr(os, "chdir", lambda folder: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(cell, {})
    assert called == []  # it does nothing elsewhere
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    for there in (False, True):
        monkeypatch.setattr(os.path, "isdir", lambda path, there=there: there)
        called.clear()
        exec(cell, {})
        assert (called[0][:2] == ["git", "clone"]) is not there and called[-1][-1] == "/content/course"
