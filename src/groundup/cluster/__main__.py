"""`python -m groundup.cluster WORKERS FOLDER SCRIPT [ARGUMENT ...]`"""

import os
import sys

from .links import SECONDS, place, seconds_of
from .processes import WorkerFailed, launch


def main():
    """`python -m groundup.cluster WORKERS FOLDER SCRIPT [ARGUMENT ...]`: launch; or run SCRIPT as the one of several
    processes that the variables of NAMES make it. Returns the exit status: 1 a process failed, 2 refused."""
    if len(sys.argv) < 4:
        return _say("python -m groundup.cluster WORKERS FOLDER SCRIPT [ARGUMENT ...]: these three are needed", 2)
    workers, folder, script, *args = sys.argv[1:]
    try:
        several = place() is not None
        for name in SECONDS:
            seconds_of(name)
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
        return _say(f"{str(error).rstrip('.')}. All are stopped; what each one printed is in {folder}", 1)
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
