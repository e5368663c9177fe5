"""The process in which `coursetools.grade` runs one submission: writes go to its folder only, verdicts to a pipe.

What this protects from, and what not, is said in `coursetools.grade`. Only the standard library is imported before the
submission runs, and IPython: each submission pays for it.
"""

import contextlib
import ctypes
import importlib
import json
import os
import socket
import struct
import sys
from os import _exit, write  # now: a submission may put something else in their place

LONGEST = 2000  # letters of what is told about a cell, an error or an answer


def settle(shm):
    """In namespaces of our own (`unshare --net --mount`): bring loopback up, and put the folder `shm` on /dev/shm.

    Two processes that train together meet on loopback. Raises OSError where the system does not allow it.
    """
    import fcntl  # not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    if ctypes.CDLL(None, use_errno=True).mount(os.fsencode(shm), b"/dev/shm", None, 4096, None):  # MS_BIND
        raise OSError(ctypes.get_errno(), "cannot mount", "/dev/shm")


def confine(*folders):
    """Let this process and its children write only in some folders, by Landlock. False where the system has none."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    create, add, restrict = 444, 445, 446  # system calls, the same on all architectures
    version = libc.syscall(create, None, 0, 1)
    if version < 1:
        return False
    into_files, truncate = 1 << 1, 1 << 14
    changes = into_files | sum(1 << bit for bit in range(4, 13))  # remove and make files, folders, links
    changes |= (1 << 13) * (version >= 2) | truncate * (version >= 3)  # move between folders
    signals = 2 * (version >= 6)
    attributes = (ctypes.c_uint64 * 3)(changes, 0, signals)
    rules = libc.syscall(create, attributes, 24 if version >= 6 else 8, 0)
    if rules < 0:
        return False
    for path, allowed in [*((folder, changes) for folder in folders), ("/dev/null", changes & (into_files | truncate))]:
        with contextlib.suppress(FileNotFoundError):
            below = os.open(path, os.O_PATH)
            rule = allowed.to_bytes(8, sys.byteorder) + below.to_bytes(4, sys.byteorder)
            libc.syscall(add, rules, 1, rule, 0)
            os.close(below)
    libc.prctl(38, 1, 0, 0, 0)  # no new privileges: without it, only root may confine itself
    return libc.syscall(restrict, rules, 0) == 0


def fresh_graders():
    """The graders as they lie in this checkout, whatever the submission has put in their place."""
    for name in [name for name in sys.modules if name.split(".")[:2] == ["groundup", "exercises"]]:
        del sys.modules[name]
    return importlib.import_module("groundup.exercises")


def words_of(error):
    """An exception in words, whatever its own __str__ does."""
    try:
        return f"{type(error).__name__}: {error}"[:LONGEST]
    except BaseException:
        return type(error).__name__


def main(pipe, job, wall, folder, shm):
    """Run one submission and write to `pipe`, as lines of JSON, the cell that starts, errors and verdicts.

    Each exercise is graded at its check cell and again after each cell that gave it another answer; at the end once
    more, unless it was right: the answer may call something that was mended later. A later verdict replaces an earlier
    one, but no answer (`...`, None, the name deleted) does not replace an answer.

    Args:
        pipe: int, its file descriptor.
        job: path of the JSON file that `coursetools.grade.job_of` describes.
        wall: what this process was started in: "bubblewrap", "unshare" or "".
        folder: where the submission runs, and may write.
        shm: a folder of its own for shared memory.
    """
    import resource  # not on Windows

    with open(job, encoding="utf-8") as file:
        job = json.load(file)
    if wall == "unshare":
        settle(shm)
    if wall != "bubblewrap":
        confine(folder, *(["/dev/shm"] if wall else []))  # else it is shared with all, and closed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))  # no file larger than 1 GB
    os.chdir(folder)
    sys.path.append(folder)  # last: a file called numpy.py beside the notebook is not ours
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    expressions = {number: expression for number, expression, _ in job["exercises"]}
    judged, nothing, encode, me = {}, object(), json.JSONEncoder().encode, os.getpid()

    def tell(**message):
        write(pipe, (encode({name: text[:LONGEST] for name, text in message.items()}) + "\n").encode())

    def judge(number, last=False):
        try:
            answer, verdict = eval(expressions[number], shell.user_ns), None  # noqa: S307  (a name, from our own cell)
        except Exception as error:
            answer, verdict = nothing, f"not answered yet: {error}"
        before, said = judged.get(number, (judged, None))
        if answer is before and (said == "right" or not last):
            return
        tell(cell=f"checking {number}")
        if answer is not nothing:
            try:
                with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                    verdict = fresh_graders().grade(number, answer)
            except BaseException as error:
                verdict = f"not graded: checking it ended in {words_of(error)}"
        if said and verdict.startswith("not answered yet"):
            verdict = said
        judged[number] = (answer, verdict)
        tell(exercise=number, verdict=verdict)

    for source, number in job["cells"]:
        if source is not None:
            tell(cell=source.strip().partition("\n")[0][:80])
            try:
                result = shell.run_cell(source)
                error = result.error_before_exec or result.error_in_exec
            except BaseException as raised:  # by IPython: half a letter in the source, for instance
                error = raised
            if os.getpid() != me:
                _exit(0)  # a copy of this process that the cell made
            if error:
                tell(error=words_of(error)[:200])
        for known in [*judged, *([number] if number else [])]:
            judge(known)
    for number in expressions:  # also those whose check cell was deleted
        judge(number, last=True)
    _exit(0)  # threads that a cell left behind are not waited for
