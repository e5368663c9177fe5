"""Marks what learners hand in: `python -m coursetools.grade DIR [--out OUT]` writes OUT/grades.csv.

DIR holds a folder for each learner with their chapters in it, or files named LEARNER_01_gradient_descent.ipynb. Each
chapter is run from top to bottom in a process of its own, in a scratch copy of its folder, with a limit of time and of
memory. The table has a row for each learner and exercise: learner, exercise, verdict, hint. The verdict is that of
this checkout's graders on the answer that the learner's code leaves behind, whatever the notebook prints or its check
cells say: `right`, `not yet` (with the hint), `not answered`, or `not graded` (why: the run never came so far, or no
notebook was found). The last answer counts, also one in a cell below the check or at the end.

What keeps a submission in is bubblewrap (`bwrap`) where it works; else namespaces of util-linux (`unshare`) and
Landlock (Linux 5.13, 2021), whichever of the two there is; else nothing. The first line printed says which hold here.

- It cannot use more time or memory than the limits; it and all it started are ended then. Memory is what the system
  counts for processes, without files held in memory.
- With bubblewrap or Landlock it can write and delete only in its scratch copy. Landlock lets it change modes and times
  of other files of the user who marks, and (before Linux 6.12) send signals to that user's processes.
- With bubblewrap or unshare it has no network but loopback, and shared memory (/dev/shm, System V) of its own. With
  Landlock alone /dev/shm is closed, the other is not; without it, learners can leave things for each other in both.
- With bubblewrap it sees neither what was handed in nor OUT. Otherwise it can read what the user who marks can.
- Without any of these, connections from Python are refused, and what its author may delete here, it may. So it is on
  macOS, where also a process that left its session stays. On Windows nothing is marked.
- It can fill the disk, and use the processor for as long as its time lasts.
- It shares a process with the graders. They are loaded afresh for each answer, and prints count for nothing; but code
  written to deceive them can. Marks that count for something want a look at the code.

So mark as a user of its own, on a machine that holds nothing else of worth. Exit status: 0 the table is written
(whatever the verdicts), 1 it could not be written, 2 refused, 130 stopped.
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
import warnings
from pathlib import Path

import psutil
from coursetools import machine, notebook, tidy
from coursetools.notebook import Refused
from coursetools.tidy import nbformat

OFFLINE = Path(__file__).with_name("offline")  # refuses connections from Python
LARGEST_MB = 50  # of a notebook, and of the files beside it that are copied
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
VERDICTS = ("right", "not yet", "not answered", "not graded")
ROUND = 2**20  # bytes that are read from a submission's pipe before its limits are looked at again
LONGEST = 65536  # bytes of a line on the pipe; ours are shorter
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount", "--ipc"]  # of util-linux
START = "import sys; sys.path.pop(0); from coursetools.sandbox import "  # not from the folder it starts in


def exercises_of(nb):
    """The exercises of a chapter, in order: [(number, what is graded as source, id of the check cell)]."""
    found = []
    for cell in nb.cells:
        if cell.cell_type == "code" and "check" in cell.metadata.get("tags", []):
            call = next(node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call))
            found.append((call.args[0].value, ast.unparse(call.args[1]), cell.id))
    return found


def limits_of(stem, budget, speed):
    """(seconds, MB) that a chapter's run may take: 60 + 5 times the time expected here, 1000 + 1.5 times its memory.

    Args:
        stem: str, the chapter's name, such as "01_gradient_descent".
        budget: as `machine.read` gives it. A chapter that it does not hold is taken for one of 300 s and 3000 MB.
        speed: GFLOP/s of this machine; not used where the budget is empty.
    """
    seconds = machine.expect(budget, [stem], speed) or 300
    mb = max((about["chapters"][stem][1] for about in budget.values() if stem in about["chapters"]), default=3000)
    return round(60 + 5 * seconds), round(1000 + 1.5 * mb)


def shown(name):
    """A file's name or path as text to write: what is not UTF-8 or not printable becomes an escape such as \\xe9."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def read(path):
    """A learner's notebook. Raises ValueError in words when it is none, OSError."""
    if path.stat().st_size > LARGEST_MB * 1e6:
        raise ValueError(f"the file has {path.stat().st_size / 1e6:.0f} MB, and {LARGEST_MB} are the limit")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise ValueError("the file is empty")
        content = json.loads(text)
        if not isinstance(content, dict) or not isinstance(content.get("cells", content.get("worksheets")), list):
            raise ValueError("it is JSON, but not a notebook: it has no list of cells")
        for number, cell in enumerate(content.get("cells", []), 1):
            if not isinstance(cell, dict):
                raise ValueError(f"cell {number} is not a cell, but {str(cell)[:20]!r}")
            if cell.get("cell_type") not in ("code", "markdown", "raw", "heading"):
                raise ValueError(f"cell {number} does not say whether it is code or text (cell_type)")
            lines = cell.get("source", cell.get("input"))
            if not isinstance(lines, str) and not (isinstance(lines, list) and all(isinstance(x, str) for x in lines)):
                raise ValueError(f"cell {number} has no text (source)")
            if "id" in cell:
                cell["id"] = str(cell["id"])  # a list cannot be looked up
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two cells with one id, which it mends
            return nbformat.reads(json.dumps(content), as_version=4)
    except UnicodeDecodeError:
        reason = "the file is not UTF-8, as notebooks are: another kind of file, or saved by another program"
    except json.JSONDecodeError as error:
        reason = f"the file is not JSON, which notebooks are, or was cut off: line {error.lineno}, column {error.colno}"
    except RecursionError:
        reason = "its JSON is nested too deeply for a notebook"
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # what nbformat raises depends on what is wrong with the file
        words = (str(error).splitlines() or [""])[0][:100] or type(error).__name__
        reason = f"Jupyter's own reader of notebooks refuses it: {words}"
    raise ValueError(f"not a notebook that can be read: {reason}")


def files_of(entry):
    """The files in a learner's folder, sorted; none that are hidden or in build/, where `make run` puts its results.

    Links are among them, and so are folders that cannot be opened.
    """
    found, folders = [], [Path(entry)]
    while folders:
        folder = folders.pop()
        try:
            items = [item for item in os.scandir(folder) if not item.name.startswith(".")]
        except OSError:
            found.append(folder)
            continue
        for item in items:
            if not item.is_dir(follow_symlinks=False):
                found.append(folder / item.name)
            elif item.name not in ("build", "__MACOSX"):
                folders.append(folder / item.name)
    return sorted(found)


def why_not(path, name):
    """Why a file that was handed in is not marked, in words; None for a notebook."""
    lower = path.name.lower()
    if path.is_symlink():
        return f"{name} is a link, and links are not followed"
    if path.is_dir():
        return f"{name} cannot be opened"
    if lower.endswith(ARCHIVES):
        return f"{name} is an archive: unpack it"
    if not lower.endswith(".ipynb"):
        if ".ipynb" in lower:
            return f"{name}: rename it so that its name ends in .ipynb"
        return f"{name} is not a notebook (*.ipynb)"
    return None if path.is_file() else f"{name} is not a file"


def find(folder, out=None):
    """What was handed in: [(learner, path, chapter's path or None, why it is not marked or None)]. Raises Refused.

    Each learner is in it: whoever handed in no notebook, with the reason. `out`, if it lies in the folder, is left out.
    """
    if not folder.is_dir():
        raise Refused(
            f"there is no folder {folder}: make grade DIR=submissions/ names the one with a folder for each learner"
        )
    chapters, found = notebook.find_chapters([]), []

    def chapter_of(path):
        return next((chapter for chapter in chapters if chapter.stem.lower() in path.name.lower()), None)

    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry == out:
            continue
        if entry.is_dir() and not entry.is_symlink():
            learner, files = shown(entry.name), files_of(entry)
            names = {path: shown(path.relative_to(entry)) if path != entry else "the folder" for path in files}
            reasons = {path: why_not(path, names[path]) for path in files}
            telling = [  # the others are what lies beside a notebook
                path
                for path in files
                if ".ipynb" in path.name.lower()
                or (path.is_dir() and not path.is_symlink())
                or (path.parent == entry and path.name.lower().endswith(ARCHIVES))
            ]
            found += [(learner, path, chapter_of(path), reasons[path]) for path in telling]
            if not telling:
                first = ", ".join([names[path] for path in files[:5]] + ["..."] * (len(files) > 5))
                why = f"no notebook (*.ipynb) among its files: {first}"
                if not files:
                    hides = any(entry.iterdir())
                    why = "the folder holds only hidden files, or build/" if hides else "the folder is empty"
                found.append((learner, entry, None, why))
        else:
            chapter = chapter_of(entry)
            first = re.split(re.escape(chapter.stem) if chapter else r"\.ipynb|\.tar", entry.name, flags=re.IGNORECASE)[
                0
            ]
            name = first.strip(" _-") if first != entry.name else entry.stem
            found.append((shown(name or entry.stem), entry, chapter, why_not(entry, shown(entry.name))))
    if not found:
        raise Refused(f"there is no notebook (*.ipynb) in {folder}, nor in the folders in it")
    pairs = [(learner, chapter) for learner, _, chapter, why in found if why is None]
    return [
        (f"{learner} ({shown(path.relative_to(folder))})", path, chapter, why)
        if why is None and pairs.count((learner, chapter)) > 1
        else (learner, path, chapter, why)
        for learner, path, chapter, why in found
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
    """Copy a notebook and what lies beside it in its learner's folder, up to LARGEST_MB; no links, no hidden files.

    Returns:
        list of str: the files that were left out, the large ones, with their size. Raises OSError.
    """
    beside = [file for file in files_of(path.parent) if file.is_file() and not file.is_symlink() and file != path]
    files = [path, *sorted(beside, key=lambda file: file.stat().st_size)] if path.parent != root else [path]
    room, left = LARGEST_MB * 1e6, []
    for file in files:
        size, name = file.stat().st_size, file.relative_to(path.parent)
        if size > room:
            left.append(f"{shown(name)} ({size / 1e6:.0f} MB)")
            continue
        room -= size
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / name)
    return left


def living():
    """The processes below this one that have not ended; those that vanish meanwhile are none."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def end(process):
    """End a process and everything it started, also what has moved to a session of its own."""
    while family := living():
        for member in family:  # orphans come to us: see `main`
            with contextlib.suppress(psutil.Error):
                member.kill()
        psutil.wait_procs(family, timeout=5)
    if sys.platform != "linux":  # orphans do not come to us; those of the same session are left
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def drain(reader):
    """What is in a pipe now, bytes; not much more than ROUND, so that whoever keeps it full is not read for ever."""
    text = b""
    with contextlib.suppress(BlockingIOError):
        while len(text) < ROUND and (piece := os.read(reader, 65536)):
            text += piece
    return text


def message_of(line):
    """What `sandbox.main` said in a line of its pipe, {name: words}; {} for all else that a submission writes there."""
    try:
        message = json.loads(line) if len(line) <= LONGEST else None
    except (ValueError, RecursionError):
        return {}
    return {name: said for name, said in message.items() if isinstance(said, str)} if isinstance(message, dict) else {}


def bubblewrap(scratch, hidden):
    """The command under which a process writes in its scratch folder only and does not see the `hidden` folders."""
    command = "bwrap --die-with-parent --cap-drop ALL --unshare-net --unshare-ipc --unshare-pid".split()
    command += "--ro-bind / / --dev /dev --proc /proc".split()
    for folder in hidden:
        command += ["--tmpfs", folder]
    command += ["--ro-bind", scratch, scratch, "--bind", scratch / "folder", scratch / "folder"]
    command += ["--bind", scratch / "shm", "/dev/shm", "--remount-ro", "/dev"]
    for folder in hidden:
        command += ["--remount-ro", folder]
    return [str(word) for word in command]


def hideable(folders):
    """Those of some folders that hold nothing a submission needs: Python, the course's packages, notebooks and data.

    Of two that lie in each other, the outer one.
    """
    needed = [
        sys.executable,
        sys.prefix,
        sys.base_prefix,
        notebook.SRC,
        notebook.NOTEBOOKS,
        notebook.SRC.parent / "data",
    ]
    needed += [os.environ[name] for name in ("GROUNDUP_DATA", "MPLCONFIGDIR") if os.environ.get(name)]
    needed = [Path(path).resolve() for path in needed]
    free = [folder for folder in folders if not any(path.is_relative_to(folder) for path in needed)]
    return [folder for folder in dict.fromkeys(free) if not any(other in folder.parents for other in free)]


def watch(job, scratch, seconds, mb, wall, hidden=()):
    """Run `sandbox.main` on a job, within its limits.

    Args:
        job: as `job_of` gives it.
        scratch: absolute path of a folder that holds the copy to run, `folder`.
        seconds, mb: the limits.
        wall: as `choose_wall` gives it.
        hidden: folders that bubblewrap keeps out of sight.

    Returns:
        {exercise: what the grader said}, and why the run ended before all was graded: words, or None.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    for name in ("folder/.home", "folder/.tmp", "folder/.out", "shm"):
        (scratch / name).mkdir(parents=True)
    folder = scratch / "folder"
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG", "MPLCONFIGDIR", "GROUNDUP_DATA") or name.startswith(("OMP_", "OPENBLAS_", "TF_"))
    }
    env = kept | {
        "PYTHONPATH": os.pathsep.join([str(OFFLINE), str(notebook.SRC)]),  # the graders of this checkout
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / ".tmp"),
        "GROUNDUP_OUT": str(folder / ".out"),
        **dict.fromkeys(("HOME", "IPYTHONDIR", "KERAS_HOME", "XDG_CACHE_HOME"), str(folder / ".home")),
    }
    (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
    before = {"bubblewrap": bubblewrap(scratch, hidden), "unshare": UNSHARE}.get(wall, [])
    paths = [scratch / "job.json", wall, folder, scratch / "shm"]
    code = START + "main; main(int(sys.argv[1]), *sys.argv[2:])"
    command = [*before, sys.executable, "-c", code, str(writer), *map(str, paths)]
    process = subprocess.Popen(
        command,
        env=env,
        cwd=scratch,
        pass_fds=[writer],
        start_new_session=True,
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL),
    )
    os.close(writer)
    deadline, verdicts, cell, failed, over, rest = time.monotonic() + seconds, {}, "its start", None, None, b""

    def take(new):
        nonlocal cell, failed, rest
        *lines, rest = (rest + new).split(b"\n")
        rest = rest[-LONGEST - 1 :]  # of a line too long to be ours, enough to tell
        for message in map(message_of, lines):
            cell, failed = message.get("cell", cell), failed or message.get("error")
            if message.get("exercise") in expected and "verdict" in message:
                verdicts[message["exercise"]] = message["verdict"]

    expected = [number for number, _, _ in job["exercises"]]
    try:
        while process.poll() is None:
            new = drain(reader)
            take(new)
            used = 0
            for member in living():
                with contextlib.suppress(psutil.Error):
                    used += member.memory_info().rss / 1e6
            if used > mb:
                over = f"it needed more than {mb} MB"
            elif time.monotonic() > deadline:
                over = f"it ran longer than {seconds} s"
            if over:
                break
            if len(new) < ROUND:
                time.sleep(0.05)
    finally:
        end(process)
        while new := drain(reader):  # nobody writes any more
            take(new)
        os.close(reader)
    if over is None and (process.returncode or verdicts.keys() < set(expected)):
        status = process.returncode
        died = -status if status < 0 else status - 128 if 128 < status <= 192 else 0  # bubblewrap adds 128
        over = f"its process died of signal {died}" if died else f"its process ended itself (status {status})"
    why = f"{over}, in: {cell}" if over else None
    for number, said in verdicts.items():
        if failed and said.startswith("not answered yet:"):
            verdicts[number] = f"{said}; the first cell that failed ended in {failed}"
    return verdicts, why


def rows_of(learner, path, chapter, root, scratch, limits, wall, hidden=()):
    """The rows of one notebook, [(learner, exercise, verdict, hint)], and words on files left out, or "".

    Whatever the notebook holds, one that cannot be marked gets rows that say why. `limits`: (seconds, MB).
    """
    ours = nbformat.read(chapter, as_version=4) if chapter else None
    exercises = [number for number, _, _ in exercises_of(ours)] if ours else ["?"]
    try:
        if ours is None:
            stem = next((path.stem for path in notebook.find_chapters([])), "01_gradient_descent")
            raise ValueError(f"the file's name, {shown(path.name)}, holds no chapter's, such as {stem}")
        nb = read(path)
        left = copy_folder(path, root, scratch / "folder")
    except (ValueError, OSError) as error:
        why = f"a file cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        return [(learner, number, "not graded", why) for number in exercises], ""
    verdicts, why = watch(job_of(nb, ours), scratch, *limits, wall, hidden)
    note, rows = f"not copied, since {LARGEST_MB} MB are the limit: {', '.join(left)}" if left else "", []
    for number in exercises:
        said = verdicts.get(number, f"not graded: {why}")
        verdict, _, hint = said.partition(": ")
        verdict = {"not answered yet": "not answered"}.get(verdict, verdict)
        if verdict not in VERDICTS:  # ours are; it may hold what a terminal obeys
            verdict, hint = "not graded", f"the submission gave itself a verdict that does not exist: {said[:80]!r}"
        rows.append((learner, number, verdict, "; ".join(filter(None, [hint[:400], verdict != "right" and note]))))
    return rows, note


def table(rows):
    """The rows as CSV text. A spreadsheet takes no cell for a formula, and each row is one line."""

    def plain(text):
        text = "".join(letter if letter.isprintable() else " " for letter in text)[:500]
        return "'" + text if text[:1] in ("=", "+", "-", "@") else text

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([("learner", "exercise", "verdict", "hint"), *([plain(field) for field in row] for row in rows)])
    return written.getvalue()


def works(command):
    """Does a command that should do nothing succeed here? What holds is tried, not believed."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(notebook.SRC), os.environ.get("PYTHONPATH", "")])}
    with contextlib.suppress(OSError):
        return not subprocess.call(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return False


def choose_wall():
    """What submissions are started in here: "bubblewrap", else "unshare", else "" (neither works)."""
    idle = [sys.executable, "-c", ""]
    with tempfile.TemporaryDirectory(prefix="grade-") as out:
        out = Path(out).resolve()
        scratch = out / "scratch"
        for name in ("folder", "shm"):
            (scratch / name).mkdir(parents=True)
        if works([*bubblewrap(scratch, hideable([out])), *idle]):
            return "bubblewrap"
        if works([*UNSHARE, sys.executable, "-c", START + "settle; settle(sys.argv[1])", scratch / "shm"]):
            return "unshare"
    return ""


def can_confine():
    """Can Landlock keep a process from writing elsewhere here?"""
    return works([sys.executable, "-c", START + "confine; sys.exit(not confine('/dev/shm'))"])


def what_holds(wall, confined, hidden):
    """One line: what keeps submissions in on this machine, and what does not."""
    landlock = wall != "bubblewrap" and confined
    shut = wall == "bubblewrap" or confined
    return "; ".join(
        [
            "kept in by " + (" and ".join(filter(None, [wall, landlock and "Landlock"])) or "nothing"),
            "network: " + ("none but loopback" if wall else "refused within Python only"),
            "writing elsewhere: " + ("refused" if shut else "NOT refused"),
            "/dev/shm: " + ("its own" if wall else "closed" if landlock else "SHARED"),
            "other submissions: " + ("out of sight" if hidden else "readable"),
        ]
    )


def clear(folder):
    """Delete a scratch folder, however deep and whatever its modes; what cannot be deleted is left."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, folder], stderr=subprocess.DEVNULL, check=False)


def grade(options):
    """Grade all the notebooks in a folder and write the table. Raises Refused, OSError, KeyboardInterrupt."""
    if not options.dir:
        raise Refused("make grade DIR=submissions/ says which folder holds what was handed in")
    root, out = Path(os.path.expanduser(options.dir)).resolve(), Path(options.out).resolve()  # not all shells expand ~
    found = find(root, out)
    if not OFFLINE.is_dir():
        raise Refused(f"{OFFLINE} is missing, which keeps submissions from the network: mark in a whole checkout")
    out.mkdir(parents=True, exist_ok=True)
    wall = choose_wall()
    hidden = hideable([root, out]) if wall == "bubblewrap" else []
    print(what_holds(wall, can_confine(), any(root.is_relative_to(folder) for folder in hidden)), flush=True)
    with contextlib.suppress(FileNotFoundError):  # of another week, perhaps, and with marks by hand
        os.replace(out / "grades.csv", out / "grades.before.csv")
        print(f"the table that was there is kept as {out / 'grades.before.csv'}", flush=True)
    budget = machine.read(notebook.NOTEBOOKS.parent / "docs" / "budget.json")
    speed = machine.gflops() if budget else None
    rows, width = [], max(len(learner) for learner, *_ in found)
    for learner, path, chapter, why in found:
        began, note = time.monotonic(), ""
        if why:
            new = [(learner, "?", "not graded", why)]
        else:
            limits = limits_of(chapter.stem if chapter else "", budget, speed)
            limits = (options.seconds or limits[0], options.mb or limits[1])
            scratch = Path(tempfile.mkdtemp(prefix=".grade-", dir=out))
            try:
                new, note = rows_of(learner, path, chapter, root, scratch, limits, wall, hidden)
            finally:
                clear(scratch)
        rows += new
        counts = [(verdict, sum(row[2] == verdict for row in new)) for verdict in dict.fromkeys(row[2] for row in new)]
        print(
            f"{learner:<{width}}  {chapter.stem if chapter else shown(path.name)}  {time.monotonic() - began:.0f} s  "
            + ", ".join([*(f"{count} {verdict}" for verdict, count in counts), *filter(None, [why, note])]),
            flush=True,
        )
        tidy.write(out / "grades.csv", table(rows))  # after each, so that stopping loses nothing
    print(out / "grades.csv")


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.grade", description=__doc__.splitlines()[0])
    parser.add_argument("dir", metavar="DIR", help="the folder of what was handed in")
    parser.add_argument("--out", default="build", help="where grades.csv goes (default: build)")
    parser.add_argument("--seconds", type=int, help="limit of one notebook (default: 60 + 5 x what its chapter takes)")
    parser.add_argument("--mb", type=int, help="limit of memory (default: 1000 + 1.5 x what its chapter takes)")
    options = parser.parse_args(arguments)
    if sys.platform == "win32":
        print("coursetools.grade: marking does not run on Windows itself: mark in WSL, or on Linux", file=sys.stderr)
        return 2
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # processes that a submission orphans become ours, to be ended
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not a file of Python's own
            stream.reconfigure(errors="backslashreplace")  # learners' names, whatever the terminal can show
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        grade(options)
        return 0
    except Refused as error:
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
