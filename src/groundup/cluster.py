"""Processes that train together, on one machine or several: started, introduced to each other, and ended together.

The engine is `keras.distribution` on JAX (XLA; gloo between CPU processes). Beside it every process keeps a TCP
connection of its own to process 0. From there come the errors in one sentence, the word that a process is gone, and
what process 0 hands to all. docs/cluster.md shows it on several machines. Nothing here asks who is calling: use it in
a private network. JAX and Keras are imported by `join`.
"""

import atexit
import contextlib
import hashlib
import json
import math
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

NAMES = ("COORDINATOR", "PROCESS_ID", "NUM_PROCESSES")  # the environment variables that make a process one of several
STOPPED = 3  # exit status of a process that ended because another one did
GRACE = 5  # seconds that the others get to say so before the launcher ends them

_links = {}  # process -> socket: of process 0 to all others, of the others to process 0
_watchers = []  # a thread for each link
_handed = queue.Queue()  # what process 0 handed to all
_sending = threading.Lock()


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
    common = {
        **os.environ,
        "COORDINATOR": f"127.0.0.1:{_free_port('127.0.0.1')}",
        "NUM_PROCESSES": str(workers),
        "KERAS_BACKEND": "jax",
        "PYTHONUNBUFFERED": "1",
        "GROUNDUP_LAUNCHED": "1",
    }
    processes, shown = [], 0
    try:
        for k, log in enumerate(logs):
            with log.open("wb") as stream:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, str(script), *map(str, args)],
                        env={**common, "PROCESS_ID": str(k)},
                        stdin=subprocess.PIPE,
                        stdout=stream,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
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


def join(data=b"", **more):
    """Meet the other processes; the first thing that a process does. Without the variables of NAMES it stays alone.

    Args:
        data: bytes, str or array, that must be equal in all processes; its SHA-256 is compared.
        more: the same, by name, for the sentence that says what differs.

    Returns:
        (process, processes): ints, 0 and 1 for a process alone, which needs neither network nor JAX. Otherwise Keras
        then runs on all processes: `DataParallel`, each process feeding its own share of every batch.

    Raises:
        SystemExit: with one sentence. Later, when another process is gone, the process ends with status STOPPED.
    """
    try:
        place = _place()
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if place is None:
        return 0, 1
    host, port, me, processes = place
    for name in ("tensorflow", "sklearn"):  # Keras on JAX would load them for some seconds, and no use
        sys.modules.setdefault(name, None)
    if "GROUNDUP_LAUNCHED" in os.environ:
        threading.Thread(target=_end_with_launcher, daemon=True).start()
    if processes == 1:
        return 0, 1
    equal = {"versions of Keras and JAX": [metadata.version(name) for name in ("keras", "jax")]}
    equal |= {name: _digest(value) for name, value in {"data": data, **more}.items()}
    sys.excepthook = lambda *error: _failed(me, *error)
    engine = (_gather if me == 0 else _call)(host, port, me, processes, equal)
    for process, link in _links.items():
        _keep_alive(link)
        _watchers.append(threading.Thread(target=_watch, args=(process, link, me), daemon=True))
        _watchers[-1].start()

    os.environ["JAX_COORDINATOR_BIND_ADDRESS"] = f"{host}:{engine}"  # JAX's own would listen on every address
    os.environ.setdefault("KERAS_BACKEND", "jax")
    sys.modules.setdefault("matplotlib", None)  # Keras would load it, too, but who wants to draw can do so afterwards
    import jax
    import keras

    if sys.modules["matplotlib"] is None:
        del sys.modules["matplotlib"]
    if keras.config.backend() != "jax":
        raise SystemExit(f"several processes need KERAS_BACKEND=jax, here it is {keras.config.backend()!r}")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize(f"{host}:{engine}", processes, me)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    atexit.register(_ended_early, me)
    return me, processes


def _place():
    """(host, port, process, processes) as the environment says, or None for a process alone. Raises ValueError."""
    given = {name: os.environ.get(name, "") for name in NAMES}
    if not any(given.values()):
        return None
    here = "here they are " + ", ".join(f"{name}={value[:80]!r}" for name, value in given.items())
    host, _, port = given["COORDINATOR"].rpartition(":")
    numbers = [port, given["PROCESS_ID"], given["NUM_PROCESSES"]]
    if (
        not host
        or not all(text.isdecimal() and len(text) < 10 for text in numbers)
        or int(numbers[1]) >= int(numbers[2])
    ):
        raise ValueError(
            "COORDINATOR=host:port, PROCESS_ID=k and NUM_PROCESSES=n belong together, k from 0 to n - 1; " + here
        )
    try:
        host.encode("idna")  # as Python does before it asks for the address
    except UnicodeError:
        raise ValueError(f"COORDINATOR names the host {host!r}, and no host can have this name; {here}") from None
    if not 0 < int(port) < 65_536:
        raise ValueError(f"COORDINATOR names the port {port}, and ports go from 1 to 65535; {here}")
    _seconds()
    return host, *map(int, numbers)


def _seconds():
    """How long processes wait for each other at the start, a float. Raises ValueError."""
    text = os.environ.get("JOIN_SECONDS") or "120"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 1e6:
        raise ValueError(f"JOIN_SECONDS={text!r}: processes wait for each other from 0 to 1000000 seconds, such as 120")
    return seconds


def broadcast(content=b""):
    """What process 0 gives, in every process: bytes. All processes call it; a process alone gets back what it gave."""
    if list(_links) == [0]:
        return _handed.get()
    _tell_all(b"d", content)
    return content


def leave():
    """Say goodbye, when all others do: then the end of this process is no loss to them. Alone: does nothing."""
    if list(_links) == [0]:
        _tell_all(b"b")
    for watcher in _watchers:  # until goodbyes have come from the other side
        watcher.join()
    if 0 not in _links:
        _tell_all(b"b")
    _links.clear()


def _free_port(host):
    with socket.create_server((host, 0)) as server:
        return server.getsockname()[1]


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


def _digest(value):
    """SHA-256 in hex of bytes, of a str, or of an array with its shape and type."""
    if hasattr(value, "dtype"):
        value = f"{value.dtype}{value.shape}".encode() + value.tobytes()
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def _send(link, kind, content=b""):
    with _sending:
        link.sendall(struct.pack(">cQ", kind, len(content)) + content)


def _receive(link):
    """(kind, content) of the next message; OSError where the other side is gone."""

    def read(n):
        parts = bytearray()
        while len(parts) < n:
            part = link.recv(min(n - len(parts), 1 << 20))
            if not part:
                raise ConnectionError("the connection was closed")
            parts += part
        return bytes(parts)

    kind, length = struct.unpack(">cQ", read(9))
    return kind, read(length)


def _tell_all(kind, content=b""):
    for link in _links.values():
        with contextlib.suppress(OSError):
            _send(link, kind, content)


def _gather(host, port, me, processes, equal):
    """Process 0: meet the others, compare what must be equal; returns the port that JAX shall use."""
    try:
        server = socket.create_server((host, port), backlog=min(processes, 1000))
    except OSError as error:
        raise SystemExit(
            f"process 0 cannot listen at {host}:{port}: {str(error.strerror or error).partition(' (')[0]}"
        ) from None
    seconds = _seconds()
    fault, deadline = None, time.monotonic() + seconds
    while len(_links) < processes - 1 and not fault:
        try:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            link = server.accept()[0]
        except TimeoutError:
            absent = [str(k) for k in range(1, min(processes, 10_000)) if k not in _links]
            missing = ", ".join(absent[:8]) + " ..." * (len(absent) > 8)
            fault = f"process {missing} of {processes} did not come to {host}:{port} within {seconds:g} s"
            break
        try:
            link.settimeout(5)
            hello = json.loads(_receive(link)[1])
            k, n, theirs = hello["process"], hello["processes"], hello["equal"]
        except (OSError, ValueError, KeyError, TypeError):  # something else came by
            link.close()
            continue
        differ = [name for name in {**equal, **theirs} if equal.get(name) != theirs.get(name)]
        if n != processes:
            fault = f"process {k} says that there are {n} processes, process 0 says {processes}"
        elif k in _links or k == 0:
            fault = f"two processes have the number {k}"
        elif differ:
            fault = f"process {k} and process 0 are not equal in their {' and '.join(differ)}"
        _links[-1 if fault else k] = link
    server.close()
    engine = _free_port(host)
    _tell_all(b"e" if fault else b"g", str(fault or engine).encode())
    if fault:
        raise SystemExit(fault)
    return engine


def _call(host, port, me, processes, equal):
    """Every other process: meet process 0; returns the port that JAX shall use."""
    seconds = _seconds()
    deadline = time.monotonic() + seconds
    while True:
        try:
            link = socket.create_connection((host, port), timeout=5)
            if link.getsockname() != link.getpeername():  # on one machine a call can reach its own end
                break
            link.close()
            reason = "nobody listens"
        except OSError as error:
            reason = error.strerror or error
        if time.monotonic() > deadline:
            raise SystemExit(f"process {me} cannot reach process 0 at {host}:{port} after {seconds:g} s: {reason}")
        time.sleep(0.1)
    try:
        _send(link, b"h", json.dumps({"process": me, "processes": processes, "equal": equal}).encode())
        link.settimeout(max(5, deadline - time.monotonic() + 5))
        kind, words = _receive(link)
    except OSError as error:
        raise SystemExit(f"process 0 at {host}:{port} did not answer process {me}: {error}") from None
    if kind == b"e":
        raise SystemExit(words.decode())
    _links[0] = link
    return int(words)


def _keep_alive(link):
    """Let the system notice within 20 s that the machine at the other side is lost."""
    link.settimeout(None)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPALIVE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _watch(process, link, me):
    """A thread: take what comes over a link until a goodbye; end this process when the other one is gone."""
    try:
        while (message := _receive(link))[0] != b"b":
            if message[0] == b"e":
                _stop(message[1].decode())
            _handed.put(message[1])
    except OSError as error:
        _stop(f"process {process} is gone ({error})")


def _stop(sentence):
    """Say to all why it is over, and end this process."""
    _tell_all(b"e", sentence.encode())
    ours = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # JAX may be about to say the same, in many lines below this one
    os.write(ours, f"{sentence}; this process stops too\n".encode())
    os._exit(STOPPED)


def _failed(me, kind, error, trace):
    """Print an error that nothing caught and tell the others, unless it comes of another process being gone."""
    time.sleep(1)  # in which the watcher ends this process if that is so
    sys.__excepthook__(kind, error, trace)
    sentence = " ".join(f"process {me} failed: {kind.__name__}: {error}".split()).encode()
    _tell_all(b"e", sentence)
    os.write(2, sentence + b"\n")
    os._exit(1)


def _ended_early(me):
    """At exit without `leave`: tell the others; JAX would wait for them."""
    if _links:
        _tell_all(b"e", f"process {me} ended before the others".encode())
        sys.stdout.flush()
        os._exit(1)


def _end_with_launcher():
    """A thread: end this process when the launcher is gone, whose end of the pipe then closes."""
    os.read(0, 1)
    os._exit(STOPPED)


def main():
    """`python -m groundup.cluster WORKERS FOLDER SCRIPT [ARGUMENT ...]`: launch; or run SCRIPT as the one of several
    processes that the variables of NAMES make it. Returns the exit status: 1 a process failed, 2 refused."""
    if len(sys.argv) < 4:
        return _say("python -m groundup.cluster WORKERS FOLDER SCRIPT [ARGUMENT ...]: these three are needed", 2)
    workers, folder, script, *args = sys.argv[1:]
    try:
        several = _place() is not None
        _seconds()
    except ValueError as error:
        return _say(error, 2)
    if several:
        environment = {**os.environ, "KERAS_BACKEND": "jax"}
        os.execve(sys.executable, [sys.executable, script, *args], environment)
    if not (workers.isdecimal() and 0 < int(workers[:10]) < 10_000):
        return _say(f"WORKERS={workers!r}: how many processes, a whole number from 1, such as 2", 2)
    try:
        launch(script, int(workers), *args, folder=folder, echo=True)
    except WorkerFailed as error:
        return _say(f"{error}. All are stopped; what each one printed is in {folder}", 1)
    except OSError as error:
        return _say(f"cannot go on: {error.strerror or error} ({error.filename or folder})", 1)
    except KeyboardInterrupt:
        return 130
    return 0


def _say(sentence, status):
    print(sentence, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
