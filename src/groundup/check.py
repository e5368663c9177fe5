"""Claims that can fail, gradients checked three ways, and exercises that answer.

A claim asserts first and then prints one line: the value and its bound. What may differ between machines is the value,
which tests/sanitize.cfg leaves out of comparisons. When the environment variable
GROUNDUP_CLAIMS names a file (``make run`` sets it), each claim is also appended there as a line of JSON. While a record
is being made (GROUNDUP_RECORD is set), a claim that fails is written down and printed, and the chapter goes on.
"""

import contextlib
import io
import json
import os

import numpy as np

from . import exercises


def at_least(name, value, bound):
    """Claim that value >= bound (two numbers); NaN fails. Raises AssertionError naming both."""
    number = _number(name, value)
    _claim(name, f" {_short(number)} (at least {_short(bound)})", value, bound, number >= bound, sign=">=")


def at_most(name, value, bound):
    """Claim that value <= bound (two numbers); NaN fails. Raises AssertionError naming both."""
    number = _number(name, value)
    _claim(name, f" {_short(number)} (at most {_short(bound)})", value, bound, number <= bound, sign="<=")


def close(name, value, expected, rtol=1e-6, atol=0.0):
    """Claim that two numbers, or two arrays of one shape, agree: abs(value - expected) <= atol + rtol * abs(expected).

    Raises:
        AssertionError: shapes differ, both are empty, or an entry is off; names the worst entry of both.
    """
    value, expected = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    if value.shape != expected.shape:
        _claim(name, "", value.shape, expected.shape, False, f"shape {value.shape}, wanted {expected.shape}")
    if not value.size:
        _claim(
            name, "", value.shape, expected.shape, False, f"both are empty, of shape {value.shape}: nothing compared"
        )
    within = np.isclose(value, expected, rtol=rtol, atol=atol)
    worst = np.unravel_index(np.argmin(within), within.shape)  # the first entry that is off, if any is
    where = f" at {tuple(map(int, worst))}" if worst else ""
    seen, wanted = value[worst], expected[worst]
    decides = rtol * np.abs(np.nan_to_num(expected)).max() > atol  # of the two tolerances, for the largest entry
    tolerance = f"{rtol:g} relative" if decides else f"{atol:g}"
    shown = f" {seen:.6g} (within {tolerance})" if value.ndim == 0 else f": equal within {tolerance}"
    _claim(name, shown, seen, wanted, bool(within.all()), f"{seen}{where}, wanted {wanted}")


def equal(name, value, expected):
    """Claim that two values are exactly equal: arrays, or lists, tuples and dicts that may hold some.

    An array equals a list of the same shape and entries. Raises AssertionError naming both.
    """
    text = ": equal" if isinstance(value, np.ndarray) or isinstance(expected, np.ndarray) else f" is {expected}"
    _claim(name, text, value, expected, _same(value, expected))


def among(name, value, values):
    """Claim that a number lies among those of other seeds: at most five of their standard deviations from their mean.

    Five, because a sixth value of the same normal distribution is further than that from the mean of five in one case
    of a hundred (Student's t with four degrees of freedom). Raises AssertionError naming all.

    Args:
        name: str, what was measured.
        value: the number measured here.
        values: at least three numbers, or a dict from seed to number as `records.values` returns it.
    """
    number = _number(name, value)
    others = np.array(list(values.values() if isinstance(values, dict) else values), dtype=float)
    off = abs(number - others.mean()) / max(others.std(ddof=1), 1e-12) if len(others) > 2 else np.nan
    seen = f"{_short(others.min())} to {_short(others.max())}"
    text = f" {_short(number)} (among {len(others)} seeds, {seen})"
    detail = f"it is {off:.1f} standard deviations from their mean"
    _claim(name, text, value, others.mean(), bool(off <= 5), detail, sign="among")


def holds(name, condition):
    """Claim that a condition is true. Raises AssertionError with the name of the claim, TypeError for an array."""
    if hasattr(condition, "__array__") and np.size(condition) != 1:
        raise TypeError(f"{name}: is it all or any entry of this array of shape {np.shape(condition)}? Write which.")
    _claim(name, "", bool(condition), True, bool(condition))


def refused(name, claim):
    """Claim that another claim fails: a wrong formula, say, that a check must catch.

    Args:
        name: str, what should be refused.
        claim: function without arguments that makes the other claim.

    Returns:
        str: what the other claim said.

    Raises:
        AssertionError: the other claim held.
    """
    # The report counts this claim, not the other one; and the other one must be able to fail.
    kept = {name: os.environ.pop(name) for name in ("GROUNDUP_CLAIMS", "GROUNDUP_RECORD") if name in os.environ}
    said = None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            claim()
    except AssertionError as error:
        said = str(error)
    finally:
        os.environ |= kept
    _claim(name, " is refused", said is not None, True, said is not None, "it was accepted")
    return said


class _ValuesOnly:
    """Has the names of this module's claims; each prints the value and claims nothing."""

    def __getattr__(self, claim):
        def show(name, value, *_, **__):
            number = isinstance(value, (float, np.floating)) or (np.ndim(value) == 0 and hasattr(value, "numpy"))
            text = f"{float(value):.3f}" if number else " ".join(str(value).split())[:80]
            print(f"--  {name}: {text}, not claimed on this data")

        return show


values_only = _ValuesOnly()  # for `check`, where a claim is about the course's data and a reader brought other


def gradients(name, loss, gradient, at, tape_loss, rtol=1e-6):
    """Claim that a gradient agrees with central differences and with ``tf.GradientTape``, in double precision.

    Args:
        name: str, what the gradient is of.
        loss: function of the parameters, NumPy arrays, to a float.
        gradient: function of the parameters to a list of arrays, one for each parameter, of its shape.
        at: list of float arrays, the parameters.
        tape_loss: the same loss as a function of ``tf.Variable`` parameters (float64) to a scalar tensor.
        rtol: float, largest error of a parameter's gradient relative to its largest entry.

    Raises:
        AssertionError: names the parameter, the way that disagrees and the relative error.
    """
    import tensorflow as tf

    at = [np.asarray(p, dtype=np.float64) for p in at]
    ours = [np.asarray(g, dtype=np.float64) for g in gradient(*at)]
    variables = [tf.Variable(p) for p in at]
    with tf.GradientTape() as tape:
        value = tape_loss(*variables)
    theirs = {
        "finite differences": finite_differences(loss, at),
        "GradientTape": [g.numpy() for g in tape.gradient(value, variables)],
    }
    for way, others in theirs.items():
        for i, (a, b) in enumerate(zip(ours, others, strict=True)):
            if a.shape != b.shape:
                _claim(name, "", a.shape, b.shape, False, f"parameter {i} has shape {a.shape}, {way} {b.shape}")
            scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0), 1e-12)
            error = np.abs(a - b).max(initial=0.0) / scale
            if not error <= rtol:
                _claim(name, "", error, rtol, False, f"parameter {i} differs from {way} by {error:.1e} relative")
    _claim(name, ": formula = finite differences = GradientTape", rtol, rtol, True)


def finite_differences(loss, at):
    """Gradient by central differences, (loss(p + h) - loss(p - h)) / 2h, one entry at a time.

    Args:
        loss: function of NumPy arrays to a float.
        at: list of float64 arrays, the parameters.

    Returns:
        list of arrays, one for each parameter, of its shape. The step h = cbrt(machine epsilon) * max(1, abs(p))
        balances rounding against truncation; see Nocedal and Wright, Numerical Optimization (2006), section 8.1.
    """
    at = [np.array(p, dtype=np.float64) for p in at]
    result = [np.zeros_like(p) for p in at]
    for p, g in zip(at, result, strict=True):
        for i in np.ndindex(p.shape):
            kept = p[i]
            h = np.cbrt(np.finfo(float).eps) * max(1.0, abs(kept))
            p[i] = kept + h
            above = float(loss(*at))
            p[i] = kept - h
            below = float(loss(*at))
            p[i] = kept
            g[i] = (above - below) / (2 * h)
    return result


def exercise(number, answer):
    """Grade an answer and print one line: not answered yet, right, or a hint fitted to the mistake.

    Args:
        number: str such as "01.2": chapter and exercise.
        answer: what the exercise asks for. Nothing it does raises here: wrong types, exceptions and endless loops
            become hints.

    Raises:
        ValueError: no such exercise; lists those there are.
    """
    print(number, exercises.grade(number, answer))


def _same(value, expected):
    """Whether two values are equal, as one bool, also where NumPy would answer entry by entry."""
    if hasattr(value, "__array__") or hasattr(expected, "__array__"):
        try:
            return bool(np.array_equal(value, expected))
        except (ValueError, TypeError):  # a list of rows that are no array
            return False
    if type(value) is type(expected) and isinstance(value, (list, tuple)):
        return len(value) == len(expected) and all(map(_same, value, expected))
    if type(value) is type(expected) and isinstance(value, dict):
        return value.keys() == expected.keys() and all(_same(value[key], expected[key]) for key in value)
    return bool(value == expected)


def _short(number):
    """A number for the eye: three digits, or all digits of a count."""
    whole = float(number).is_integer() and abs(number) < 1e6
    return f"{number:.0f}" if whole or 1000 <= abs(number) < 1e6 else f"{number:.3g}"


def _number(name, value):
    value = np.asarray(value)
    if value.size != 1:
        raise TypeError(f"{name}: a claim compares one number, this is an array of shape {value.shape}.")
    return float(value.reshape(()))


def _claim(name, text, value, bound, ok, detail=None, sign=""):
    path = os.environ.get("GROUNDUP_CLAIMS")
    if path:
        line = {"name": name, "claim": name + text, "value": _plain(value), "bound": _plain(bound), "sign": sign}
        line["ok"] = bool(ok)
        with open(path, "a", encoding="utf-8") as report:
            report.write(json.dumps(line, ensure_ascii=False) + "\n")
    if not ok:
        said = f"not so: {name}{text}; {detail or f'it is {value}'}"
        if not os.environ.get("GROUNDUP_RECORD"):
            raise AssertionError(said)
        print(said)
        return
    print(f"ok  {name}{text}")


def _plain(value):
    """A value as JSON can hold it: numbers as they are, all else as short text."""
    try:
        value = np.asarray(value)
    except ValueError:  # rows of different lengths
        return str(value)[:200]
    if value.size == 1 and value.dtype.kind in "biuf":
        number = value.reshape(()).item()
        return number if np.isfinite(number) else str(number)
    return str(value)[:200]
