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
import re
import shutil
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the libraries load just ends

import psutil
from coursetools import machine, profiling, tidy
from coursetools.tidy import nbformat

SRC = Path(__file__).resolve().parents[1]
TIMEOUT = 600  # seconds that one cell may take
NOTEBOOKS = Path(os.environ.get("GROUNDUP_NOTEBOOKS") or SRC.parent / "notebooks")


class Refused(Exception):
    """What was asked for cannot be done; says what can."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or a signal to end."""


def find_chapters(names):
    """Paths of the notebooks named by number or file name; of all numbered chapters when none is named.

    Those that begin with my_, for a reader's own data, run when they are named. Raises Refused.
    """
    chapters = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    existing = [*chapters, *sorted(NOTEBOOKS.glob("my_*.ipynb"))]
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        match = [path for path in existing if stem in (path.stem, path.stem[3:]) or stem.zfill(2) == path.stem[:2]]
        if not match:
            listing = "\n".join(f"  {path.stem[:2]}  {path.stem}" for path in existing) or "  none"
            raise Refused(f"there is no chapter {name} in {NOTEBOOKS}; there is\n{listing}")
        found += [path for path in match if path not in found]
    if not existing:
        raise Refused(f"there is no chapter in {NOTEBOOKS}")
    return found or chapters


def parameters_of(nb):
    """{name: (default, comment)} from the cell tagged `parameters`; a default that is no literal is given as `...`."""
    found = {}
    for cell in nb.cells:
        if "parameters" in cell.metadata.get("tags", []):
            lines = cell.source.splitlines()
            for node in ast.parse(cell.source).body:
                target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
                if isinstance(target, ast.Name):
                    try:
                        default = ast.literal_eval(node.value)
                    except ValueError:
                        default = ...
                    rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
                    found[target.id] = (default, rest.partition("#")[2].strip())
    return found


def typed(name, text, default):
    """The value that `text` stands for, of the type of the default. Raises Refused if it is of another type."""
    kind = type(default)
    if kind is str:
        return text
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is float:
            return float(text)
        value = ast.literal_eval(text)
        if kind is tuple and type(value) in (list, tuple):
            return list(value)  # papermill knows no tuples
        if default not in (None, ...) and type(value) is not kind:
            raise ValueError(text)
        return value
    except (ValueError, SyntaxError, KeyError):
        if default in (None, ...):
            return text
        raise Refused(f"{name} takes a {kind.__name__}, such as {default!r}; {text!r} is none") from None


def choose_parameters(pairs, chapters):
    """{name: value} of the (name, text) pairs, checked against every chapter. Raises Refused."""
    values = {}
    for path, nb in chapters.items():
        known = parameters_of(nb)
        for name, text in pairs:
            if name not in known:
                listing = [
                    f"  {key} = {'(computed)' if default is ... else repr(default)}   {comment}".rstrip()
                    for key, (default, comment) in known.items()
                ] or ["  none"]
                raise Refused("\n".join([f"{path.stem} has no parameter {name}; it has", *listing]))
            values[name] = typed(name, text, known[name][0])
    return values


class Kernel:
    """A kernel of this interpreter, looked at once a second; `peak_mb` counts what it starts too."""

    def __init__(self, scratch, env, profile=None):
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from nbclient.util import run_sync

        self.sync, self.peak_mb = run_sync, 0.0
        first = f"from coursetools import profiling; profiling.begin({str(profile)!r})"
        watched = [f"--IPKernelApp.exec_lines={[first]!r}"] if profile else []
        # kernel_dirs=[]: a kernel of the reader's own that is also called python3 does not count
        self.manager = AsyncKernelManager(
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            kernel_name="python3",
            connection_file=str(scratch / "kernel.json"),
        )
        self.log = scratch / "kernel.log"
        with open(self.log, "wb") as log:  # what is printed before Jupyter listens
            run_sync(self.manager.start_kernel)(
                env=env,
                stdout=log,
                stderr=log,
                cwd=os.getcwd(),
                extra_arguments=["--HistoryManager.hist_file=:memory:", *watched],
            )
        self.process = psutil.Process(self.manager.provisioner.pid)
        self.stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _tree(self):
        with contextlib.suppress(psutil.Error):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def _watch(self):
        while not self.stopped.wait(1.0):
            self.look()

    def look(self):
        """Note the memory that is held now, and the peak of the kernel alone, which Linux keeps."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        with contextlib.suppress(OSError, AttributeError, TypeError):  # TypeError: it has ended, and has no VmHWM
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            total = max(total, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)
        self.peak_mb = max(self.peak_mb, total / 1e6)

    def verdict(self):
        """Why the kernel is gone, in words, or None if it lives."""
        status = self.manager.provisioner.process.poll()
        if status is None:
            return None
        if status == -9:
            return f"the kernel was killed (signal 9, often out of memory); it held {self.peak_mb:.0f} MB at most"
        if status < 0:
            return f"the kernel was ended by signal {-status} ({signal.Signals(-status).name})"
        words = self.log.read_text(errors="replace").strip().splitlines()[-1:] or ["a chapter must not call exit"]
        return f"the kernel ended itself (status {status}): {words[0]}"

    def stop(self, now=False):
        """End the kernel and everything it started; politely first, unless `now`."""
        self.stopped.set()
        family = self._tree()
        if not now:
            with contextlib.suppress(Exception):
                self.sync(self.manager.shutdown_kernel)()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # the kernel leads a group of its own
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(family, timeout=5)
        with contextlib.suppress(Exception):
            self.sync(self.manager.cleanup_resources)()


class Progress:
    """Prints a line per code cell; knows the notebook and the cell that runs, for when it fails."""

    def __init__(self, nb):
        self.nb, self.number, self.first_line, heading, self.labels = nb, 0, "", "", {}
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                heading = ([line for line in cell.source.splitlines() if re.match("#+ ", line)] or [heading])[-1]
            elif cell.cell_type == "code" and cell.source.strip():
                self.labels[cell.id], heading = heading.lstrip("# ") or cell.source.strip().splitlines()[0], ""
        self.live = sys.stdout.isatty()

    def start(self, notebook):
        self.nb = notebook

    def cell_starts(self, cell, cell_index):
        self.since = time.monotonic()
        self.first_line = cell.source.strip().splitlines()[0]
        if cell.id in self.labels:  # not the cell of given parameters that papermill adds
            self.number += 1
            if self.live:
                self._line(cell, "    ...  ", "\r")

    def cell_done(self, cell, cell_index, execute_reply):
        if cell.id in self.labels and execute_reply["content"]["status"] == "ok":
            self._line(cell, f"{time.monotonic() - self.since:6.1f} s", "\n")

    def _line(self, cell, spent, end):
        total = len(self.labels)
        print(
            f"[{self.number:{len(str(total))}}/{total}] {spent}  {self.labels[cell.id][:80]:<{80 * self.live}}",
            end=end,
            flush=True,
        )


def execute(nb, values, timeout, kernel, progress):
    """Run a notebook in `kernel`; returns what went wrong in words, or None. `progress.nb` holds the outputs."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            nb,
            None,
            parameters=values,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            km=kernel.manager,
            execution_timeout=timeout,
            iopub_timeout=60,
            on_notebook_start=progress.start,
            on_cell_execute=progress.cell_starts,
            on_cell_executed=progress.cell_done,
        )
    except papermill.PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        return f'cell {progress.number} ran longer than {timeout} s; --timeout (ARGS="--timeout 2000") allows more'
    except (DeadKernelError, RuntimeError) as error:
        return kernel.verdict() or str(error)
    return None


def run_chapter(path, values, out, scratch, timeout, profile=False):
    """Run one chapter, print its progress and write its files.

    Returns:
        dict for the report: seconds, peak_mb, parameters, error (None or words), claims; and the executed notebook.
    """
    print(f"\n{path.stem}", flush=True)
    nb = tidy.clean(nbformat.read(path, as_version=4))
    progress, claims = Progress(nb), scratch / "claims.jsonl"
    claims.write_text("")
    env = dict(os.environ, GROUNDUP_CLAIMS=str(claims), GROUNDUP_OUT=str(out))
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
            record["claims"].append(json.loads(line))
    executed = tidy.clean(progress.nb)
    partial = out / f"{path.stem}.partial.ipynb"
    if error:
        tidy.write(partial, nbformat.writes(executed) + "\n")
        print(
            "\n" * progress.live + f"{path.stem}: cell {progress.number} of {len(progress.labels)} failed\n"
            f"    {progress.first_line}\n{error[:2000]}\nThe notebook so far: {partial}",
            flush=True,
        )
    else:
        from nbconvert import HTMLExporter

        page, _ = HTMLExporter().from_notebook_node(executed, resources={"metadata": {"name": path.stem}})
        tidy.write(out / f"{path.stem}.ipynb", nbformat.writes(executed) + "\n")
        tidy.write(out / f"{path.stem}.html", page)
        partial.unlink(missing_ok=True)
        print(f"{path.stem}: {seconds:.1f} s, at most {kernel.peak_mb:.0f} MB", flush=True)
    if profile and (scratch / "profile.json").exists():
        print(profiling.table(json.loads((scratch / "profile.json").read_text(encoding="utf-8"))), flush=True)
    return record, executed


def add_to_report(path, stem, record):
    """Set one chapter's entry in report.json, leaving the others; returns all of it."""
    report = {}
    with contextlib.suppress(OSError, ValueError):
        report = json.loads(path.read_text(encoding="utf-8"))
    report[stem] = record
    tidy.write(path, json.dumps(dict(sorted(report.items())), indent=1, ensure_ascii=False) + "\n")
    return report


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


def write_budget(report, speed):
    """Write measured time and memory into docs/budget.json, the README's table and each chapter's first cell.

    Args:
        report: what report.json holds.
        speed: GFLOP/s of this machine. Its column is that of its vector instructions; other columns are kept.

    Raises:
        Refused: the README has no place for the table.
        OSError: a file cannot be written.
    """
    root, kind = NOTEBOOKS.parent, machine.instructions()
    budget = machine.read(root / "docs" / "budget.json")
    about = budget.setdefault(kind, {"gflops": 0, "chapters": {}})
    about["gflops"] = round(speed)
    measured = {
        stem: [max(1, round(record["seconds"])), round(record["peak_mb"], -1)]
        for stem, record in report.items()
        if not record["error"]
    }
    about["chapters"] = dict(sorted({**about["chapters"], **measured}.items()))
    kinds = sorted(budget, key=lambda name: -budget[name]["gflops"])
    rows = []
    for path in find_chapters([]):
        nb = nbformat.read(path, as_version=4)
        first = next((cell for cell in nb.cells if cell.cell_type == "markdown"), None)
        if first is None:
            continue
        if path.stem in measured and kind == kinds[0]:  # the first cell is about the fastest machine
            sentence = "*Measured on two CPU cores: {} s, {} MB.*".format(*measured[path.stem])
            first.source = re.sub(r"\*Measured on two CPU cores: .*?\*", sentence, first.source)
            tidy.save(nb, path)
        title = re.sub(r"^#*\s*(\d+ · )?", "", first.source.splitlines()[0])
        numbers = [budget[name]["chapters"].get(path.stem, ["", ""]) for name in kinds]
        if any(seconds for seconds, _ in numbers):
            cells = [*(seconds for seconds, _ in numbers), max(mb for _, mb in numbers if mb)]
            rows.append(f"| {path.stem[:2]} | [{title}](notebooks/{path.name}) | {' | '.join(map(str, cells))} |")
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8") if readme.exists() else ""
    speeds = ", ".join(f"{budget[name]['gflops']} with {name}" for name in kinds)
    lines = [
        "<!-- budget -->",
        f"Two cores; GFLOP/s in a {machine.SIDE}² float32 product: {speeds}.",
        "",
        f"| no | chapter | {' | '.join(f'seconds, {name}' for name in kinds)} | MB |",
        f"|---|---|{'---:|' * len(kinds)}---:|",
        *rows,
        "<!-- /budget -->",
    ]
    new, count = re.subn(r"<!-- budget -->.*?<!-- /budget -->", lambda _: "\n".join(lines), old, flags=re.S)
    if not count:
        raise Refused(f"{readme} has no place for the table: a line <!-- budget --> and a line <!-- /budget -->")
    tidy.write(readme, new)
    (root / "docs").mkdir(exist_ok=True)
    tidy.write(root / "docs" / "budget.json", json.dumps(budget, indent=1) + "\n")


def run(options, pairs):
    """Run the chapters that were asked for; returns the exit status. Raises Refused, OSError, Stopped."""
    chapters = {path: nbformat.read(path, as_version=4) for path in find_chapters(options.chapters)}
    values = choose_parameters(pairs, chapters)
    if values and (options.refresh or options.budget):
        raise Refused("the committed notebooks are those without -p: drop it")
    out = Path(options.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(".run-*"):  # of a run that was killed outright
        if not psutil.pid_exists(int(stale.name[5:])):
            shutil.rmtree(stale, ignore_errors=True)
    scratch = out / f".run-{os.getpid()}"
    scratch.mkdir()
    budget, stems = machine.read(NOTEBOOKS.parent / "docs" / "budget.json"), [path.stem for path in chapters]
    speed = machine.gflops() if budget or options.budget else None
    if speed:
        print(machine.words(budget, [] if values else stems, speed), flush=True)
    slow = max([1.0, *(about["gflops"] / speed for about in budget.values())])
    timeout = options.timeout or round(TIMEOUT * slow)
    records = {}
    try:
        for path in chapters:
            record, executed = run_chapter(path, values, out, scratch, timeout, options.profile)
            if options.refresh and not record["error"]:
                try:
                    tidy.save(executed, path)
                except ValueError as error:
                    record["error"] = f"not written back: {error}"
                    print(f"{path.stem}: {record['error']}", flush=True)
            records[path.stem] = record
            add_to_report(out / "report.json", path.stem, record)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(table(records), flush=True)
    if any(record["error"] for record in records.values()):
        return 1
    if options.budget:
        write_budget(records, speed)
    return 0


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
        type=int,
        help=f"seconds that one cell may take (default: {TIMEOUT}, and more on "
        "a machine slower than those of the README)",
    )
    parser.add_argument("--refresh", action="store_true", help="for authors: write the outputs back to notebooks/")
    parser.add_argument("--budget", action="store_true", help="for authors: write time and memory into README.md")
    parser.add_argument("--profile", action="store_true", help="print where the time goes in each chapter's slow cells")
    options = parser.parse_args(rest)

    def stop(*_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # once is enough: what follows only cleans up
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            error = f"{error.strerror} ({error.filename or 'output'}); OUT=/elsewhere writes elsewhere"
        return _say(f"cannot go on: {error}", 1)


def _say(text, status):
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"coursetools.run: {text}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
