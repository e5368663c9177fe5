"""Headless execution, on tiny notebooks in a folder with a space and a letter beyond ASCII in its name."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from coursetools import budget, machine, notebook, run

PARAMETERS = """RATE = 0.1  # step size; x == y
STEPS = 3  # how often
LABEL = "a"  # any text
FAST = True
SIZES = (1, 2)
EVERY = None
HALF = 1 / 2"""
CLAIM = """import json, os
with open(os.environ["GROUNDUP_CLAIMS"], "a") as file:
    for ok in (True, True, False):
        print(json.dumps({"name": "c", "value": 1, "bound": 2, "kind": "at_least", "ok": ok}), file=file)"""
INLINE = "module://matplotlib_inline.backend_inline"  # puts figures into the notebook
CHAPTERS = {
    "01_good": [
        "# 01 · Good\n\n*Measured on two CPU cores: not yet.*",
        (PARAMETERS, "parameters"),
        "## Claims",
        (CLAIM, ""),
        ("print(RATE, STEPS, LABEL, FAST, SIZES, EVERY, HALF)", ""),
        ("import os, groundup; print(os.getcwd(), os.environ['MPLBACKEND'])", ""),
        ("", ""),
        ("ballast = bytearray(200_000_000); import time; time.sleep(0.4)", "solution"),
    ],
    "02_fails": ["# 02 · Fails", ("x = 1", ""), ("1 / 0  # here", ""), ("x = 2", "")],
    "03_killed": ["# 03 · Killed", ("import os, signal", ""), ("os.kill(os.getpid(), signal.SIGKILL)", "")],
    "04_slow": [
        "# 04 · Slow",
        ("RATE = 1  # of another type", "parameters"),
        (
            "import subprocess, time; print('begun', flush=True)\n"
            "child = subprocess.Popen(['sleep', '4711'])\nopen('child', 'w').write(str(child.pid))\n"
            "time.sleep(60)",
            "",
        ),
    ],
    "05_leaves": ["# 05 · Leaves", ("import os; os._exit(3)", "")],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout of its own: notebooks/ and a README with a place for the budget."""
    root = tmp_path_factory.mktemp("mit Umläuten und Leerzeichen")
    (root / "notebooks").mkdir()
    (root / "README.md").write_text("before\n<!-- budget -->\nold\n<!-- /budget -->\nafter\n")
    for name, cells in CHAPTERS.items():
        nb = nbformat.v4.new_notebook()
        for cell in cells:
            if isinstance(cell, str):
                nb.cells.append(nbformat.v4.new_markdown_cell(cell))
            else:
                nb.cells.append(nbformat.v4.new_code_cell(cell[0], metadata={"tags": [cell[1]] if cell[1] else []}))
        nbformat.write(nb, root / "notebooks" / f"{name}.ipynb")
    return root


def start(folder, *arguments):
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(folder / "notebooks"), MPLBACKEND="TkAgg")
    return subprocess.Popen(
        [sys.executable, "-m", "coursetools.run", *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )


def call(folder, *arguments):
    """(exit status, everything printed)"""
    child = start(folder, *arguments)
    printed = child.communicate(timeout=60)[0]
    return child.returncode, printed


def streams(path):
    return "".join(
        output.text
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )


@pytest.fixture(scope="module")
def whole(folder):
    """One run of all the chapters, good and bad, in a folder that cannot be written: (status, printed, out)."""
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "notebooks").iterdir()}
    (folder / "notebooks").chmod(0o555)
    status, printed = call(folder, "--timeout", "2", "--out", "out ü")
    (folder / "notebooks").chmod(0o755)
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "notebooks").iterdir()} == before
    return status, printed, folder / "out ü"


def test_exit_status_and_closing_table(whole):
    status, printed, _ = whole
    assert status == 1
    rows = [line.split() for line in printed.splitlines()[-5:]]
    assert [row[0] for row in rows] == list(CHAPTERS)
    assert rows[0][3:] == ["2", "of", "3"]
    assert all(row[3:] == ["0", "of", "0", "failed"] for row in rows[1:])


def test_a_line_for_each_cell(whole):
    lines = whole[1].split("\n02_fails\n")[0].splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("[")] == [f"[{n}/5]" for n in range(1, 6)]
    assert lines[2].endswith(" s  01 · Good") and lines[3].endswith(" s  Claims")
    assert lines[4].endswith("  print(RATE, STEPS, LABEL, FAST, SIZES, EVERY, HALF)")


def test_executed_copy_and_page(whole, folder):
    out = whole[2]
    assert (
        streams(out / "01_good.ipynb") == f"0.1 3 a True (1, 2) None 0.5\n{folder} {INLINE}\n"
    )  # whatever the reader's shell says
    assert "01_good</title>" in (out / "01_good.html").read_text(encoding="utf-8")
    names = {path.name for path in out.iterdir()}
    assert names == {"01_good.ipynb", "01_good.html", "report.json"} | {
        f"{name}.partial.ipynb" for name in CHAPTERS if name != "01_good"
    }


def test_report(whole):
    report = json.loads((whole[2] / "report.json").read_text(encoding="utf-8"))
    assert list(report) == list(CHAPTERS)
    good = report["01_good"]
    assert good["error"] is None and len(good["claims"]) == 3
    assert good["claims"][0] == {"name": "c", "value": 1, "bound": 2, "kind": "at_least", "ok": True}
    assert 220 < good["peak_mb"] < 600 and 0.4 < good["seconds"] < 30


def test_a_failing_cell_is_named_and_the_rest_runs(whole):
    printed = whole[1]
    assert "02_fails: cell 2 of 3 failed\n    1 / 0  # here\nZeroDivisionError: division by zero\n" in printed
    partial = whole[2] / "02_fails.partial.ipynb"
    assert f"The notebook so far: {partial}\n" in printed
    assert "ZeroDivisionError" in partial.read_text(encoding="utf-8")
    assert "Traceback" not in printed


def test_a_dead_kernel_is_reported_soon_for_what_it_is(whole):
    assert "03_killed: cell 2 of 2 failed" in whole[1]
    assert "the kernel was killed (signal 9, often out of memory); it held" in whole[1]
    assert "the kernel ended itself (status 3)" in whole[1]
    report = json.loads((whole[2] / "report.json").read_text(encoding="utf-8"))
    assert report["03_killed"]["seconds"] < 10 and report["05_leaves"]["seconds"] < 10


def test_a_cell_past_its_time(whole, folder):
    assert "04_slow: cell 2 of 2 failed" in whole[1] and "cell 2 ran longer than 2 s; --timeout" in whole[1]
    assert streams(whole[2] / "04_slow.partial.ipynb") == "begun\n"
    assert not psutil.pid_exists(int((folder / "child").read_text()))


@pytest.fixture(scope="module")
def again(whole, folder):
    """The first chapter once more, with parameters, where another run was killed and one goes on: (status, printed)."""
    for name in ("killed", "another host's"):
        (whole[2] / f".run-{name}").mkdir()
    os.utime(whole[2] / ".run-killed", (time.time() - 2 * run.ABANDONED,) * 2)
    before = (folder / "notebooks" / "01_good.ipynb").read_bytes()
    given = {"RATE": "-1e-3", "LABEL": '0 "ü" \\n', "FAST": "false", "SIZES": "(4,)", "EVERY": "7", "HALF": "x y"}
    words = [word for name, text in given.items() for word in ("-p", name, text)]
    status, printed = call(folder, "1", "--out", "out ü", *words)
    assert (folder / "notebooks" / "01_good.ipynb").read_bytes() == before
    return status, printed


def test_parameters_and_report_of_other_chapters_kept(whole, again):
    assert again[0] == 0, again[1]
    assert streams(whole[2] / "01_good.ipynb").startswith('-0.001 3 0 "ü" \\n False [4] 7 x y\n')
    report = json.loads((whole[2] / "report.json").read_text(encoding="utf-8"))
    assert list(report) == list(CHAPTERS) and report["01_good"]["parameters"]["RATE"] == -0.001


def test_what_a_killed_run_left_is_cleared(whole, again):
    assert {path.name for path in whole[2].glob(".run-*")} == {".run-another host's"}


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["17"], "there is no chapter 17 in"),
        (["17"], "  02  02_fails"),
        (["01", "-p", "RAT", "1"], "01_good has no parameter RAT; it has\n  RATE = 0.1   step size; x == y\n  STEPS"),
        (["02", "-p", "RATE", "1"], "02_fails has no parameter RATE; it has\n  none"),
        (["01", "04", "-p", "STEPS", "1"], "04_slow has no parameter STEPS"),
        (["01", "04", "-p", "RATE", "0.5"], "RATE takes a int, such as 1; '0.5' is none"),
        (["01", "-p", "RATE", "0,5"], "RATE takes a float, such as 0.1; '0,5' is none"),
        (["01", "-p", "STEPS", "many"], "STEPS takes a int"),
        (["01", "-p", "STEPS", "True"], "STEPS takes a int"),
        (["01", "-p", "FAST", "2"], "FAST takes a bool"),
        (["01", "-p", "SIZES", "3"], "SIZES takes a tuple"),
        (["01", "--refresh", "-p", "STEPS", "3"], "without -p"),
        (["01", "-p", "LABEL"], "-p LABEL has no value: it takes two words"),
        (["01", "-p", "LABEL", ""], "-p LABEL has no value"),
        (["01", "-p", "LABEL", "-p", "STEPS", "3"], "-p LABEL has no value"),
        (["01", "-p", "LABEL", "--profile"], "-p LABEL has no value"),
        (["01", "-p"], "-p  has no value"),
        (["01", "-p", "RATE", "nan"], "RATE takes finite numbers"),
    ],
)
def test_refused_before_anything_runs(main, folder, tmp_path, capsys, arguments, expected):
    assert main(folder / "notebooks", "--out", str(tmp_path / "out"), *arguments) == 2
    said = capsys.readouterr().err
    assert expected in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.fixture
def main(monkeypatch):
    """Function that calls the command line in this process, for a folder of chapters; returns the exit status."""
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)

    def call(notebooks, *arguments):
        monkeypatch.setattr(notebook, "NOTEBOOKS", notebooks)
        try:
            return run.main(list(arguments))
        finally:
            run.logging.disable(run.logging.NOTSET)

    return call


@pytest.mark.parametrize("arguments", [["--timeout", "0"], ["--timeout", "-1"], ["--timeout", "nan"]])
def test_a_time_limit_is_a_positive_number(main, folder, tmp_path, capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(folder / "notebooks", "--out", str(tmp_path / "out"), *arguments)
    assert "argument --timeout: invalid seconds value" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["notebooks", "link"])
def test_the_chapters_are_not_replaced_by_their_executed_copies(main, folder, tmp_path, monkeypatch, capsys, out):
    (tmp_path / "link").symlink_to(folder / "notebooks")
    before = {path: path.read_bytes() for path in (folder / "notebooks").iterdir()}
    place = folder / out if out == "notebooks" else tmp_path / out
    assert main(folder / "notebooks", "01", "--out", str(place)) == 2
    assert "holds the chapters themselves" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (folder / "notebooks").iterdir()} == before


@pytest.mark.parametrize("out", ["", "~/x"])
def test_out_that_is_empty_or_at_home(main, folder, tmp_path, monkeypatch, capsys, out):
    """At home: refused there, since the file of that name is in the way, and no folder called ~ is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "x").touch()
    assert main(folder / "notebooks", "01", "--out", out) == (1 if out else 2)
    assert (f"({tmp_path / 'home' / 'x'})" if out else "OUT is empty") in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize(
    "content, expected",
    [
        ('"a text"', "01_mine.ipynb is not a notebook: it holds a text"),
        ("null", "01_mine.ipynb is not a notebook: it holds nothing (null)"),
        ("[]", "01_mine.ipynb is not a notebook: it holds a list"),
        ("", "01_mine.ipynb is not a notebook: Expecting value"),
        (
            '{"nbformat": 4, "cells": [{"source": "1"}]}',
            "01_mine.ipynb is not a notebook: in cell 1, cell_type is None",
        ),
        (
            '{"nbformat": 4, "cells": [{"cell_type": "code", "source": "%x", "metadata": {"tags": ["parameters"]}}]}',
            "01_mine.ipynb: cell 1, which sets the parameters, is not plain Python in line 1, '%x'",
        ),
    ],
)
def test_a_notebook_made_by_hand(main, tmp_path, capsys, content, expected):
    (tmp_path / "01_mine.ipynb").write_text(content)
    assert main(tmp_path, "01", "-p", "A", "1", "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"coursetools.run: {expected}") and said.count("\n") == 1


@pytest.mark.parametrize(
    "text, default, value",
    [
        *((text, True, False) for text in ("false", "No", "off", "0")),
        *((text, False, True) for text in ("TRUE", "yes", "on", "1")),
        *((text, None, False) for text in ("false", "no", "Off")),
        *((text, None, True) for text in ("true", "yes", "on")),
        ("none", None, None),
        ("None", None, None),
        ("0", None, 0),
        ("nan", None, "nan"),
        ("no", "text", "no"),
        ("1e3", 0.1, 1000.0),
        ("[1, 'a']", (1, 2), [1, "a"]),
    ],
)
def test_values_of_parameters(text, default, value):
    found = run.typed("NAME", text, default)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text, default",
    [
        *((text, 0.1) for text in ("nan", "inf", "-Infinity", "1e400")),
        *((text, None) for text in ("1e400", "[1, -1e400]", "{1, 2}", "1j", "b'x'", "\udcff")),
        ("(1e400,)", (1,)),
        ("\udcff", "text"),
        ("none", True),
        ("2", False),
        ("9" * 5000, 3),
        ("(" * 5000, (1,)),
    ],
)
def test_values_that_the_report_cannot_hold_are_refused(text, default):
    with pytest.raises(run.Refused, match=r"^NAME takes "):
        run.typed("NAME", text, default)


def test_a_report_of_something_else_is_kept_aside(tmp_path, capsys):
    path = tmp_path / "report.json"
    for number, content in enumerate(['["mine"]', "mine", "null", "[" * 100_000], 1):
        path.write_text(content)
        run.add_to_report(path, "01_a", {"seconds": 1})
        assert json.loads(path.read_text()) == {"01_a": {"seconds": 1}}
        assert (tmp_path / f"report.{number}.json").read_text() == content
        assert f"kept as report.{number}.json" in capsys.readouterr().out


def test_the_report_is_strict_json(tmp_path):
    path = tmp_path / "report.json"
    path.write_text('{"01_a": {"seconds": NaN}}')  # an older version wrote this
    run.add_to_report(path, "02_b", {"error": "no file \udcff"})
    report = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert report == {"01_a": {"seconds": "NaN"}, "02_b": {"error": "no file \udcff"}}
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.add_to_report(path, "03_c", {"seconds": float("inf")})
    assert json.loads(path.read_text(encoding="utf-8")) == report


def test_two_runs_lose_nothing_of_each_other_s_report(tmp_path):
    code = (
        "import sys; from pathlib import Path; from coursetools import run\n"
        "for k in range(40):\n    run.add_to_report(Path(sys.argv[1]), f'{sys.argv[2]}_{k:02d}', {})"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "report.json", name]) for name in "ab"]
    assert [one.wait(60) for one in both] == [0, 0]
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report) == [f"{name}_{k:02d}" for name in "ab" for k in range(40)]


def test_a_report_that_cannot_be_read_is_said_before_a_chapter_runs(main, folder, tmp_path, capsys):
    (tmp_path / "report.json").mkdir()
    assert main(folder / "notebooks", "04", "--out", str(tmp_path)) == 1
    said = capsys.readouterr()
    assert f"cannot go on: Is a directory ({tmp_path / 'report.json'})" in said.err and "04_slow" not in said.out


def test_standard_output_closed_and_a_umask_that_takes_everything(folder, tmp_path):
    (tmp_path / "notebooks").mkdir()
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%time 1")])  # and a magic
    nbformat.write(nb, tmp_path / "notebooks" / "01_x.ipynb")
    done = subprocess.run(
        ["sh", "-c", 'umask 777; exec "$0" -m coursetools.run --out out >&-', sys.executable],
        cwd=tmp_path,
        env=dict(os.environ, GROUNDUP_NOTEBOOKS=str(tmp_path / "notebooks")),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"01_x.ipynb", "01_x.html", "report.json"}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}


def test_notebooks_for_own_data_are_found_when_they_are_named(tmp_path, monkeypatch):
    for name in ("01_good", "02_fails", "my_text", "my_table", "notes"):
        (tmp_path / f"{name}.ipynb").touch()
    monkeypatch.setattr(notebook, "NOTEBOOKS", tmp_path)
    found = {
        names: [path.stem for path in notebook.find_chapters(names)] for names in ((), ("my_text",), ("my_table", "1"))
    }
    assert found == {(): ["01_good", "02_fails"], ("my_text",): ["my_text"], ("my_table", "1"): ["my_table", "01_good"]}
    with pytest.raises(run.Refused, match="no chapter notes"):
        notebook.find_chapters(["notes"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_in_the_middle_of_a_cell(folder, tmp_path, number):
    (folder / "child").unlink(missing_ok=True)
    child = start(folder, "04", "--out", str(tmp_path / "out"))
    deadline = time.monotonic() + 30
    while not ((folder / "child").exists() and (folder / "child").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    family = psutil.Process(child.pid).children(recursive=True)
    assert len(family) >= 2  # the kernel, and what it started
    child.send_signal(number)
    printed = child.communicate(timeout=20)[0]
    assert child.returncode == 130, printed
    assert printed.endswith("coursetools.run: stopped; finished chapters are in place, nothing is half written\n")
    assert "Traceback" not in printed
    assert not psutil.wait_procs(family, timeout=3)[1]
    assert list((tmp_path / "out").iterdir()) == []


def test_out_that_cannot_be_written(folder):
    status, printed = call(folder, "01", "--out", "README.md/x")
    assert status == 1
    assert printed.startswith("coursetools.run: cannot go on: Not a directory (") and printed.count("\n") == 1


def test_refresh_and_budget(folder, tmp_path, monkeypatch):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    source = nbformat.read(folder / "notebooks" / "01_good.ipynb", as_version=4)
    shows_path = [cell for cell in source.cells if "getcwd" in cell.source]
    source.cells = [cell for cell in source.cells if cell not in shows_path]
    nbformat.write(source, notebooks / "01_good.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=shows_path), notebooks / "02_path.ipynb")
    before = (notebooks / "02_path.ipynb").read_bytes()
    (tmp_path / "README.md").write_text((folder / "README.md").read_text())
    status, printed = call(tmp_path, "--refresh", "--budget")
    assert status == 1 and "02_path: not written back: code cell 1 shows the path of a machine" in printed
    assert (notebooks / "02_path.ipynb").read_bytes() == before
    nb = nbformat.read(notebooks / "01_good.ipynb", as_version=4)
    assert [cell.execution_count for cell in nb.cells if cell.cell_type == "code"] == [1, 2, 3, None, 4]
    assert (tmp_path / "README.md").read_text() == (folder / "README.md").read_text()  # one failed: no table

    monkeypatch.setattr(notebook, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(machine, "instructions", lambda: "AVX-512")
    budget.write({"01_good": {"seconds": 13.6, "peak_mb": 687, "error": None}}, 251.3)
    assert "*Measured on two CPU cores: 14 s, 690 MB.*" in (notebooks / "01_good.ipynb").read_text(encoding="utf-8")
    assert (tmp_path / "README.md").read_text() == (
        "before\n<!-- budget -->\nTwo cores; GFLOP/s in a 2048² float32 product: 251 with AVX-512.\n\n"
        "| no | chapter | seconds, AVX-512 | MB |\n|---|---|---:|---:|\n"
        "| 01 | [Good](notebooks/01_good.ipynb) | 14 | 690 |\n<!-- /budget -->\nafter\n"
    )
    table = (tmp_path / "README.md").read_text()
    budget.write({}, 251)
    assert (tmp_path / "README.md").read_text() == table  # what was not measured now keeps its line

    monkeypatch.setattr(machine, "instructions", lambda: "AVX2")  # a slower machine: a column beside the first
    budget.write({"01_good": {"seconds": 30.2, "peak_mb": 720, "error": None}}, 125)
    assert "two CPU cores: 14 s, 690 MB.*" in (notebooks / "01_good.ipynb").read_text(encoding="utf-8")
    assert "| 01 | [Good](notebooks/01_good.ipynb) | 14 | 30 | 720 |\n" in (tmp_path / "README.md").read_text()
    assert machine.read(tmp_path / "docs" / "budget.json") == {
        "AVX-512": {"gflops": 251, "chapters": {"01_good": [14, 690]}},
        "AVX2": {"gflops": 125, "chapters": {"01_good": [30, 720]}},
    }
    (tmp_path / "README.md").write_text("no place")
    with pytest.raises(run.Refused, match="has no place for the table"):
        budget.write({}, 251)


def test_the_package_is_found_in_this_checkout():
    assert notebook.SRC == Path(__file__).resolve().parents[1] / "src"


FORKS = """
import os, psutil, signal
from coursetools.kernel import Kernel
held, (ready, tell) = bytearray(b"x") * 200_000_000, os.pipe()
child = os.fork()
if child == 0:
    more = bytearray(b"x") * 50_000_000
    os.write(tell, b"x")
    signal.pause()
os.read(ready, 1)
kernel = Kernel.__new__(Kernel)
kernel.process, kernel.peak_mb = psutil.Process(), 0.0
kernel.look()
os.kill(child, signal.SIGKILL)
print(kernel.peak_mb - kernel.process.memory_info().rss / 1e6)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that shares memory with another")
def test_memory_that_processes_share_counts_once():
    ran = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60)
    assert 45 < float(ran.stdout) < 75, ran.stderr  # what the second process holds alone: 50 MB and a little
