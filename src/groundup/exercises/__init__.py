"""Graders for the exercises, one module a chapter, and what they share.

A grader takes the reader's answer, tries it, and returns when it is right. Otherwise it raises Hint with a sentence
fitted to the mistake it recognises, or NotAnswered for the untouched stub.
"""

import contextlib
import copy
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
        str: "not answered yet", "right", or "not yet: " and a hint. Whatever the answer does, nothing is raised.
        What it prints is shown, up to 2,000 characters.

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
    return verdict


def ask(answer, *args, shapes=((),)):
    """Call an answer with copies of the arguments and check what kind of thing comes back.

    Args:
        answer: the reader's function.
        *args: what to call it with.
        shapes: the shapes of the arrays it should return; one value when there is one shape, else a tuple of values.

    Returns:
        a float64 array, or a list of them, one for each shape.

    Raises:
        NotAnswered: the answer is ``...``, or returns None or ``...``.
        Hint: no function, an exception, a changed argument, wrong count, type or shape, NaN or infinity.
    """
    if answer is ... or answer is None:
        raise NotAnswered
    if not callable(answer):
        raise Hint(f"pass the function itself, without calling it; this is {_kind(answer)}.")
    copies = copy.deepcopy(args)
    try:
        result = answer(*copies)
    except (Exception, SystemExit) as error:
        raise Hint(f"it raised {type(error).__name__}: {error}") from None
    if result is None or result is ...:
        raise NotAnswered
    for before, after in zip(args, copies, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True):
            raise Hint("it changes an array it was given. Compute with a copy: `w = w - step`, not `w -= step`.")
    results = [result] if len(shapes) == 1 else result
    if not isinstance(results, (tuple, list)) or len(results) != len(shapes):
        raise Hint(f"it should return {len(shapes)} values, in a tuple; it returned {_kind(result)}.")
    arrays = [_array(value, shape) for value, shape in zip(results, shapes, strict=True)]
    return arrays[0] if len(shapes) == 1 else arrays


def near(a, b, rtol=1e-6):
    """Whether two arrays (or lists of arrays) agree to a relative tolerance of their largest entry."""
    if isinstance(a, (list, tuple)):
        return all(near(x, y, rtol) for x, y in zip(a, b, strict=True))
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= rtol * max(np.abs(b).max(initial=0), 1e-12))


def hint_if_near(result, mistakes):
    """Raise the Hint of the first (wrong result, hint) that the result is near to; inf and nan are near to nothing."""
    for wrong, hint in mistakes:
        if np.all(np.isfinite(wrong)) and near(result, wrong):
            raise Hint(hint)


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


def _array(value, shape):
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise Hint(f"it should return numbers; it returned {_kind(value)}.") from None
    if array.shape != tuple(shape):
        wanted = "a single number" if shape == () else f"an array of shape {tuple(shape)}"
        raise Hint(f"it should return {wanted}; this has shape {array.shape}. Over which axis do you sum?")
    if not np.isfinite(array).all():
        raise Hint("it returned NaN or infinity.")
    return array


def _kind(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"


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
