"""Answers to the exercises of chapter 14: solutions, and mistakes with words of the hint that each must get."""

import math

import numpy as np

PREDICTED = (0.02, 576_000, 0.06 / math.sqrt(12), 320, -0.76159, 0.5)


def but(**changed):
    """The right predictions, with some of them changed: but(a=1.0)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcdef", PREDICTED, strict=True))


def integer_product(codes_x, step_x, zero, codes_w, steps_w):
    x, w = codes_x.astype(np.int64), codes_w.astype(np.int64)
    return step_x * steps_w * (x @ w - zero * w.sum(axis=0))


def narrow(codes_x, step_x, zero, codes_w, steps_w):
    return step_x * steps_w * ((codes_x @ codes_w).astype(float) - zero * codes_w.sum(axis=0, dtype=float))


SOLUTIONS_A = {"14.1": but(), "14.2": integer_product}

MISTAKES_A = [
    ("14.1", but(a=2.54 / 128), "leaves out"),
    ("14.1", but(b=512_000), "scales are missing"),
    ("14.1", but(c=0.03), "largest error"),
    ("14.1", but(c=0.06**2 / 12), "mean square"),
    ("14.1", but(d=400), "largest rank"),
    ("14.1", but(e=-0.3808), "factor T is missing"),
    ("14.1", but(e=-0.964), "divided by T, too"),
    ("14.1", but(f=0.25), "its column"),
    ("14.1", but(d=77), "d: 77 is off"),
    ("14.2", narrow, "overflows"),
    ("14.2", lambda x, sx, zero, w, sw: integer_product(x, sx, 0, w, sw), "zero point is missing"),
    ("14.2", lambda x, sx, zero, w, sw: integer_product(x, sx, -zero, w, sw), "wrong sign"),
    ("14.2", lambda x, sx, zero, w, sw: integer_product(x, sx, zero, w, np.ones_like(sw)), "weights' steps"),
    ("14.2", lambda x, sx, zero, w, sw: 7.7 + 0 * integer_product(x, sx, zero, w, sw), "should be"),
]


# For tests/answers/ch14.py, which imports math and numpy as np.


def copies(rate, D, limit, square=1.0, whole=False, service=True):
    if service and limit <= D:
        return 0
    c = math.floor(rate * D) + 1
    while True:
        load = rate * D / c
        share = rate if whole else rate / c
        if service * D + square * share * D * D / (2 * (1 - load)) <= limit:
            return c
        c += 1


def felt(due, took):
    out, free = [], due[0]
    for at, seconds in zip(due, took, strict=True):
        free = max(free, at) + seconds
        out.append(free - at)
    return np.array(out)


def chained_once(due, took):
    return np.maximum(due, np.r_[due[0], (due + took)[:-1]]) + took - due


def alarm(held_out, rate, new, shift=0, equal=False):
    place = math.ceil((len(held_out) + 1) * (1 - rate) - 1e-9) - 1 + shift
    threshold = sorted(held_out)[min(place, len(held_out) - 1)]
    return threshold, np.mean(new >= threshold if equal else new > threshold)


def by_quantile(held_out, rate, new):
    threshold = np.quantile(held_out, 1 - rate)
    return threshold, np.mean(new > threshold)


SOLUTIONS_B = {"14.3": copies, "14.4": felt, "14.5": alarm}

MISTAKES_B = [
    ("14.3", lambda *given: copies(*given, square=2.0), "exponential"),
    ("14.3", lambda *given: copies(*given, service=False), "waiting time"),
    ("14.3", lambda rate, D, limit: math.ceil(rate * D), "only brings the load"),
    ("14.3", lambda rate, D, limit: copies(rate, D, limit) or 1, "No number of copies"),
    ("14.3", lambda *given: 77, "it should be"),
    ("14.4", lambda due, took: took, "what the client noted"),
    ("14.4", lambda due, took: felt(due, took) - took, "how late each was sent"),
    ("14.4", lambda due, took: felt(due, took) + due, "times of the answers"),
    ("14.4", chained_once, "Carry the time"),
    ("14.4", lambda due, took: np.cumsum(took) + due[0] - due, "nothing is sent before"),
    ("14.4", lambda due, took: 0 * due + 7.7, "it should be"),
    ("14.5", by_quantile, "promises less"),
    ("14.5", lambda *given: alarm(*given, equal=True), "does not ring"),
    ("14.5", lambda *given: alarm(*given, shift=1), "one smaller value"),
    ("14.5", lambda h, r, new: by_quantile(new, r, new), "held-out values and kept"),
    ("14.5", lambda *given: (77.7, 0.5), "the threshold is"),
]


SOLUTIONS = SOLUTIONS_A | SOLUTIONS_B
MISTAKES = MISTAKES_A + MISTAKES_B
