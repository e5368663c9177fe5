"""Marks what learners hand in: `python -m coursetools.grade DIR [--out OUT]` writes OUT/grades.csv.

DIR holds a folder for each learner with their chapters in it, or files named LEARNER_01_gradient_descent.ipynb. Each
chapter is run from top to bottom in a process of its own, in a scratch copy of its folder, with a limit of time and of
memory. The table has a row for each learner and exercise: learner, exercise, verdict, hint. The verdict is that of
this checkout's graders on the answer that the learner's code leaves behind, whatever the notebook prints or its check
cells say: `right`, `not yet` (with the hint), `not answered`, or `not graded` (the run never came so far; why).

What a submission can do and cannot do:

- It cannot use more time or memory than the limits; it and all it started are ended then.
- On Linux with Landlock (5.13, 2021) it can write and delete only in its scratch copy, and (from 6.12 on) send no
  signal to another process. Where unprivileged network namespaces are allowed it has no network at all, from whatever
  program. The first line printed says which of the two hold here. Without them, connections from Python are refused,
  and what its author may delete here, it may.
- It can fill the disk, and use the processor for as long as its time lasts.
- It can read what the user who marks can read: other submissions, for instance, and the graders.
- It shares a process with the graders. They are loaded afresh for each answer, and prints count for nothing; but code
  written to deceive them can. Marks that count for something want a look at the code.

So mark as a user of its own, on a machine that holds nothing else of worth. Exit status: 0 the table is written
(whatever the verdicts), 1 it could not be written, 2 refused, 130
stopped.
"""

import argparse
import ast
import contextlib
import csv
import ctypes
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from coursetools import run, tidy
from coursetools.tidy import nbformat

OFFLINE = Path(__file__).with_name("offline")  # refuses connections from Python
LARGEST_MB = 50  # of a notebook, and of the files beside it that are copied
NO_NETWORK = ["unshare", "--map-root-user", "--net"]  # of util-linux


def exercises_of(nb):
    """The exercises of a chapter, in order: [(number, what is graded as source, id of the check cell)]."""
    found = []
    for cell in nb.cells:
        if cell.cell_type == "code" and "check" in cell.metadata.get("tags", []):
            call = next(node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call))
            found.append((call.args[0].value, ast.unparse(call.args[1]), cell.id))
    return found


def limits_of(nb):
    """(seconds, MB) that a chapter's run may take: five times the time and 1.5 times the memory it states, and some."""
    stated = re.search(r"Measured on two CPU cores: (\d+) s, (\d+) MB", nb.cells[0].source)
    seconds, mb = (int(stated[1]), int(stated[2])) if stated else (300, 3000)
    return 60 + 5 * seconds, round(1000 + 1.5 * mb)


def read(path):
    """A learner's notebook. Raises ValueError in words when it is none."""
    if path.stat().st_size > LARGEST_MB * 1e6:
        raise ValueError(f"the file has {path.stat().st_size / 1e6:.0f} MB, and {LARGEST_MB} are the limit")
    try:
        nb = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        if not all(isinstance(cell.source, str) for cell in nb.cells):
            raise ValueError("a cell without text")
        return nb
    except Exception as error:  # what nbformat raises depends on what is wrong with the file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise ValueError(f"not a notebook that can be read: {reason}") from None


def find(folder):
    """[(learner, path, chapter's path or None)] of the notebooks in a folder. Raises Refused."""
    if not folder.is_dir():
        raise run.Refused(
            f"there is no folder {folder}: make grade DIR=submissions/ names the one with a folder for each learner"
        )
    chapters, found = run.find_chapters([]), []
    for path in sorted(folder.rglob("*.ipynb")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts) or not path.is_file():  # .ipynb_checkpoints
            continue
        chapter = next((chapter for chapter in chapters if chapter.stem in path.stem), None)
        name = path.stem.partition(chapter.stem)[0].strip(" _-") if chapter else path.stem
        found.append((parts[0] if len(parts) > 1 else name or path.stem, path, chapter))
    if not found:
        raise run.Refused(f"there is no notebook (*.ipynb) in {folder}, nor in the folders in it")
    pairs = [(learner, chapter) for learner, _, chapter in found]
    return [
        (f"{learner} ({path.name})" if pairs.count((learner, chapter)) > 1 else learner, path, chapter)
        for learner, path, chapter in found
    ]


def job_of(nb, chapter):
    """What `sandbox.main` needs: the learner's cells, each with the exercise to grade after it, and the exercises.

    Check and solution cells are not run where they are as we handed them out.
    """
    exercises = exercises_of(chapter)
    at = {cell_id: number for number, _, cell_id in exercises}
    ours = {
        cell.id: cell.source for cell in chapter.cells if {"check", "solution"} & set(cell.metadata.get("tags", []))
    }
    cells = []
    for cell in nb.cells:
        if cell.cell_type == "code":
            known = ours.get(cell.get("id")) == cell.source
            cells.append((None if known else cell.source, at.get(cell.get("id"))))
    return {"cells": cells, "exercises": exercises}


def copy_folder(path, root, to):
    """Copy a notebook and what lies beside it in its learner's folder, up to LARGEST_MB; no links, no hidden files."""
    beside = path.parent.rglob("*") if path.parent != root else []
    files = [
        path,
        *sorted(
            p
            for p in beside
            if p.is_file()
            and not p.is_symlink()
            and p != path
            and not any(part.startswith(".") for part in p.relative_to(path.parent).parts)
        ),
    ]
    room = LARGEST_MB * 1e6
    for file in files:
        room -= file.stat().st_size
        if room < 0:
            break
        target = to / file.relative_to(path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def end(process):
    """End a process and everything it started, also what has moved to a session of its own."""
    while family := [child for child in psutil.Process().children(recursive=True) if child.status() != "zombie"]:
        for member in family:  # orphans come to us: see `main`
            with contextlib.suppress(psutil.Error):
                member.kill()
        psutil.wait_procs(family, timeout=5)
    process.wait()


def watch(job, scratch, seconds, mb, wall):
    """Run `sandbox.main` on a job, within its limits.

    Returns:
        {exercise: what the grader said}, and why the run ended before all was graded: words, or None.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    for name in ("home", "tmp", "out"):
        (scratch / "folder" / f".{name}").mkdir(parents=True)
    folder = scratch / "folder"
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG", "MPLCONFIGDIR", "GROUNDUP_DATA") or name.startswith(("OMP_", "OPENBLAS_", "TF_"))
    }
    env = kept | {
        "PYTHONPATH": str(OFFLINE),
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / ".tmp"),
        "GROUNDUP_OUT": str(folder / ".out"),
        **dict.fromkeys(("HOME", "IPYTHONDIR", "KERAS_HOME", "XDG_CACHE_HOME"), str(folder / ".home")),
    }
    (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
    code = "import sys; sys.path.pop(0); from coursetools.sandbox import main; main(int(sys.argv[1]), *sys.argv[2:])"
    command = [*wall, sys.executable, "-c", code, str(writer), str(scratch / "job.json"), str(folder)]
    process = subprocess.Popen(
        command,
        env=env,
        cwd=scratch,
        pass_fds=[writer],
        start_new_session=True,
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL),
    )
    os.close(writer)
    deadline, verdicts, cell, failed, text, over = time.monotonic() + seconds, {}, "its start", None, b"", None
    expected = [number for number, _, _ in job["exercises"]]
    try:
        running = True
        while running:
            running = process.poll() is None
            with contextlib.suppress(BlockingIOError):
                while piece := os.read(reader, 65536):
                    text += piece
            *lines, text = text.split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError, AttributeError):  # not ours
                    message = json.loads(line)
                    cell, failed = message.get("cell", cell), failed or message.get("error")
                    if message.get("exercise") in expected:
                        verdicts.setdefault(message["exercise"], str(message.get("verdict")))
            text = text[-65536:]
            used = 0
            with contextlib.suppress(psutil.Error):
                for member in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        used += member.memory_info().rss / 1e6
            if used > mb:
                over = f"it needed more than {mb} MB"
            elif time.monotonic() > deadline:
                over = f"it ran longer than {seconds} s"
            if over:
                break
            time.sleep(0.05 * running)
    finally:
        end(process)
        os.close(reader)
    if over is None and process.returncode:
        status = process.returncode
        over = f"its process ended itself (status {status})" if status > 0 else f"its process died of signal {-status}"
    why = f"{over}, in: {cell}" if over else None
    for number, said in verdicts.items():
        if failed and said.startswith("not answered yet:"):
            verdicts[number] = f"{said}; the first cell that failed ended in {failed}"
    return verdicts, why


def rows_of(learner, path, chapter, root, scratch, options, wall):
    """The rows of one notebook, [(learner, exercise, verdict, hint)]; whatever it holds, nothing is raised."""
    ours = nbformat.read(chapter, as_version=4) if chapter else None
    exercises = [number for number, _, _ in exercises_of(ours)] if ours else ["?"]
    try:
        if ours is None:
            raise ValueError(f"the file's name, {path.name}, holds no chapter's, such as 01_gradient_descent")
        nb = read(path)
        copy_folder(path, root, scratch / "folder")
    except (ValueError, OSError) as error:
        return [(learner, number, "not graded", str(error)) for number in exercises]
    seconds, mb = limits_of(ours)
    verdicts, why = watch(job_of(nb, ours), scratch, options.seconds or seconds, options.mb or mb, wall)
    rows = []
    for number in exercises:
        said = verdicts.get(number, f"not graded: {why}")
        verdict, _, hint = said.partition(": ")
        verdict = {"not answered yet": "not answered"}.get(verdict, verdict)
        rows.append((learner, number, verdict, hint))
    return rows


def table(rows):
    """The rows as CSV text. A spreadsheet takes no cell for a formula, and each row is one line."""

    def plain(text):
        text = "".join(letter if letter.isprintable() else " " for letter in text)[:500]
        return "'" + text if text[:1] in ("=", "+", "-", "@") else text

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([("learner", "exercise", "verdict", "hint"), *([plain(field) for field in row] for row in rows)])
    return written.getvalue()


def can_shut_network():
    """Can a process be started without a network here? Tried, not believed."""
    with contextlib.suppress(OSError):
        return not subprocess.call([*NO_NETWORK, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return False


def can_confine():
    """Can a process be kept from writing elsewhere here? Tried, in a process of its own."""
    code = "import sys; from coursetools.sandbox import confine; sys.exit(not confine('/dev/shm'))"
    return not subprocess.call([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def grade(options):
    """Grade all the notebooks in a folder and write the table. Raises Refused, OSError, KeyboardInterrupt."""
    if not options.dir:
        raise run.Refused("make grade DIR=submissions/ says which folder holds what was handed in")
    root, out = Path(options.dir).absolute(), Path(options.out).absolute()
    found = find(root)
    if not OFFLINE.is_dir():
        raise run.Refused(f"{OFFLINE} is missing, which keeps submissions from the network: mark in a whole checkout")
    out.mkdir(parents=True, exist_ok=True)
    wall = NO_NETWORK if can_shut_network() else []
    print(
        "no network: "
        + ("none at all" if wall else "refused within Python only")
        + "; writing elsewhere: "
        + ("refused" if can_confine() else "NOT refused, this kernel has no Landlock")
    )
    rows, width = [], max(len(learner) for learner, _, _ in found)
    for learner, path, chapter in found:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".grade-", dir=out, ignore_cleanup_errors=True) as scratch:
            new = rows_of(learner, path, chapter, root, Path(scratch), options, wall)
        rows += new
        counts = [(verdict, sum(row[2] == verdict for row in new)) for verdict in dict.fromkeys(row[2] for row in new)]
        print(
            f"{learner:<{width}}  {chapter.stem if chapter else path.name}  {time.monotonic() - began:.0f} s  "
            + ", ".join(f"{count} {verdict}" for verdict, count in counts),
            flush=True,
        )
        tidy.write(out / "grades.csv", table(rows))  # after each, so that stopping loses nothing
    print(out / "grades.csv")


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.grade", description=__doc__.splitlines()[0])
    parser.add_argument("dir", metavar="DIR", help="the folder of what was handed in")
    parser.add_argument("--out", default="build", help="where grades.csv goes (default: build)")
    parser.add_argument("--seconds", type=int, help="limit of one notebook (default: 60 + 5 x what its chapter states)")
    parser.add_argument("--mb", type=int, help="limit of memory (default: 1000 + 1.5 x what its chapter states)")
    options = parser.parse_args(arguments)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # processes that a submission orphans become ours, to be ended
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        grade(options)
        return 0
    except run.Refused as error:
        print(f"coursetools.grade: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("coursetools.grade: stopped; grades.csv holds those that were finished", file=sys.stderr)
        return 130
    except OSError as error:
        print(
            f"coursetools.grade: cannot go on: {error.strerror} ({error.filename}); OUT=/elsewhere writes elsewhere",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
