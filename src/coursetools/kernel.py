"""A kernel of this interpreter, watched and ended with all it started; a line per cell; a notebook run in it."""

import contextlib
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import psutil


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
        """Note the memory held now, libraries counted once, and the peak of the kernel alone, which Linux keeps."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):  # of what it started only what it does not share
                total += process.memory_info().rss if process == self.process else process.memory_full_info().uss
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
        if hasattr(os, "killpg"):  # not on Windows
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
