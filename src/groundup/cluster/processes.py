"""Processes of this machine that train together: started, watched, and ended together."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from .links import STOPPED

GRACE = 5  # seconds that the others get to say so before the launcher ends them


class WorkerFailed(RuntimeError):
    """A process that `launch` started has failed; the message names it and says why."""


def launch(script, workers, *args, folder, cores=None, echo=False):
    """Run `python script *args` in several processes on this machine, joined over loopback, and wait for them.

    Args:
        script: str or Path; it calls `join` before anything else and `leave` at its end.
        workers: int, how many processes.
        args: what the script gets on its command line.
        folder: str or Path; process k writes what it prints to worker_k.log in it.
        cores: int, to give each process that many CPU cores of its own, where the system can (Linux); None: no limit.
        echo: bool, whether to print the lines of process 0 as they come.

    Returns:
        list of str, the logs.

    Raises:
        WorkerFailed: a process failed. By then no process is left. They also end when the caller is killed.
        ValueError: not even one process is asked for.
    """
    if workers < 1:
        raise ValueError(f"workers={workers}: at least one process is needed")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    logs = [folder / f"worker_{k}.log" for k in range(workers)]
    server = socket.create_server(("127.0.0.1", 0), backlog=min(workers, 1000))
    handed = (server.fileno(),) if os.name == "posix" else ()  # process 0 inherits it: nobody can take the port before
    common = {
        **os.environ,
        "COORDINATOR": f"127.0.0.1:{server.getsockname()[1]}",
        "NUM_PROCESSES": str(workers),
        "KERAS_BACKEND": "jax",
        "PYTHONUNBUFFERED": "1",
        "GROUNDUP_LAUNCHED": "1",
        "JOIN_TOKEN": secrets.token_hex(16),
    }
    if not handed:
        server.close()
    processes, shown = [], 0
    try:
        for k, log in enumerate(logs):
            first = {"COORDINATOR_SOCKET": str(handed[0])} if handed and k == 0 else {}
            with log.open("wb") as stream:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, str(script), *map(str, args)],
                        env={**common, **first, "PROCESS_ID": str(k)},
                        pass_fds=handed if k == 0 else (),
                        stdin=subprocess.PIPE,
                        stdout=stream,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            server.close()  # process 0 has it now: when that ends, the others notice
            if cores and hasattr(os, "sched_setaffinity"):
                own = sorted(os.sched_getaffinity(0))
                os.sched_setaffinity(processes[k].pid, {own[i % len(own)] for i in range(k * cores, (k + 1) * cores)})
        deadline = None
        while None in (states := [process.poll() for process in processes]):
            if any(states):
                deadline = deadline or time.monotonic() + GRACE
                if time.monotonic() > deadline:
                    break
            time.sleep(0.05)
            if echo:
                shown = _show(logs[0], shown)
    finally:
        server.close()
        for process in processes:
            process.kill()
            process.wait()
            process.stdin.close()
        if echo and processes:
            _show(logs[0], shown)
    texts = [log.read_text(errors="replace") for log in logs]
    if any(states):
        raise WorkerFailed(_cause(states, texts))
    return texts


def _show(log, shown):
    """Print what came to a log after its first `shown` bytes, whole lines only; returns how much is shown now."""
    with log.open("rb") as stream:
        stream.seek(shown)
        lines = stream.read()
    lines = lines[: lines.rfind(b"\n") + 1]
    print(lines.decode(errors="replace"), end="", flush=True)
    return shown + len(lines)


def _cause(states, texts):
    """The sentence of WorkerFailed: the process that was killed or failed, not those that ended because it did."""

    def blame(k):
        return states[k] in (0, None), states[k] == STOPPED, states[k] == -signal.SIGABRT, (states[k] or 0) > 0

    k = min(range(len(states)), key=blame)
    if states[k] < 0:
        return f"process {k} was killed by signal {-states[k]} ({signal.Signals(-states[k]).name})"
    words = (texts[k].strip().splitlines() or ["it printed nothing"])[-1]
    return words if words.startswith("process ") else f"process {k} ended with status {states[k]}: {words}"
