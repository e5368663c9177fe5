"""Graders for the exercises, one module a chapter; `engine` is what they share.

A grader takes the reader's answer, tries it, and returns when it is right. Otherwise it raises Hint with a sentence
fitted to the mistake it recognises, or NotAnswered for the untouched stub. `grade` turns that into a line.
"""

import contextlib
import importlib
import io
import pkgutil
import signal
import threading

import numpy as np

from .engine import Hint, NotAnswered, what_was_raised

SECONDS = 10  # an answer that takes longer is cut short


class _TooLong(BaseException):
    """Raised by the alarm; a BaseException, so that an answer's ``except Exception`` does not swallow it."""


def grade(number, answer):
    """Grade one answer.

    Args:
        number: str such as "01.2".
        answer: the reader's function or value, of any kind.

    Returns:
        str: "not answered yet", "right", or "not yet: " and a hint, on one line of at most 2,000 characters. Whatever
        the answer does, nothing is raised but the reader's own KeyboardInterrupt. What it prints is shown, up to 2,000
        characters.

    Raises:
        ValueError: no such exercise; lists those there are.
    """
    grader = _grader(number)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(_Capped(printed)), _time_limit(SECONDS), np.errstate(all="ignore"):
            grader(answer)
        verdict = "right"
    except NotAnswered:
        verdict = "not answered yet"
    except Hint as hint:
        verdict = f"not yet: {hint}"
    except _TooLong:
        verdict = f"not yet: it was still running after {SECONDS} s. Is there a loop that never ends?"
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        verdict = f"not yet: checking it ended in {what_was_raised(error)}"
    if printed.getvalue():
        print(printed.getvalue().rstrip("\n"))
    return " ".join(verdict.splitlines())[:2000]


def _grader(number):
    modules = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("ch"))
    known = {}
    if f"ch{number[:2]}" in modules:
        known = importlib.import_module(f"{__name__}.ch{number[:2]}").GRADERS
    if number in known:
        return known[number]
    if not known:
        chapters = ", ".join(m[2:] for m in modules)
        raise ValueError(f"no exercise {number!r}: there are exercises for chapters {chapters}.")
    raise ValueError(f"no exercise {number!r}: chapter {number[:2]} has {', '.join(known)}.")


class _Capped(io.TextIOBase):
    """A text stream that keeps the first 2,000 characters."""

    def __init__(self, kept):
        self.kept = kept

    def write(self, text):
        self.kept.write(text[: 2000 - self.kept.tell()])
        return len(text)


@contextlib.contextmanager
def _time_limit(seconds):
    # Signals reach the main thread only, where Jupyter runs cells. Elsewhere an answer runs without a limit.
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum, frame):
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second, for an answer that catches everything
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
