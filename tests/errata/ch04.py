"""Numbers of docs/errata.md that chapter 04 corrects, computed anew."""

import numpy as np


def half_sum(w, lam):
    """S0's loss for one example, x = 1 and y = 3."""
    return (w - 3) ** 2 / 2 + lam * w**2


def slope(w, lam):
    """Its derivative, by finite differences."""
    return (half_sum(w + 1e-6, lam) - half_sum(w - 1e-6, lam)) / 2e-6


def end_of_descent(gradient):
    w = 2.0
    for _ in range(500):
        w -= 0.1 * gradient(w)
    return w


def lambda_beside_the_mean(examples, beside_half_sum):
    """The λ with which the mean of the squares has the minimum of the half-sum: solved from the two derivatives."""
    x, y = np.random.default_rng(4).normal(size=(2, examples))
    w = x @ y / (x @ x + 2 * beside_half_sum)
    return np.mean(x * (y - w * x)) / w


RECOMPUTED = {
    "E04-1": lambda: {"50,816": 784 * 64 + 64 * 10, "2,000": 2000},
    "E04-2": lambda: {
        "2": 2,
        "1": 1,
        "3": 3,
        "0.1": 0.1,
        "0.6": -slope(2.0, 0.1),
        "0.2": -(slope(2.0, 0.1) + 2 * 0.1 * 2.0),
        "2.5": end_of_descent(lambda w: slope(w, 0.1)),
        "2.1429": end_of_descent(lambda w: slope(w, 0.1) + 2 * 0.1 * w),
    },
    "E04-3": lambda: {"2,000": 2000, "1": 1, "0.001": lambda_beside_the_mean(2000, 1.0)},
    "E04-8": lambda: {"2016": 2016},
}
