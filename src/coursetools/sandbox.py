"""The process in which `coursetools.grade` runs one submission: writes go to its folder only, verdicts to a pipe.

What this protects from, and what not, is said in `coursetools.grade`. Only the standard library is imported before the
submission runs, and IPython: each submission pays for it.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import sys


def confine(folder):
    """Let this process and its children write only in `folder`, by Landlock. False where the kernel has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    create, add, restrict = 444, 445, 446  # system calls, the same on all architectures
    version = libc.syscall(create, None, 0, 1)
    if version < 1:
        return False
    write, truncate = 1 << 1, 1 << 14
    changes = write | sum(1 << bit for bit in range(4, 13))  # remove and make files, folders, links
    changes |= (1 << 13) * (version >= 2) | truncate * (version >= 3)  # move between folders
    signals = 2 * (version >= 6)
    attributes = (ctypes.c_uint64 * 3)(changes, 0, signals)
    rules = libc.syscall(create, attributes, 24 if version >= 6 else 8, 0)
    if rules < 0:
        return False
    for path, allowed in ((folder, changes), ("/dev/shm", changes), ("/dev/null", changes & (write | truncate))):
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


def main(pipe, job, folder):
    """Run one submission and write to `pipe`, as lines of JSON, the cell that starts and each verdict."""
    with open(job, encoding="utf-8") as file:
        job = json.load(file)
    confine(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))  # no file larger than 1 GB
    os.chdir(folder)
    sys.path.append(folder)  # last: a file called numpy.py beside the notebook is not ours
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    left = {number: expression for number, expression, _ in job["exercises"]}

    def tell(**message):
        os.write(pipe, (json.dumps(message) + "\n").encode())

    def judge(number):
        tell(cell=f"checking {number}")
        try:
            answer = eval(left.pop(number), shell.user_ns)  # noqa: S307  (a name, from our own check cell)
        except NameError as error:
            return tell(exercise=number, verdict=f"not answered yet: {error}")
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            tell(exercise=number, verdict=fresh_graders().grade(number, answer))

    for source, number in job["cells"]:
        if source is not None:
            tell(cell=source.strip().partition("\n")[0][:80])
            result = shell.run_cell(source)
            if not result.success:
                error = result.error_before_exec or result.error_in_exec
                tell(error=f"{type(error).__name__}: {str(error)[:200]}")
        if number in left:
            judge(number)
    for number in list(left):  # their check cell was deleted
        judge(number)
    os._exit(0)  # threads that a cell left behind are not waited for
