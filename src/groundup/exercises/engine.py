"""The engine of the graders: calls an answer, checks what comes back, and runs the tables of the exercises.

Most exercises are tables: a function that yields Cases, each with arguments, the right result, known wrong results with
their hints, and a hint for all others. What no table can hold (a training, a random result) is a function that calls
`ask` and raises Hint itself.
"""

import copy
import functools
from typing import Any, NamedTuple

import numpy as np


class NotAnswered(Exception):
    """The answer is the untouched stub."""


class Hint(Exception):
    """The answer is not right yet; the message says what to look at."""


class NotFinite(Hint):
    """The result has NaN or infinity in it."""


class WrongShape(Hint):
    """The result has another shape than it should; `shape` is the one it has."""

    def __init__(self, shape, wanted=()):
        self.shape = tuple(shape)
        words = "a single number" if wanted == () else f"an array of shape {wanted}"
        super().__init__(f"it should return {words}; this has shape {self.shape}. Over which axis do you sum?")


class Case(NamedTuple):
    """One row of an exercise's table.

    `right` also says what kind of thing should come back: a number, an array, a tuple of those, or a list of words or
    of whole numbers. In a tuple, ``...`` stands for any value.

    `wrong` are pairs (mistake, hint), tried in their order. A mistake is a wrong result, written like `right`; or a
    function that is true of it; or what `check` raises: a class (Hint for all it raises) or WrongShape(shape).
    In a hint, ``{got}`` is replaced by what came back, as in str.format: ``{got:.4f}``, ``{got[0]}``, ``{got.shape}``.
    A hint that must compute something from it is a function of it.
    """

    args: tuple
    right: Any
    wrong: list
    otherwise: Any  # the hint for a result that is none of these
    rtol: float = 1e-6
    atol: float = 0.0


def table(cases):
    """Make the function that yields an exercise's Cases into its grader; the function stays as `grader.cases`."""

    @functools.wraps(cases)
    def grader(answer):
        for case in cases():
            _run(case, answer)

    grader.cases = cases
    return grader


def call(answer, *args):
    """What an answer returns for copies of the arguments, unchecked.

    Raises:
        NotAnswered: the answer is ``...``, or returns None or ``...``.
        Hint: no function, an exception, a changed argument.
    """
    if answer is ... or answer is None:
        raise NotAnswered
    if not callable(answer):
        raise Hint(f"pass the function itself, without calling it; this is {kind(answer)}.")
    copies = copy.deepcopy(args)
    try:
        result = answer(*copies)
    except (Exception, SystemExit) as error:
        raise Hint(f"{_shown(args)}it raised {what_was_raised(error)}") from None
    if result is None or result is ...:
        raise NotAnswered
    for before, after in zip(args, copies, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True):
            raise Hint("it changes an array it was given. Compute with a copy: `w = w - step`, not `w -= step`.")
        if isinstance(before, (list, set)) and before != after:
            raise Hint(f"it changes the {type(before).__name__} it was given. Build a new one.")
    return result


def ask(answer, *args, like):
    """What an answer returns for copies of the arguments, if it is of the kind of `like`; see `call` and `check`."""
    return check(call(answer, *args), like)


def check(result, like):
    """A result as float64 array, tuple of them, or list, if it is of the kind and shape of `like`.

    Args:
        result: of any kind.
        like: a number or array; a tuple of those; or a list of words or of whole numbers, of any length.

    Raises:
        Hint: another kind. WrongShape and NotFinite are kinds of it.
    """
    if isinstance(like, list):
        return _words(result) if any(isinstance(item, str) for item in like) else _whole_numbers(result)
    if not isinstance(like, tuple):
        return numbers(result, np.shape(like))
    if not isinstance(result, (tuple, list)) or len(result) != len(like):
        raise Hint(f"it should return {len(like)} values, in a tuple; it returned {kind(result)}.")
    return tuple(numbers(value, np.shape(one)) for value, one in zip(result, like, strict=True))


def numbers(value, shape=None):
    """A value as an array of finite float64, of the given shape or of any.

    Raises:
        Hint: it is of another kind. WrongShape: of another shape. NotFinite: NaN or infinity.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind == "c" and not array.imag.any():
            array = array.real
        if array.dtype.kind not in "biufO":  # O: fractions and the like, which float() turns into numbers
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise Hint(f"it should return numbers; it returned {kind(value)}.") from None
    if shape is not None and array.shape != shape:
        raise WrongShape(array.shape, shape)
    if not np.isfinite(array).all():
        raise NotFinite("it returned NaN or infinity.")
    return array


def near(got, wanted, rtol=1e-6, atol=0.0):
    """Whether a checked result is the wanted one: numbers to a tolerance of the largest, lists exactly.

    Where `wanted` has ``...`` anything goes; to NaN or infinity nothing is near, nor to an array of another shape.
    """
    if isinstance(wanted, tuple):
        return all(near(a, b, rtol, atol) for a, b in zip(got, wanted, strict=True))
    if wanted is ...:
        return True
    if isinstance(wanted, list):
        return got == wanted
    got, wanted = np.asarray(got, dtype=float), np.asarray(wanted, dtype=float)
    if got.shape != wanted.shape or not np.isfinite(wanted).all():
        return False
    return bool(np.abs(got - wanted).max(initial=0) <= atol + rtol * max(np.abs(wanted).max(initial=0), 1e-12))


def first_off(right, advice, form="g", rtol=1e-6, atol=0.0):
    """The hint for several numbers of which none of the known mistakes was made: the first that is off, by its letter.

    Args:
        right: tuple of numbers, for the questions a, b, c and so on.
        advice: str, a sentence on what to do.
        form: str, the format in which the number is shown.
        rtol, atol: as in `near`.

    Returns:
        function of the numbers that were returned to the hint, a str.
    """
    return lambda got: next(
        f"{letter}: {float(value):{form}} is off; the others may be, too. {advice}"
        for letter, value, wanted in zip("abcdefgh", got, right, strict=False)
        if not near(value, wanted, rtol, atol)
    )


def kind(value):
    """A value's type in words, with its article."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    name = type(value).__name__
    return f"an {name}" if name.startswith(tuple("aeiou")) else f"a {name}"


def what_was_raised(error):
    """An exception's type and its message, on one line."""
    try:
        message = " ".join(str(error).splitlines())
    except Exception:
        message = "(its message cannot be shown)"
    return f"{type(error).__name__}: {message}"


def _run(case, answer):
    """Raise the Hint that fits, unless the answer is right in this case."""
    try:
        got = ask(answer, *case.args, like=case.right)
    except Hint as hint:
        got = hint
    failed = isinstance(got, Hint)
    if not failed and near(got, case.right, case.rtol, case.atol):
        return
    for mistake, words in case.wrong:
        if _is(got, mistake, case):
            raise _filled(words, got) from None
    raise got if failed else _filled(case.otherwise, got)


def _filled(words, got):
    with np.printoptions(precision=3, suppress=True, linewidth=10_000):
        return Hint(words(got) if callable(words) else words.format(got=got))


def _is(got, mistake, case):
    if isinstance(mistake, type):
        return isinstance(got, mistake)
    if isinstance(mistake, WrongShape):
        return isinstance(got, WrongShape) and got.shape == mistake.shape
    if isinstance(got, Hint):
        return False
    return mistake(got) if callable(mistake) else near(got, mistake, case.rtol, case.atol)


def _shown(args):
    """Arguments that fit into half a line, in words."""
    text = ", ".join(str(arg.tolist() if isinstance(arg, np.ndarray) else arg) for arg in args)
    return f"called with ({text}) " if len(text) <= 60 and "Generator" not in text else ""


def _words(result):
    if not isinstance(result, (list, tuple)) or not all(isinstance(item, str) for item in result):
        raise Hint(f"it should return a list of words; it returned {kind(result)}.")
    return list(result)


def _whole_numbers(result):
    if not isinstance(result, (list, tuple, np.ndarray)):
        raise Hint(f"it should return a list of ints; this is {kind(result)}.")
    try:
        whole = [int(item) for item in result]
        same = all(a == b for a, b in zip(whole, result, strict=True))
    except (TypeError, ValueError, OverflowError):
        raise Hint("it should return a list of ints; something in it is no number.") from None
    if not same:
        raise Hint("it should return a list of ints; something in it is no whole number.")
    return whole
