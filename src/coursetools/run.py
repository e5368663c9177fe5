"""Runs chapters without a browser: `python -m coursetools.run [CHAPTER ...] [-p NAME VALUE] ...`

For each chapter: a line per code cell, then an executed copy, an HTML page and an entry in report.json, all in the
folder OUT. A chapter is named by its number (01) or by its file (my_text). Nothing is written under its final name
before it is whole, and no kernel outlives the run. Exit status: 0 all ran, 1 a chapter failed, 2 refused before
anything ran, 130 stopped. GROUNDUP_NOTEBOOKS may name another folder of chapters.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the libraries load just ends

import psutil
from coursetools import budget, machine, notebook, pages, profiling, tidy
from coursetools.kernel import Kernel, Progress, execute
from coursetools.notebook import Refused, find_chapters, nbformat
from groundup import files

TIMEOUT = 600  # seconds that one cell may take
ABANDONED = 7 * 24 * 3600  # seconds after which the scratch folder of a run that was killed outright is cleared
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows: two
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or a signal to end."""


def typed(name, text, default):
    """The value that `text` stands for, of the type of the default; a default of None takes any.

    Raises:
        Refused: the text is of another type, or the report, which is JSON, could not hold it (nan, infinity).
    """
    kind = type(default)
    try:
        if kind is str:
            value = text
        elif kind is bool:
            value = {**WORDS, "1": True, "0": False}[text.lower()]
        elif default is None and text.lower() in (*WORDS, "none"):
            value = WORDS.get(text.lower())
        elif kind is float:
            value = float(text)
        else:
            value = ast.literal_eval(text)
            if kind is tuple and type(value) in (list, tuple):
                value = list(value)  # papermill knows no tuples
            elif default not in (None, ...) and type(value) is not kind:
                raise ValueError(text)
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        if default not in (None, ...):
            raise Refused(f"{name} takes a {kind.__name__}, such as {default!r}; {text!r} is none") from None
        value = text
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise Refused(
            f"{name} takes finite numbers, texts in UTF-8, true, false, or lists of these; {text!r} is none"
        ) from None
    return value


def choose_parameters(pairs, chapters):
    """{name: value} of the (name, text) pairs, checked against every chapter. Raises Refused."""
    values = {}
    for path, nb in chapters.items() if pairs else ():
        known = notebook.parameters_of(nb, path.name)
        for name, text in pairs:
            if name not in known:
                listing = [
                    f"  {key} = {'(computed)' if default is ... else repr(default)}   {comment}".rstrip()
                    for key, (default, comment) in known.items()
                ] or ["  none"]
                raise Refused("\n".join([f"{path.stem} has no parameter {name}; it has", *listing]))
            values[name] = typed(name, text, known[name][0])
    return values


def run_chapter(path, nb, values, out, scratch, timeout, profile=False):
    """Run one chapter, read from `path`, print its progress and write its files.

    Returns:
        dict for the report: seconds, peak_mb, parameters, error (None or words), claims; and the executed notebook.
    """
    print(f"\n{path.stem}", flush=True)
    progress, claims = Progress(tidy.clean(nb)), scratch / "claims.jsonl"
    claims.write_text("")
    env = dict(os.environ, GROUNDUP_CLAIMS=str(claims), GROUNDUP_OUT=str(out))
    env.pop("MPLBACKEND", None)  # the kernel sets its own, which puts figures into the notebook; a reader's would not
    began, kernel, error = time.monotonic(), None, "stopped"
    try:
        kernel = Kernel(scratch, env, scratch / "profile.json" if profile else None)
        error = execute(nb, values, timeout, kernel, progress)
    finally:
        seconds = time.monotonic() - began
        if kernel:
            kernel.look()
            kernel.stop(now=error is not None)
    record = {
        "seconds": round(seconds, 1),
        "peak_mb": round(kernel.peak_mb),
        "parameters": values,
        "error": error,
        "claims": [],
    }
    for line in claims.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):  # cut short with the kernel
            record["claims"].append(json.loads(line, parse_constant=str))
    executed = tidy.clean(progress.nb)
    partial = out / f"{path.stem}.partial.ipynb"
    if error:
        files.write(partial, nbformat.writes(executed) + "\n")
        print(
            "\n" * progress.live + f"{path.stem}: cell {progress.number} of {len(progress.labels)} failed\n"
            f"    {progress.first_line}\n{error[:2000]}\nThe notebook so far: {partial}",
            flush=True,
        )
    else:
        files.write(out / f"{path.stem}.ipynb", nbformat.writes(executed) + "\n")
        files.write(out / f"{path.stem}.html", pages.page(executed, path.stem))
        partial.unlink(missing_ok=True)
        print(f"{path.stem}: {seconds:.1f} s, at most {kernel.peak_mb:.0f} MB", flush=True)
    if profile and (scratch / "profile.json").exists():
        print(profiling.table(json.loads((scratch / "profile.json").read_text(encoding="utf-8"))), flush=True)
    return record, executed


@contextlib.contextmanager
def locked(folder):
    """Context in which no other run is in the same context for this folder; where the system has no locks, nothing."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network drives have none
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_report(path):
    """What report.json holds, a dict; {} where there is none. What is no report is kept beside it, and said so."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"), parse_constant=str)
        if isinstance(report, dict):
            return report
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        pass
    number = 1
    while (aside := path.with_name(f"report.{number}.json")).exists():
        number += 1
    os.replace(path, aside)
    print(f"{path} is not a report of this program: kept as {aside.name}, a new one is begun", flush=True)
    return {}


def add_to_report(path, stem, record):
    """Set one chapter's entry in report.json, leaving the others, also those that another run adds meanwhile."""
    with locked(path.parent):
        report = {**read_report(path), stem: record}
        text = json.dumps(dict(sorted(report.items())), indent=1, ensure_ascii=False, allow_nan=False)
        files.write(path, text + "\n")


def table(records):
    """The closing table: chapter, seconds, MB, claims held."""
    width = max(map(len, [*records, "chapter"]))
    lines = [f"\n{'chapter':<{width}}  seconds     MB  claims held"]
    for stem, record in records.items():
        held = f"{sum(claim['ok'] for claim in record['claims'])} of {len(record['claims'])}"
        lines.append(
            f"{stem:<{width}}  {record['seconds']:7.1f}  {record['peak_mb']:5}  {held}"
            + "  failed" * bool(record["error"])
        )
    return "\n".join(lines)


def run(options, pairs):
    """Run the chapters that were asked for; returns the exit status. Raises Refused, OSError, Stopped."""
    if not options.out:
        raise Refused("OUT is empty: name a folder for the results, or leave it out for build/")
    for name, text in pairs:
        if text in ("", "-p") or text.startswith("--"):
            raise Refused(f"-p {name} has no value: it takes two words, -p NAME VALUE; without it the default holds")
    chapters = {path: notebook.read(path) for path in find_chapters(options.chapters)}
    values = choose_parameters(pairs, chapters)
    if values and (options.refresh or options.budget):
        raise Refused("the committed notebooks are those without -p: drop it")
    out = Path(os.path.expanduser(options.out)).absolute()  # a shell leaves the ~ of OUT=~/x to us
    if out.resolve() == notebook.NOTEBOOKS.resolve():
        raise Refused(f"{out} holds the chapters themselves, which their executed copies would replace: another OUT")
    out.mkdir(parents=True, exist_ok=True)
    read_report(out / "report.json")  # if it cannot be read, let that be known before a chapter has run
    for stale in out.glob(".run-*"):
        with contextlib.suppress(OSError):
            if time.time() - stale.stat().st_mtime > ABANDONED:
                shutil.rmtree(stale)
    known, stems = machine.read(notebook.NOTEBOOKS.parent / "docs" / "budget.json"), [path.stem for path in chapters]
    speed = machine.gflops() if known or options.budget else None
    if speed:
        print(machine.words(known, [] if values else stems, speed), flush=True)
    slow = max([1.0, *(about["gflops"] / speed for about in known.values())])
    timeout = options.timeout or round(TIMEOUT * slow)
    records = {}
    # A name of its own, not the process's number: in containers, and on hosts that share OUT, numbers come again.
    with tempfile.TemporaryDirectory(prefix=".run-", dir=out, ignore_cleanup_errors=True) as scratch:
        for path, nb in chapters.items():
            record, executed = run_chapter(path, nb, values, out, Path(scratch), timeout, options.profile)
            if options.refresh and not record["error"]:
                try:
                    tidy.save(pages.lighter(executed), path)
                except ValueError as error:
                    record["error"] = f"not written back: {error}"
                    print(f"{path.stem}: {record['error']}", flush=True)
            records[path.stem] = record
            add_to_report(out / "report.json", path.stem, record)
    print(table(records), flush=True)
    if any(record["error"] for record in records.values()):
        return 1
    if options.budget:
        budget.write(records, speed)
    return 0


def seconds(text):
    """A positive whole number. Raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(arguments=None):
    """Command line; returns the exit status."""
    words, pairs, rest = iter(sys.argv[1:] if arguments is None else arguments), [], []
    for word in words:  # by hand: argparse takes a value such as -1e-3 for an option
        if word == "-p":
            pairs.append((next(words, ""), next(words, "")))
        else:
            rest.append(word)
    parser = argparse.ArgumentParser(prog="coursetools.run", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="01, 02 ... (all when none is given)")
    parser.add_argument("-p", nargs=2, metavar=("NAME", "VALUE"), help="set a parameter; may be given several times")
    parser.add_argument("--out", default="build", help="where the results go (default: build)")
    parser.add_argument(
        "--timeout",
        type=seconds,
        help=f"seconds that one cell may take (default: {TIMEOUT}, and more on "
        "a machine slower than those of the README)",
    )
    parser.add_argument("--refresh", action="store_true", help="for authors: write the outputs back to notebooks/")
    parser.add_argument("--budget", action="store_true", help="for authors: write time and memory into README.md")
    parser.add_argument("--profile", action="store_true", help="print where the time goes in each chapter's slow cells")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        with contextlib.suppress(AttributeError):  # under test it may be something else
            getattr(sys, name).reconfigure(errors="backslashreplace")  # for names of files in another encoding
    options = parser.parse_args(rest)
    os.umask(os.umask(0) & 0o077)  # we must be able to read what we write; what others may stays as it is

    def stop(*_):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # once is enough: what follows only cleans up
        raise Stopped

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, stop)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)  # papermill, nbclient, asyncio and zmq report to us, not to the reader
    try:
        return run(options, pairs)
    except Refused as error:
        return _say(error, 2)
    except Stopped:
        for child in psutil.Process().children(recursive=True):  # a kernel that was just starting
            child.kill()
        return _say("stopped; finished chapters are in place, nothing is half written", 130)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: Jupyter, of a kernel that it cannot start
        if isinstance(error, OSError):
            error = f"{error.strerror or error} ({error.filename or 'output'}); OUT=/elsewhere writes elsewhere"
        return _say(f"cannot go on: {error}", 1)


def _say(text, status):
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"coursetools.run: {text}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
