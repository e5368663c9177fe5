"""The links between processes: how they meet, what goes over the links, and how all end when one does."""

import atexit
import contextlib
import hashlib
import hmac
import ipaddress
import json
import math
import os
import queue
import socket
import struct
import sys
import threading
import time
from importlib import metadata

NAMES = ("COORDINATOR", "PROCESS_ID", "NUM_PROCESSES")  # the environment variables that make a process one of several
SECONDS = {  # environment variable -> usual value, the least, and what is done for so long
    "JOIN_SECONDS": ("120", 0, "wait for each other from"),
    "SILENCE_SECONDS": ("60", 1, "take another one that says nothing for lost after"),
}
STOPPED = 3  # exit status of a process that ended because another one did
HELLO = 1 << 16  # bytes of a first message at most: nothing longer is read from anyone who has not shown the token
PIECE = 1 << 20  # bytes that are sent or received at a time

_links = {}  # process -> socket: of process 0 to all others, of the others to process 0
_held = []  # in process 0, the socket that keeps JAX's port until JAX listens there
_watchers = []  # a thread for each link
_handed = queue.Queue()  # what process 0 handed to all
_sending = threading.Lock()


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
        where = place()
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if where is None:
        return 0, 1
    host, port, me, processes = where
    for name in ("tensorflow", "sklearn"):  # Keras on JAX would load them for some seconds, and no use
        sys.modules.setdefault(name, None)
    if "GROUNDUP_LAUNCHED" in os.environ:
        threading.Thread(target=_end_with_launcher, daemon=True).start()
    if processes == 1:
        return 0, 1
    equal = {"versions of Keras and JAX": [metadata.version(name) for name in ("keras", "jax")]}
    equal |= {name: digest(value) for name, value in {"data": data, **more}.items()}
    sys.excepthook = lambda *error: _failed(me, *error)
    engine = (_gather if me == 0 else _call)(host, port, me, processes, equal)
    silence = seconds_of("SILENCE_SECONDS")
    threading.Thread(target=_beat, args=(silence / 4,), daemon=True).start()
    for process, link in _links.items():
        _keep_alive(link, silence)
        _watchers.append(threading.Thread(target=_watch, args=(process, link, me), daemon=True))
        _watchers[-1].start()

    os.environ["JAX_COORDINATOR_BIND_ADDRESS"] = at(host, engine)  # JAX's own would listen on every address
    os.environ.setdefault("KERAS_BACKEND", "jax")
    sys.modules.setdefault("matplotlib", None)  # Keras would load it, too, but who wants to draw can do so afterwards
    import jax
    import keras

    if sys.modules["matplotlib"] is None:
        del sys.modules["matplotlib"]
    if keras.config.backend() != "jax":
        raise SystemExit(f"several processes need KERAS_BACKEND=jax, here it is {keras.config.backend()!r}")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize(at(host, engine), processes, me)
    while _held:
        _held.pop().close()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    atexit.register(_ended_early, me)
    return me, processes


def place():
    """(host, port, process, processes) as the environment says, or None for a process alone. Raises ValueError."""
    given = {name: os.environ.get(name, "") for name in NAMES}
    if not any(given.values()):
        return None
    here = "here they are " + ", ".join(f"{name}={value[:80]!r}" for name, value in given.items())
    host, _, port = given["COORDINATOR"].rpartition(":")
    if host.count(":") or set(host) & set("[]"):
        host = _unbracketed(host, given["COORDINATOR"])
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
    for name in SECONDS:
        seconds_of(name)
    return host, *map(int, numbers)


def _unbracketed(host, address):
    """An IPv6 address without its brackets. Raises ValueError."""
    if host[0] != "[" or host[-1] != "]":
        raise ValueError(f"COORDINATOR={address[:80]!r}: an IPv6 address stands in brackets, as in [::1]:29500")
    try:
        return str(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        raise ValueError(f"COORDINATOR={address[:80]!r}: what stands in brackets is no IPv6 address") from None


def at(host, port):
    """Where a host listens, as it is written: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def family(host):
    """AF_INET; AF_INET6 for a host that has IPv6 addresses only. Raises OSError."""
    found = {address[0] for address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return socket.AF_INET if socket.AF_INET in found else socket.AF_INET6


def seconds_of(name):
    """How long processes wait, a float: at the start (JOIN_SECONDS), for a word of another one (SILENCE_SECONDS).

    Raises:
        ValueError: the environment variable of this name holds something else.
    """
    usual, least, what = SECONDS[name]
    text = os.environ.get(name) or usual
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not least <= seconds <= 1e6:
        raise ValueError(f"{name}={text!r}: processes {what} {least} to 1000000 seconds, such as {usual}")
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


def hold_port(host):
    """A socket bound to a free port of this host, for a server of JAX that is started while the socket is open.

    On Linux it is bound with SO_REUSEPORT. JAX's server asks for that, too, and gets the port; other programs do not,
    and the system does not take it for an outgoing connection. On other systems it must be closed before JAX's server
    starts.
    """
    holder = socket.socket(family(host))
    if sys.platform == "linux":
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((host, 0))
    return holder


def digest(value):
    """SHA-256 in hex of bytes, of a str, or of an array with its shape and type."""
    if hasattr(value, "dtype"):
        value = f"{value.dtype}{value.shape}".encode() + value.tobytes()
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def _send(link, kind, content=b""):
    message = memoryview(struct.pack(">cQ", kind, len(content)) + content)
    with _sending:
        for first in range(0, len(message), PIECE):  # the time that a link may take is for each piece
            link.sendall(message[first : first + PIECE])


def _receive(link, most=None, until=None):
    """(kind, content) of the next message, of so many bytes at most, before a moment of time.monotonic if one is given.

    Raises:
        OSError: the other side is gone, silent or slow. ValueError: the message is longer.
    """

    def read(n):
        parts = bytearray()
        while len(parts) < n:
            if until:
                link.settimeout(max(0.01, until - time.monotonic()))
            part = link.recv(min(n - len(parts), PIECE))
            if not part:
                raise ConnectionError("the connection was closed")
            parts += part
        return bytes(parts)

    kind, length = struct.unpack(">cQ", read(9))
    if most is not None and length > most:
        raise ValueError(f"a message of {length} bytes")
    return kind, read(length)


def _sealed(content):
    """A message with its HMAC under the secret JOIN_TOKEN in front: who does not know the token cannot make one."""
    return hmac.digest(os.fsencode(os.environ.get("JOIN_TOKEN", "")), content, "sha256") + content


def _opened(message):
    """What `_sealed` made a message of. Raises ValueError."""
    if not hmac.compare_digest(_sealed(message[32:]), message):
        raise ValueError("another token")
    return message[32:]


def _tell_all(kind, content=b""):
    for link in _links.values():
        with contextlib.suppress(OSError):
            _send(link, kind, content)


def _gather(host, port, me, processes, equal):
    """Process 0: meet the others, compare what must be equal; returns the port that JAX shall use."""
    seconds = seconds_of("JOIN_SECONDS")
    fault, deadline = None, time.monotonic() + seconds
    inherited = os.environ.pop("COORDINATOR_SOCKET", "")  # from the launcher: it listens already
    while True:
        try:
            if inherited:
                server = socket.socket(fileno=int(inherited))
            else:
                server = socket.create_server((host, port), family=family(host), backlog=min(processes, 1000))
            break
        except OSError as error:
            if isinstance(error, socket.gaierror) and time.monotonic() < deadline:  # names come late in a cluster
                time.sleep(0.5)
                continue
            reason = str(error.strerror or error).partition(" (")[0]
            raise SystemExit(f"process 0 cannot listen at {at(host, port)}: {reason}") from None
    while len(_links) < processes - 1 and not fault:
        try:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            link = server.accept()[0]
        except TimeoutError:
            absent = [str(k) for k in range(1, min(processes, 10_000)) if k not in _links]
            missing = ", ".join(absent[:8]) + " ..." * (len(absent) > 8)
            fault = f"process {missing} of {processes} did not come to {at(host, port)} within {seconds:g} s"
            break
        try:
            hello = json.loads(_opened(_receive(link, HELLO, time.monotonic() + 5)[1]))
            k, n, theirs = hello["process"], hello["processes"], hello["equal"]
            if type(k) is not int or type(n) is not int or not 0 <= k < n or type(theirs) is not dict:
                raise ValueError("no such process")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:  # something else came by
            link.close()
            if str(error) == "another token":
                print("a process with another JOIN_TOKEN was sent away", file=sys.stderr, flush=True)
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
    _held.append(hold_port(host))
    engine = _held[0].getsockname()[1]
    if sys.platform != "linux":
        _held.pop().close()
    _tell_all(b"e" if fault else b"g", _sealed(str(fault or engine).encode()))
    if fault:
        raise SystemExit(fault)
    return engine


def _call(host, port, me, processes, equal):
    """Every other process: meet process 0; returns the port that JAX shall use."""
    seconds = seconds_of("JOIN_SECONDS")
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
            raise SystemExit(f"process {me} cannot reach process 0 at {at(host, port)} after {seconds:g} s: {reason}")
        time.sleep(0.1)
    try:
        hello = {"process": me, "processes": processes, "equal": equal}
        _send(link, b"h", _sealed(json.dumps(hello).encode()))
        kind, words = _receive(link, HELLO, max(time.monotonic(), deadline) + 5)
        words = _opened(words)
    except (OSError, ValueError) as error:
        hint = "; is JOIN_TOKEN the same there?" if os.environ.get("JOIN_TOKEN") else ""
        raise SystemExit(f"process 0 at {at(host, port)} did not answer process {me}: {error}{hint}") from None
    if kind == b"e":
        raise SystemExit(words.decode())
    _links[0] = link
    return int(words)


def _beat(every):
    """A thread: say to the others that this process lives; one that hangs, or is stopped, says nothing."""
    while _links:
        time.sleep(every)
        _tell_all(b"p")


def _keep_alive(link, silence):
    """Let the system notice within 20 s that the machine at the other side is lost, and silence in any case."""
    link.settimeout(silence)
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
            if message[0] == b"d":
                _handed.put(message[1])
    except TimeoutError:
        _stop(f"process {process} has said nothing for {seconds_of('SILENCE_SECONDS'):g} s: it hangs or is lost")
    except OSError as error:
        _stop(f"process {process} is gone ({error})")


def _stop(sentence):
    """Say to all why it is over, and end this process."""
    _tell_all(b"e", sentence.encode())
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    ours = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # JAX may be about to say the same, in many lines below this one
    os.write(ours, f"{sentence}; this process stops too\n".encode())
    os._exit(STOPPED)


def _failed(me, kind, error, trace):
    """Print an error that nothing caught and tell the others, unless it comes of another process being gone."""
    time.sleep(1)  # in which the watcher ends this process if that is so
    sys.__excepthook__(kind, error, trace)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
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
