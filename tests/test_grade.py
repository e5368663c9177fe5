"""Marking, on a tiny chapter with the graders of chapter 01 and a folder of submissions, most of them hostile."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from coursetools import grade, run, sandbox

STUBS = {
    "01.1": "def mean_squared_error(prediction, target):\n    ...",
    "01.3": "def largest_learning_rate(A):\n    ...",
}
RIGHT = {
    "01.1": "def mean_squared_error(prediction, target):\n    return np.mean((prediction - target) ** 2)",
    "01.3": "def largest_learning_rate(A):\n    return len(A) / np.linalg.eigvalsh(A.T @ A).max()",
}
SUM = "def mean_squared_error(prediction, target):\n    return np.sum((prediction - target) ** 2)"
CHEAT = """import groundup.exercises, groundup.check
groundup.exercises.grade = groundup.check.exercise = lambda *_: print("01.1 right")
groundup.exercises._grader = lambda number: lambda answer: None"""
FORK = """import subprocess, sys
wait = "import time; time.sleep(471147)"
program = f"import subprocess as s, sys; s.Popen([sys.executable, '-c', {wait!r}], start_new_session=True)"
subprocess.run([sys.executable, "-c", program], start_new_session=True)"""
CALL_HOME = """import subprocess, sys
try:
    import socket
    socket.create_connection(("192.0.2.1", 80), timeout=1)
    refused = False
except PermissionError:
    refused = True
names = subprocess.run([sys.executable, "-S", "-c", "import socket; print(socket.if_nameindex())"],
                       env={{}}, capture_output=True, text=True).stdout
alone = refused and (names.count("(") <= 1 or not {walled})"""
HOME = RIGHT["01.1"] + " + (not alone)"


def notebook(before="", after="", answers=STUBS, check="check.exercise({number!r}, {name})", solution=False):
    """The tiny chapter, or a submission of it: code before and after the first exercise, answers and check cells."""
    cells = [
        nbformat.v4.new_markdown_cell("# 01 · Tiny\n\n*Measured on two CPU cores: 1 s, 100 MB.*", id="top"),
        nbformat.v4.new_code_cell("import numpy as np\nfrom groundup import check", id="setup"),
        nbformat.v4.new_code_cell(before, id="before"),
    ]
    for number in STUBS:
        name = STUBS[number].split("(")[0][4:]
        for tag, source in (
            ("exercise", answers[number]),
            ("check", check.format(number=number, name=name)),
            ("solution", f"1 / 0  # {number}"),
        ):
            if tag != "solution" or solution:
                cells.append(nbformat.v4.new_code_cell(source, id=f"{tag}-{number[3:]}", metadata={"tags": [tag]}))
        if number == "01.1":
            cells.append(nbformat.v4.new_code_cell(after, id="after"))
    return nbformat.v4.new_notebook(cells=cells)


def without(nb, cell_id):
    nb.cells = [cell for cell in nb.cells if cell.id != cell_id]
    return nb


def old_format(nb):
    """The notebook as editors wrote it before cells had ids."""
    nb.nbformat_minor = 4
    for cell in nb.cells:
        del cell["id"]
    return nb


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """One call over all submissions: ({learner: {exercise: (verdict, hint)}}, status, printed, root)."""
    root = tmp_path_factory.mktemp("Räume und Leerzeichen")
    (root / "notebooks").mkdir()
    nbformat.write(notebook(solution=True), root / "notebooks" / "01_tiny.ipynb")
    victim = root / "victim"
    victim.write_text("still here")
    submissions = {
        "untouched": notebook(),
        "right": notebook(answers=RIGHT, solution=True),
        "sum": notebook(answers=RIGHT | {"01.1": SUM}),
        "hangs": notebook(after="import time; time.sleep(471247)", answers=RIGHT),
        "eats memory": notebook(after="hoard = []\nwhile True: hoard.append(np.ones(10**7))", answers=RIGHT),
        "deletes": notebook(
            "import os, shutil; shutil.rmtree('.', ignore_errors=True)\n"
            f"try: os.remove({str(victim)!r})\nexcept OSError: pass",
            answers=RIGHT,
        ),
        "prints": notebook("for i in range(1_000_000): print(i)", answers=RIGHT),
        "dies": notebook(after="import os, signal; os.kill(os.getpid(), signal.SIGKILL)", answers=RIGHT),
        "leaves": notebook(after="import os; os._exit(3)", answers=RIGHT),
        "cheats": notebook(CHEAT, check="print('01.1 right')"),
        "lost a check": without(notebook(answers=RIGHT), "check-1"),
        "lost a stub": without(notebook(answers=RIGHT), "exercise-1"),
        "syntax": notebook(answers=RIGHT | {"01.1": "def mean_squared_error(prediction, target:"}),
        "magic": notebook("%matplotlib inline\n!true\nawait __import__('asyncio').sleep(0)", answers=RIGHT),
        "before ids": old_format(notebook(answers=RIGHT)),
        "forks": notebook(FORK, answers=RIGHT),
        "calls home": notebook(CALL_HOME.format(walled=grade.can_shut_network()), answers=RIGHT | {"01.1": HOME}),
        "=1+1": notebook(answers=RIGHT | {"01.1": "def mean_squared_error(p, t):\n    raise ValueError('a\\nb')"}),
    }
    for learner, nb in submissions.items():
        (root / "in" / learner).mkdir(parents=True)
        nbformat.write(nb, root / "in" / learner / "01_tiny.ipynb")
    (root / "in" / "helper").mkdir()
    (root / "in" / "helper" / "mine.py").write_text("from numpy import mean")
    nbformat.write(
        notebook("from mine import mean", answers=RIGHT | {"01.1": RIGHT["01.1"].replace("np.mean", "mean")}),
        root / "in" / "helper" / "my 01_tiny (2).ipynb",
    )
    for name, text in (("not JSON", "{"), ("no notebook", '{"cells": 3}'), ("empty", "")):
        (root / "in" / name).mkdir()
        (root / "in" / name / "01_tiny.ipynb").write_text(text)
    nbformat.write(notebook(answers=RIGHT), root / "in" / "flat_01_tiny.ipynb")
    nbformat.write(notebook(answers=RIGHT), root / "in" / "unnamed.ipynb")
    (root / "in" / "right" / ".ipynb_checkpoints").mkdir()
    nbformat.write(notebook(), root / "in" / "right" / ".ipynb_checkpoints" / "01_tiny-checkpoint.ipynb")
    before = {path: path.read_bytes() for path in (root / "in").rglob("*") if path.is_file()}
    status, printed = call(root, "in", "--seconds", "6", "--mb", "700")  # an ordinary one takes half a second
    assert {path: path.read_bytes() for path in (root / "in").rglob("*") if path.is_file()} == before
    verdicts = {}
    with open(root / "out" / "grades.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            verdicts.setdefault(row["learner"], {})[row["exercise"]] = (row["verdict"], row["hint"])
    return verdicts, status, printed, root


def call(root, *arguments):
    """(exit status, everything printed)"""
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(root / "notebooks"))
    done = subprocess.run(
        [sys.executable, "-m", "coursetools.grade", *arguments, "--out", "out"],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
    )
    return done.returncode, done.stdout


def test_the_table_is_whole(marked):
    verdicts, status, printed, root = marked
    assert status == 0, printed
    assert len(verdicts) == 24
    assert all(list(rows) == list(STUBS) for learner, rows in verdicts.items() if learner != "unnamed")
    assert "Traceback" not in printed
    assert [path.name for path in (root / "out").iterdir()] == ["grades.csv"]  # no scratch is left


@pytest.mark.parametrize(
    "learner",
    ["right", "deletes", "prints", "lost a check", "magic", "before ids", "helper", "flat", "calls home", "forks"],
)
def test_right(marked, learner):
    assert marked[0][learner] == {number: ("right", "") for number in STUBS}


@pytest.mark.parametrize(
    "learner, number, verdict, hint",
    [
        ("untouched", "01.1", "not answered", ""),
        ("untouched", "01.3", "not answered", ""),
        ("sum", "01.1", "not yet", "this is the sum. Divide"),
        ("sum", "01.3", "right", ""),
        ("hangs", "01.1", "right", ""),  # graded before the hang
        ("hangs", "01.3", "not graded", "it ran longer than 6 s, in: import time; time.sleep(471247)"),
        ("eats memory", "01.1", "right", ""),
        ("eats memory", "01.3", "not graded", "it needed more than 700 MB, in: hoard = []"),
        ("dies", "01.1", "right", ""),
        ("dies", "01.3", "not graded", "its process died of signal 9, in: import os, signal"),
        ("leaves", "01.3", "not graded", "its process ended itself (status 3)"),
        ("cheats", "01.1", "not answered", ""),
        ("lost a stub", "01.1", "not answered", "name 'mean_squared_error' is not defined"),
        ("lost a stub", "01.3", "right", ""),
        ("syntax", "01.1", "not answered", "the first cell that failed ended in SyntaxError"),
        ("syntax", "01.3", "right", ""),
        ("not JSON", "01.1", "not graded", "not a notebook that can be read"),
        ("no notebook", "01.3", "not graded", "not a notebook that can be read"),
        ("empty", "01.1", "not graded", "not a notebook that can be read"),
        ("unnamed", "?", "not graded", "holds no chapter's, such as"),
        ("'=1+1", "01.1", "not yet", "it raised ValueError: a b"),
    ],
)
def test_verdicts_and_hints(marked, learner, number, verdict, hint):
    found = marked[0][learner][number]
    assert found[0] == verdict and hint in found[1], found


def test_what_holds_here_is_said_first(marked):
    first = marked[2].splitlines()[0]
    assert first.startswith("no network: ") and "; writing elsewhere: " in first


def test_nothing_outside_is_deleted(marked):
    if not grade.can_confine():
        pytest.skip("this kernel has no Landlock, without which deleting elsewhere is not refused")
    assert (marked[3] / "victim").read_text() == "still here"


def test_nothing_goes_on_running(marked):
    assert not [p for p in psutil.process_iter(["cmdline"]) if "471147" in str(p.info["cmdline"])]


def test_limits_come_from_the_chapter():
    assert grade.limits_of(notebook()) == (65, 1150)
    assert grade.limits_of(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# x")])) == (1560, 5500)


@pytest.fixture(scope="module")
def graders():
    """The graders as `make grade` loads them; the modules that other tests use are put back."""
    import groundup

    names = [name for name in sys.modules if name.startswith("groundup.exercises")]
    kept = {name: sys.modules[name] for name in names}
    yield sandbox.fresh_graders()
    sys.modules.update(kept)
    if "groundup.exercises" in kept:
        groundup.exercises = kept["groundup.exercises"]


@pytest.mark.parametrize("path", sorted((run.SRC.parent / "notebooks").glob("[0-9]*.ipynb")), ids=lambda p: p.stem)
def test_exercises_are_found_in_every_chapter(graders, path):
    number = path.stem[:2]
    found = grade.exercises_of(nbformat.read(path, as_version=4))
    assert [exercise for exercise, _, _ in found] == [f"{number}.{i + 1}" for i in range(len(found))]
    assert len(found) >= 3 and all(graders._grader(exercise) for exercise, _, _ in found)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["nowhere"], "there is no folder"),
        ([""], "make grade DIR=submissions/ says"),
        (["notebooks/none"], "there is no notebook (*.ipynb) in"),
    ],
)
def test_refused(tmp_path, arguments, expected):
    (tmp_path / "notebooks" / "none").mkdir(parents=True)
    nbformat.write(notebook(solution=True), tmp_path / "notebooks" / "01_tiny.ipynb")
    status, printed = call(tmp_path, *arguments)
    assert status == 2 and expected in printed and "Traceback" not in printed


def test_stopped_in_the_middle(marked, tmp_path):
    root = marked[3]
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(root / "notebooks"))
    (tmp_path / "in" / "slow").mkdir(parents=True)
    nbformat.write(notebook("import time; time.sleep(60)"), tmp_path / "in" / "slow" / "01_tiny.ipynb")
    process = subprocess.Popen(
        [sys.executable, "-m", "coursetools.grade", "in"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 30
    while not list(Path(tmp_path / "build").glob(".grade-*/job.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    printed = process.communicate(timeout=30)[0]
    assert process.returncode == 130 and "coursetools.grade: stopped" in printed and "Traceback" not in printed
    assert not list((tmp_path / "build").iterdir())
