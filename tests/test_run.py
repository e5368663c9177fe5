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
from coursetools import run

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
CHAPTERS = {
    "01_good": [
        "# 01 · Good\n\n*Measured on two CPU cores: not yet.*",
        (PARAMETERS, "parameters"),
        "## Claims",
        (CLAIM, ""),
        ("print(RATE, STEPS, LABEL, FAST, SIZES, EVERY, HALF)", ""),
        ("import os, groundup; print(os.getcwd())", ""),
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
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(folder / "notebooks"))
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
    assert streams(out / "01_good.ipynb") == f"0.1 3 a True (1, 2) None 0.5\n{folder}\n"
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
    gone = subprocess.Popen(["true"])
    gone.wait()
    for number in (gone.pid, os.getpid()):
        (whole[2] / f".run-{number}").mkdir()
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
    assert {path.name for path in whole[2].glob(".run-*")} == {f".run-{os.getpid()}"}


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
    ],
)
def test_refused_before_anything_runs(folder, tmp_path, monkeypatch, capsys, arguments, expected):
    monkeypatch.setattr(run, "NOTEBOOKS", folder / "notebooks")
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)
    try:
        assert run.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    finally:
        run.logging.disable(run.logging.NOTSET)
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_notebooks_for_own_data_are_found_when_they_are_named(tmp_path, monkeypatch):
    for name in ("01_good", "02_fails", "my_text", "my_table", "notes"):
        (tmp_path / f"{name}.ipynb").touch()
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    found = {names: [path.stem for path in run.find_chapters(names)] for names in ((), ("my_text",), ("my_table", "1"))}
    assert found == {(): ["01_good", "02_fails"], ("my_text",): ["my_text"], ("my_table", "1"): ["my_table", "01_good"]}
    with pytest.raises(run.Refused, match="no chapter notes"):
        run.find_chapters(["notes"])


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

    monkeypatch.setattr(run, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(run.machine, "instructions", lambda: "AVX-512")
    run.write_budget({"01_good": {"seconds": 13.6, "peak_mb": 687, "error": None}}, 251.3)
    assert "*Measured on two CPU cores: 14 s, 690 MB.*" in (notebooks / "01_good.ipynb").read_text(encoding="utf-8")
    assert (tmp_path / "README.md").read_text() == (
        "before\n<!-- budget -->\nTwo cores; GFLOP/s in a 2048² float32 product: 251 with AVX-512.\n\n"
        "| no | chapter | seconds, AVX-512 | MB |\n|---|---|---:|---:|\n"
        "| 01 | [Good](notebooks/01_good.ipynb) | 14 | 690 |\n<!-- /budget -->\nafter\n"
    )
    table = (tmp_path / "README.md").read_text()
    run.write_budget({}, 251)
    assert (tmp_path / "README.md").read_text() == table  # what was not measured now keeps its line

    monkeypatch.setattr(run.machine, "instructions", lambda: "AVX2")  # a slower machine: a column beside the first
    run.write_budget({"01_good": {"seconds": 30.2, "peak_mb": 720, "error": None}}, 125)
    assert "two CPU cores: 14 s, 690 MB.*" in (notebooks / "01_good.ipynb").read_text(encoding="utf-8")
    assert "| 01 | [Good](notebooks/01_good.ipynb) | 14 | 30 | 720 |\n" in (tmp_path / "README.md").read_text()
    budget = run.machine.read(tmp_path / "docs" / "budget.json")
    assert budget == {
        "AVX-512": {"gflops": 251, "chapters": {"01_good": [14, 690]}},
        "AVX2": {"gflops": 125, "chapters": {"01_good": [30, 720]}},
    }
    (tmp_path / "README.md").write_text("no place")
    with pytest.raises(run.Refused, match="has no place for the table"):
        run.write_budget({}, 251)


def test_the_package_is_found_in_this_checkout():
    assert run.SRC == Path(__file__).resolve().parents[1] / "src"
