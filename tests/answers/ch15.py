"""Answers to the exercises of chapter 15: solutions, and mistakes with words of the hint that each must get."""

import math

import numpy as np

PRIVACY = (0.1 * math.exp(0.5), 15, 2, 2, 0.5)


def privacy(**changed):
    """The right predictions of 15.1, with some of them changed: privacy(b=5)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcde", PRIVACY, strict=True))


def response(answers, t, coins=0.5, whole=False, epsilon=None):
    mean = np.mean(answers)
    share = mean / t if whole else (mean - (1 - t) * coins) / t
    return share, math.log((1 + t) / (1 - t)) if epsilon is None else epsilon(t)


SOLUTIONS_A = {"15.1": privacy(), "15.2": response}

MISTAKES_A = [
    ("15.1", privacy(a=0.15), "not 1.5"),
    ("15.1", privacy(a=0.6), "not added"),
    ("15.1", privacy(b=5), "sensitivity is 3"),
    ("15.1", privacy(c=0.2), "add up"),
    ("15.1", privacy(d=10), "before clipping"),
    ("15.1", privacy(e=0), "count a half"),
    ("15.1", privacy(e=0.7), "e: 0.7 is off"),
    ("15.2", lambda answers, t: (np.mean(answers), math.log((1 + t) / (1 - t))), "towards one half"),
    ("15.2", lambda *given: response(*given, whole=True), "subtract them first"),
    ("15.2", lambda *given: response(*given, coins=1), "only half are ones"),
    ("15.2", lambda *given: response(*given, epsilon=lambda t: (1 + t) / (1 - t)), "its logarithm"),
    ("15.2", lambda *given: response(*given, epsilon=lambda t: math.log(1 / (1 - t))), "half of its throws"),
    ("15.2", lambda *given: response(*given, epsilon=lambda t: math.log((1 - t) / (1 + t))), "not negative"),
    ("15.2", lambda *_: (7.7, 7.7), "it should be"),
]


EXPLAINED = (1 / 15, 3, 1.5, 6, 1 / 9, 2)


def explained(**changed):
    """The right predictions of 15.4, with some of them changed: explained(a=0.2)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcdef", EXPLAINED, strict=True))


def equalized_odds_gap(chosen, truth, group, reduce=max, by_decision=False, signed=False, two=False):
    gaps = []
    for label in (0, 1):
        given, asked = (chosen, truth) if by_decision else (truth, chosen)
        groups = (0, 1) if two else np.unique(group)
        rates = [asked[(group == g) & (given == label)].mean() for g in groups]
        gaps.append(rates[0] - rates[1] if signed else max(rates) - min(rates))
    return reduce(gaps)


def equal_odds(curve_a, curve_b, fpr, choose=min, bottom=None, mix=True):
    if mix:
        a, b = (np.interp(fpr, *curve) for curve in (curve_a, curve_b))
    else:
        a, b = (curve[1][np.abs(curve[0] - fpr).argmin()] for curve in (curve_a, curve_b))
    common, bottom = choose(a, b), fpr if bottom is None else bottom
    return common, (common - bottom) / (a - bottom), (common - bottom) / (b - bottom)


SOLUTIONS_B = {"15.3": equalized_odds_gap, "15.4": explained(), "15.5": equal_odds}

MISTAKES_B = [
    ("15.3", lambda *given: equalized_odds_gap(*given, by_decision=True, signed=True, two=True), "those with a truth"),
    ("15.3", lambda *given: equalized_odds_gap(*given, by_decision=True), "those with a truth"),
    ("15.3", lambda *given: equalized_odds_gap(*given, signed=True), "can be negative"),
    ("15.3", lambda *given: equalized_odds_gap(*given, two=True), "more than two groups"),
    ("15.3", lambda *given: equalized_odds_gap(*given, reduce=min), "smaller of the two"),
    ("15.3", lambda *given: equalized_odds_gap(*given, reduce=np.mean), "mean of the two"),
    ("15.3", lambda *given: equalized_odds_gap(*given, reduce=sum), "sum of the two"),
    ("15.4", explained(a=0.2), "first group's"),
    ("15.4", explained(b=6), "share the product"),
    ("15.4", explained(c=3), "is 3 already"),
    ("15.4", explained(d=2), "attribution of x1"),
    ("15.4", explained(d=3), "multiplied by the change"),
    ("15.4", explained(e=1 / 3), "with its square"),
    ("15.4", explained(e=1 / 4), "two copies"),
    ("15.4", explained(f=10 / 7), "not their sum"),
    ("15.4", explained(b=7), "b: 7 is off"),
    ("15.5", lambda *given: equal_odds(*given, choose=max), "cannot reach"),
    ("15.5", lambda *given: equal_odds(*given, choose=lambda a, b: (a + b) / 2), "out of reach"),
    ("15.5", lambda *given: equal_odds(*given, bottom=0.0), "its TPR is fpr"),
    ("15.5", lambda *given: equal_odds(*given, mix=False), "both sides of fpr"),
    ("15.5", lambda a, b, f: (*equal_odds(a, b, f)[:1], *equal_odds(a, b, f)[:0:-1]), "wrong order"),
]


SOLUTIONS = SOLUTIONS_A | SOLUTIONS_B
MISTAKES = MISTAKES_A + MISTAKES_B
