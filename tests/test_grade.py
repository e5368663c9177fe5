"""Marking, on a tiny chapter with the graders of chapter 01 and a folder of submissions, most of them hostile."""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import nbformat
import psutil
import pytest
from coursetools import grade, sandbox
from coursetools import notebook as chapters

STUBS = {
    "01.1": "def mean_squared_error(prediction, target):\n    ...",
    "01.3": "def best_rate(excess, learning_rate):\n    ...",
}
RIGHT = {
    "01.1": "def mean_squared_error(prediction, target):\n    return np.mean((np.ravel(prediction) - target) ** 2)",
    "01.3": "def best_rate(excess, rate):\n    return rate / (1 + np.sqrt(excess[1] / excess[0]))",
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
PIPE = """import fcntl, os, stat
pipe = next(fd for fd in range(3, 99) if os.path.exists(f"/proc/self/fd/{fd}")
            and stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY)
"""  # the one that verdicts go to
FLOOD = (
    PIPE
    + """fcntl.fcntl(pipe, 1031, 2**20)  # F_SETPIPE_SZ
junk = b"{}\\n" * 2**16
if os.fork():
    import time; time.sleep(471347)
while True: os.write(pipe, junk)"""
)
NOT_OURS = (
    PIPE
    + """import json
for line in ("[" * 5000, "x" * 10**6, "null", "[]", "1" * 60000, '{"cell": {"a": []}, "error": 5}',
             '{"exercise": ["01.1"]}', '{"exercise": {}, "verdict": 3}',
             '"\\\\ud800"', '{"cell": "\\\\ud800"}', "\\xff"):
    os.write(pipe, line.encode("latin-1") + b"\\n")"""
)
MILLION = """def mean_squared_error(prediction, target):
    raise ValueError("x" * 10**6)"""
UNSAYABLE = """class Odd(Exception):
    def __str__(self): raise RuntimeError("no words")
raise Odd"""
DEEP = """import os
here = os.getcwd()
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
os.chdir(here)"""


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


def changed(change, at=1):
    """The text of a right submission one cell of which, the first with code, was changed as JSON."""
    nb = json.loads(nbformat.writes(notebook(answers=RIGHT)))
    change(nb["cells"][at])
    return json.dumps(nb)


NO_NOTEBOOKS = {  # learner: the bytes or the text of the file
    "not JSON": "{",
    "no notebook": '{"cells": 3}',
    "empty": "",
    "number": "1",
    "null": "null",
    "nested": "[" * 100_000,
    "cells of numbers": '{"cells": [1], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "no cell_type": changed(lambda cell: cell.pop("cell_type")),
    "odd cell_type": changed(lambda cell: cell.update(cell_type=["code"])),
    "no source": changed(lambda cell: cell.pop("source")),
    "no metadata": changed(lambda cell: cell.pop("metadata")),
    "number as source": changed(lambda cell: cell.update(source=[1])),
    "Latin-1": b'{"cells": ["\xe9"]}',
    "picture": b"\x89PNG\r\n\x1a\n\0\0",
}
STILL_NOTEBOOKS = {  # odd, but all of it can be read
    "with a mark": b"\xef\xbb\xbf" + changed(lambda cell: None).encode(),
    "half a letter": changed(lambda cell: cell.update(source="'\ud800'"), at=2),
    "list as id": changed(lambda cell: cell.update(id=["setup"])),
    "one text": changed(lambda cell: cell.update(source="".join(cell["source"]))),
}


def without(nb, cell_id):
    nb.cells = [cell for cell in nb.cells if cell.id != cell_id]
    return nb


def at_the_end(nb, source):
    nb.cells.append(nbformat.v4.new_code_cell(source, id="end"))
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
        "calls home": notebook(CALL_HOME.format(walled=grade.choose_wall() != ""), answers=RIGHT | {"01.1": HOME}),
        "floods": notebook(after=FLOOD, answers=RIGHT),
        "not ours": notebook(NOT_OURS, answers=RIGHT),
        "million": notebook(answers=RIGHT | {"01.1": MILLION}),
        "million in a cell": without(notebook("raise ValueError('x' * 10**6)"), "exercise-1"),
        "unsayable": notebook(UNSAYABLE, answers=RIGHT),
        "leaves quietly": notebook(after="import os; os._exit(0)", answers=RIGHT),
        "writes no more": notebook("import os, json\nos.write = json.dumps = lambda *_: 0", answers=RIGHT),
        "forks itself": notebook("import os; os.fork()", answers=RIGHT),
        "nests": notebook(DEEP, answers=RIGHT),
        "below": notebook(answers=STUBS | {"01.3": RIGHT["01.3"]}, after=RIGHT["01.1"]),
        "at the end": at_the_end(notebook(), "\n".join(RIGHT.values())),
        "better below": notebook(answers=RIGHT | {"01.1": SUM}, after=RIGHT["01.1"]),
        "worse below": notebook(answers=RIGHT, after=SUM),
        "below, then hangs": at_the_end(notebook(after=RIGHT["01.1"]), "import time; time.sleep(471447)"),
        "helped below": at_the_end(
            notebook(answers=RIGHT | {"01.1": "def mean_squared_error(p, t):\n    return late(p, t)"}),
            RIGHT["01.1"].replace("mean_squared_error", "late"),
        ),
        "name used again": at_the_end(notebook(answers=RIGHT), "mean_squared_error = None"),
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
    for name, text in (NO_NOTEBOOKS | STILL_NOTEBOOKS).items():
        (root / "in" / name).mkdir()
        (root / "in" / name / "01_tiny.ipynb").write_bytes(text if isinstance(text, bytes) else text.encode())
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


def call(root, *arguments, **env):
    """(exit status, everything printed)"""
    env = os.environ | {"GROUNDUP_NOTEBOOKS": str(root / "notebooks")} | env
    done = subprocess.run(
        [sys.executable, "-m", "coursetools.grade", "--out", "out", *arguments],
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
    assert len(verdicts) == 20 + 16 + len(NO_NOTEBOOKS) + len(STILL_NOTEBOOKS) + 1
    assert all(list(rows) == list(STUBS) for learner, rows in verdicts.items() if learner != "unnamed")
    assert "Traceback" not in printed
    assert [path.name for path in (root / "out").iterdir()] == ["grades.csv"]  # no scratch is left


@pytest.mark.parametrize(
    "learner",
    "right,deletes,prints,lost a check,magic,before ids,helper,flat,calls home,forks,not ours,unsayable,writes no more,"
    "forks itself,nests,below,at the end,better below,helped below,name used again".split(",")
    + list(STILL_NOTEBOOKS),
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
        ("leaves", "01.1", "right", ""),
        ("leaves", "01.3", "not graded", "its process ended itself (status 3)"),
        ("leaves quietly", "01.1", "right", ""),
        ("leaves quietly", "01.3", "not graded", "its process ended itself (status 0), in: import os; os._exit(0)"),
        ("floods", "01.1", "right", ""),
        ("floods", "01.3", "not graded", "it ran longer than 6 s"),
        ("million", "01.1", "not yet", "it raised ValueError: xxx"),
        ("million", "01.3", "right", ""),
        ("million in a cell", "01.1", "not answered", "the first cell that failed ended in ValueError: xxx"),
        ("worse below", "01.1", "not yet", "this is the sum. Divide"),
        ("below, then hangs", "01.1", "right", ""),
        ("cheats", "01.1", "not answered", ""),
        ("lost a stub", "01.1", "not answered", "name 'mean_squared_error' is not defined"),
        ("lost a stub", "01.3", "right", ""),
        ("syntax", "01.1", "not answered", "the first cell that failed ended in SyntaxError"),
        ("syntax", "01.3", "right", ""),
        ("not JSON", "01.1", "not graded", "is not JSON, which notebooks are, or was cut off: line 1, column 2"),
        ("no notebook", "01.3", "not graded", "no list of cells"),
        ("empty", "01.1", "not graded", "the file is empty"),
        ("number", "01.1", "not graded", "no list of cells"),
        ("null", "01.1", "not graded", "no list of cells"),
        ("nested", "01.1", "not graded", "nested too deeply"),
        ("cells of numbers", "01.1", "not graded", "cell 1 is not a cell"),
        ("no cell_type", "01.1", "not graded", "cell 2 does not say whether it is code or text (cell_type)"),
        ("odd cell_type", "01.1", "not graded", "cell 2 does not say whether it is code or text (cell_type)"),
        ("no source", "01.1", "not graded", "cell 2 has no text (source)"),
        ("number as source", "01.1", "not graded", "cell 2 has no text (source)"),
        (
            "no metadata",
            "01.1",
            "not graded",
            "reader of notebooks refuses it: The notebook is invalid and is missing an expected key: metadata",
        ),
        ("Latin-1", "01.1", "not graded", "not UTF-8"),
        ("picture", "01.1", "not graded", "not UTF-8"),
        ("unnamed", "?", "not graded", "holds no chapter's, such as"),
        ("'=1+1", "01.1", "not yet", "it raised ValueError: a"),
    ],
)
def test_verdicts_and_hints(marked, learner, number, verdict, hint):
    found = marked[0][learner][number]
    assert found[0] == verdict and hint in found[1], found


def test_what_holds_here_is_said_first(marked):
    first = marked[2].splitlines()[0]
    assert all(word in first for word in ("kept in by ", "; network: ", "; writing elsewhere: ", "; /dev/shm: "))


def test_nothing_outside_is_deleted(marked):
    if not (grade.can_confine() or grade.choose_wall() == "bubblewrap"):
        pytest.skip("neither bubblewrap nor Landlock is here, without which deleting elsewhere is not refused")
    assert (marked[3] / "victim").read_text() == "still here"


def test_nothing_goes_on_running(marked):
    assert not [p for p in psutil.process_iter(["cmdline"]) if "471147" in str(p.info["cmdline"])]


def test_limits_come_from_the_budget():
    budget = {
        "fast": {"gflops": 200, "chapters": {"01_tiny": [10, 1000]}},
        "slow": {"gflops": 50, "chapters": {"01_tiny": [40, 1200]}},
    }
    assert grade.limits_of("01_tiny", budget, 200) == (110, 2800)  # seconds by this machine's speed, the larger memory
    assert grade.limits_of("01_tiny", budget, 25) == (460, 2800)
    assert grade.limits_of("02_new", budget, 200) == (1560, 5500)  # never measured
    assert grade.limits_of("01_tiny", {}, None) == (1560, 5500)  # a checkout without docs/budget.json


def test_the_end_does_not_race_with_children_that_vanish(monkeypatch):
    class Vanished:
        def status(self):
            raise psutil.NoSuchProcess(1)

    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    real = psutil.Process.children
    monkeypatch.setattr(psutil.Process, "children", lambda *args, **more: [Vanished(), *real(*args, **more)])
    grade.end(process)
    assert process.returncode is not None


@pytest.fixture
def folder(tmp_path):
    """Function that makes files below in/ ({path: notebook, text or bytes}), marks them, and gives rows and output."""
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook(solution=True), tmp_path / "notebooks" / "01_tiny.ipynb")

    def mark(files, *arguments, **env):
        for name, content in files.items():
            path = tmp_path / "in" / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.mkdir()
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                nbformat.write(content, path)
        status, printed = call(tmp_path, "in", *(arguments or ("--seconds", "20", "--mb", "2000")), **env)
        assert status == 0 and "Traceback" not in printed, printed
        with open(tmp_path / "out" / "grades.csv", encoding="utf-8", newline="") as file:
            return [tuple(row.values()) for row in csv.DictReader(file)], printed

    return mark


def test_each_learner_has_a_row_that_says_why(folder):
    nothing = {
        "ada/week1.zip": (b"PK", "week1.zip is an archive: unpack it"),
        "bob/01_tiny.ipynb.txt": (b"{}", "01_tiny.ipynb.txt: rename it so that its name ends in .ipynb"),
        "cem": (None, "the folder is empty"),
        "dan/answers.py": (b"", "no notebook (*.ipynb) among its files: answers.py"),
        "eva/build/01_tiny.ipynb": (notebook(), "the folder holds only hidden files, or build/"),
        "fay/.ipynb_checkpoints/01_tiny.ipynb": (notebook(), "the folder holds only hidden files, or build/"),
        "gil/01_tiny.ipynb/x": (b"", "no notebook (*.ipynb) among its files: 01_tiny.ipynb/x"),
        "hal.tar.gz": (b"", "hal.tar.gz is an archive: unpack it"),
        "ida_01_tiny.ipynb.json": (b"", "rename it so that its name ends in .ipynb"),
        "jan.pdf": (b"", "jan.pdf is not a notebook (*.ipynb)"),
        "k.l_hw.ipynb": (notebook(), "holds no chapter's"),
        "kim/homework.ipynb": (notebook(), "homework.ipynb, holds no chapter's, such as 01_tiny"),
    }
    marked = {"lea/01_TINY.IPYNB": notebook(answers=RIGHT), "mia/01_tiny.ipynb": notebook(answers=RIGHT)}
    rows, printed = folder({name: content for name, (content, _) in nothing.items()} | marked | {"mia/02.zip": b""})
    for name, (_, why) in nothing.items():
        learner = name.split("/")[0].partition("_01")[0]
        learner = learner.removesuffix(".tar.gz").removesuffix(".pdf").removesuffix(".ipynb")
        mine = [row for row in rows if row[0] == learner]
        assert len(mine) == 1 and mine[0][1:3] == ("?", "not graded") and why in mine[0][3], (name, mine)
        assert learner in printed
    assert [row[1:3] for row in rows if row[0] == "lea"] == [("01.1", "right"), ("01.3", "right")]
    assert [row[1:3] for row in rows if row[0] == "mia"] == [("01.1", "right"), ("01.3", "right"), ("?", "not graded")]


def test_a_verdict_that_does_not_exist_reaches_no_terminal(tmp_path, monkeypatch):
    place = tmp_path / "anna_01_tiny.ipynb"
    nbformat.write(notebook(), place)
    monkeypatch.setattr(grade, "watch", lambda *_: ({"01.1": "\x1b]2;mine\x07\n", "01.3": "right"}, None))
    (tmp_path / "scratch" / "folder").mkdir(parents=True)
    chapter = tmp_path / "01_tiny.ipynb"
    nbformat.write(notebook(solution=True), chapter)
    rows, _ = grade.rows_of("anna", place, chapter, tmp_path, tmp_path / "scratch", (6, 700), "")
    assert [row[2] for row in rows] == ["not graded", "right"]
    assert "gave itself a verdict that does not exist" in rows[0][3] and rows[0][3].isprintable()


def test_two_cells_with_one_id_are_read_without_a_warning(tmp_path):
    nb = notebook()
    nb.cells[2].id = nb.cells[1].id
    (tmp_path / "01_tiny.ipynb").write_text(json.dumps(nb))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(grade.read(tmp_path / "01_tiny.ipynb").cells) == len(nb.cells)


def test_links_are_not_followed(folder, tmp_path):
    nbformat.write(notebook(answers=RIGHT), tmp_path / "elsewhere.ipynb")
    (tmp_path / "in" / "bea").mkdir(parents=True)
    (tmp_path / "in" / "bea" / "01_tiny.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    (tmp_path / "in" / "abe").symlink_to(tmp_path / "nowhere")
    rows, _ = folder({})
    assert [row[:3] for row in rows] == [("abe", "?", "not graded"), ("bea", "?", "not graded")]
    assert all("is a link, and links are not followed" in row[3] for row in rows)


def test_a_folder_that_cannot_be_opened(tmp_path, monkeypatch):
    (tmp_path / "ann").mkdir()
    real = os.scandir

    def refuse(path):
        if Path(path).name == "ann":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [row[::3] for row in grade.find(tmp_path)] == [("ann", "the folder cannot be opened")]


def test_a_folder_nested_deeply(folder, tmp_path):
    subprocess.run(["mkdir", "-p", tmp_path / "in" / "lou" / ("d/" * 1500)], check=True)
    try:
        rows, _ = folder({"max/01_tiny.ipynb": notebook(answers=RIGHT)})
    finally:
        grade.clear(tmp_path / "in" / "lou")
    assert not (tmp_path / "in" / "lou").exists()
    assert [row[::2] for row in rows] == [("lou", "not graded"), ("max", "right"), ("max", "right")]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are Unicode")
def test_a_name_that_is_not_unicode(folder):
    files = {
        b"jos\xe9/01_tiny.ipynb": notebook(answers=RIGHT),
        b"jos\xe9/n\xe9.txt": b"",
        b"r\xe9ne.zip": b"",
        "tab\t.zip": b"",
    }
    rows, printed = folder(files | {b"zoe/01_tiny.ipynb": notebook(answers=RIGHT)}, PYTHONIOENCODING="ascii")
    assert [row[0] for row in rows] == ["jos\\xe9"] * 2 + ["r\\xe9ne", "tab\\t"] + ["zoe"] * 2
    assert [row[2] for row in rows] == ["right", "right", "not graded", "not graded", "right", "right"]
    assert "jos\\xe9" in printed


def test_submissions_of_one_learner_are_told_apart(folder):
    first, second = notebook(answers=RIGHT), notebook()
    paths = ["ann/01_tiny.ipynb", "ann/old/01_tiny.ipynb", "ann/old/build/01_tiny.ipynb", "ann/new/01_tiny.ipynb"]
    handed_in = dict(zip(paths, [first, second, second, first], strict=True))
    rows, _ = folder(handed_in | {"ann_01_tiny.ipynb": second})
    found = {row[0]: row[2] for row in rows}
    assert found == {
        "ann (ann/01_tiny.ipynb)": "right",
        "ann (ann/new/01_tiny.ipynb)": "right",
        "ann (ann/old/01_tiny.ipynb)": "not answered",
        "ann (ann_01_tiny.ipynb)": "not answered",
    }


def test_a_large_file_beside_the_notebook(folder):
    film, large = b"\0" * 60_000_000, notebook("from mine import mean", answers=RIGHT | {"01.3": STUBS["01.3"]})
    rows, printed = folder(
        {"max/01_tiny.ipynb": large, "max/a film.mp4": film, "max/mine.py": b"from numpy import mean"}
    )
    assert rows[0][2] == "right"
    assert rows[1][2] == "not answered" and "ImportError" not in rows[1][3] and "ModuleNotFound" not in rows[1][3]
    said = "not copied, since 50 MB are the limit: a film.mp4 (60 MB)"
    assert said in rows[1][3] and said in printed


WRITES = """import ctypes, os
with open("/dev/shm/groundup-471547", "w") as file: file.write("the answer")
ctypes.CDLL(None).shmget(471547, 10, 0o1600)"""
FINDS = """import ctypes, os, socket
alone = not os.path.exists("/dev/shm/groundup-471547")
alone = alone and (not {namespaces} or ctypes.CDLL(None).shmget(471547, 0, 0) == -1)
with socket.create_server(("127.0.0.1", 0)) as server:  # as two workers meet
    socket.create_connection(server.getsockname(), timeout=3).close()
try:
    open({victim!r}, "w").close()
    alone = alone and not {confined}
except OSError:
    pass
other = os.path.join({root!r}, "in", "1 writes", "01_tiny.ipynb")
alone = alone and not ({hidden} and os.path.exists(other))
if {namespaces}:
    import multiprocessing
    multiprocessing.get_context("fork").Queue().close()  # needs a /dev/shm"""


TRIALS = {
    "bubblewrap": "bwrap --ro-bind / / --dev /dev --proc /proc --unshare-net --unshare-pid true",
    "unshare": "unshare --map-root-user --net --mount --ipc true",
    "Landlock": None,
}


@pytest.mark.parametrize("wall", TRIALS)
def test_what_each_wall_promises(folder, tmp_path, wall):
    tools = tmp_path / "bin"
    tools.mkdir()
    if wall == "Landlock":
        there = grade.can_confine()
    else:
        name = TRIALS[wall].split()[0]
        there = shutil.which(name) and not subprocess.call(TRIALS[wall].split(), stderr=subprocess.DEVNULL)
        (tools / name).symlink_to(shutil.which(name) or "/nowhere")
    if not there:
        pytest.skip(f"{wall} does not work on this machine")
    victim = tmp_path / "victim"
    victim.write_text("still here")
    finds = FINDS.format(
        victim=str(victim),
        root=str(tmp_path),
        confined=wall == "bubblewrap" or grade.can_confine(),
        hidden=wall == "bubblewrap",
        namespaces=wall != "Landlock",
    )
    answers = RIGHT | {"01.1": RIGHT["01.1"] + " + (not alone)"}
    try:
        rows, printed = folder(
            {
                "1 writes/01_tiny.ipynb": notebook(WRITES, answers=RIGHT),
                "2 finds/01_tiny.ipynb": notebook(finds, answers=answers),
            },
            PATH=str(tools),
        )
        left = os.path.exists("/dev/shm/groundup-471547")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove("/dev/shm/groundup-471547")
    assert wall in printed.splitlines()[0]
    assert [row[2] for row in rows] == ["right"] * 4, rows
    assert victim.read_text() == "still here" and not left


def test_without_any_wall_it_says_so_and_marks(folder, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys, psutil; sys.platform = 'darwin'")
    (tmp_path / "bin").mkdir()
    path = os.pathsep.join([str(tmp_path), str(chapters.SRC)])
    rows, printed = folder({"ann/01_tiny.ipynb": notebook(answers=RIGHT)}, PATH=str(tmp_path / "bin"), PYTHONPATH=path)
    assert [row[2] for row in rows] == ["right", "right"]
    first = printed.splitlines()[0]
    assert "network: refused within Python only" in first and "writing elsewhere: NOT refused" in first


def test_what_is_hidden_holds_nothing_that_is_needed(tmp_path):
    out = tmp_path / "in" / "out"
    assert grade.hideable([tmp_path / "in", out]) == [tmp_path / "in"]
    assert grade.hideable([out, out]) == [out]
    assert grade.hideable([chapters.SRC.parent, tmp_path]) == [tmp_path]


@pytest.mark.parametrize("inside", ["in/out", "."])
def test_the_table_may_lie_in_the_folder_or_around_it(tmp_path, inside):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "class" / "in" / "ann").mkdir(parents=True)
    nbformat.write(notebook(solution=True), tmp_path / "notebooks" / "01_tiny.ipynb")
    nbformat.write(notebook(answers=RIGHT), tmp_path / "class" / "in" / "ann" / "01_tiny.ipynb")
    for _ in range(2):  # the second time, there is a table already
        status, printed = call(tmp_path, "class/in", "--out", f"class/{inside}")
        assert status == 0 and printed.count("2 right") == 1 and "not graded" not in printed, printed


def test_windows_gets_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(grade.sys, "platform", "win32")
    assert grade.main(["submissions"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Windows" in said and "WSL" in said


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


@pytest.mark.parametrize("path", sorted((chapters.SRC.parent / "notebooks").glob("[0-9]*.ipynb")), ids=lambda p: p.stem)
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


def test_a_folder_at_home(folder, tmp_path):
    folder({"ada/notes.txt": b"x"})
    status, printed = call(tmp_path, "~/in", HOME=str(tmp_path))
    assert status == 0 and "ada" in printed


def test_the_table_of_the_call_before_is_kept(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grades.csv").write_text("last week's, with marks by hand")
    _, printed = folder({"ada/notes.txt": b"x"})
    assert (tmp_path / "out" / "grades.before.csv").read_text() == "last week's, with marks by hand"
    assert "is kept as" in printed and "ada" in (tmp_path / "out" / "grades.csv").read_text()


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
