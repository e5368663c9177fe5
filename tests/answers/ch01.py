"""Answers to the exercises of chapter 01: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def gradient(X, y, w, b):
    e = X @ w + b - y
    return 2 * X.T @ e / len(y), 2 * e.mean()


def weighted(X, y, c, w, b, factor=2.0, divide=np.sum, use_bias=True, power=1):
    pull = factor * c**power * (X @ w + (b if use_bias else 0) - y) / divide(c)
    return X.T @ pull, pull.sum()


def fit(X, y, rng, rate=0.1, epochs=60, bias=True, decay=0.2):
    mean, std = X.mean(axis=0), X.std(axis=0)
    Z, w, b = (X - mean) / std, np.zeros(X.shape[1]), 0.0
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(y)), len(y) // 20):
            dw, db = gradient(Z[rows], y[rows], w, b)
            w, b = w - rate / (1 + decay * epoch) * dw, b - bias * rate / (1 + decay * epoch) * db
    return w / std, b - np.sum(w * mean / std) * bias


def rate(excess, learning_rate, root=np.sqrt, sign=1, wanted=lambda h: 1 / h):
    return wanted((1 + sign * root(excess[1] / excess[0])) / learning_rate)


def uncorrected(t, beta1, beta2, root=np.sqrt):
    return (1 - beta1**t) / root(1 - beta2**t)


SOLUTIONS = {
    "01.1": lambda p, t: np.mean((np.ravel(p) - t) ** 2),
    "01.2": weighted,
    "01.3": rate,
    "01.4": uncorrected,
    "01.5": fit,
}

MISTAKES = [
    ("01.1", lambda p, t: np.mean((p - t) ** 2), "matrix of shape (3, 3)"),
    ("01.1", lambda p, t: np.sum((p - t) ** 2) / 2, "half the sum"),
    ("01.1", lambda p, t: np.sum((p - t) ** 2), "this is the sum"),
    ("01.1", lambda p, t: np.mean((p - t) ** 2) / 2, "half the mean"),
    ("01.1", lambda p, t: np.sqrt(np.mean((p - t) ** 2)), "square root"),
    ("01.1", lambda p, t: np.mean(np.abs(p - t)), "mean absolute error"),
    ("01.1", lambda p, t: np.mean(p - t) ** 2, "opposite sign"),
    ("01.1", lambda p, t: (p - t) ** 2, "a single number"),
    ("01.1", lambda p, t: 0.7, "it should be 0.75"),
    ("01.2", lambda *a: weighted(*a, factor=-2), "sign is reversed"),
    ("01.2", lambda *a: weighted(*a, divide=len), "not by n"),
    ("01.2", lambda *a: weighted(*a, divide=lambda c: 1), "forgot to divide"),
    ("01.2", lambda *a: weighted(*a, factor=1), "factor 2"),
    ("01.2", lambda *a: weighted(*a, power=0), "in the sums too"),
    ("01.2", lambda X, y, c, w, b: gradient(X, y, w, b), "plain mean"),
    ("01.2", lambda *a: weighted(*a, power=2), "squared"),
    ("01.2", lambda *a: weighted(*a, use_bias=False), "the bias is missing"),
    ("01.2", lambda *a: (weighted(*a)[0], 0.0), "db is not"),
    ("01.2", lambda *a: (0 * a[3], weighted(*a)[1]), "dw is not"),
    ("01.2", lambda *a: weighted(*a)[0], "2 values|shape"),
    ("01.3", lambda *a: rate(*a, wanted=lambda h: 2 / h), "limit of stability"),
    ("01.3", lambda *a: rate(*a, wanted=lambda h: h), "this is the curvature"),
    ("01.3", lambda *a: rate(*a, root=lambda r: r), "square root"),
    ("01.3", lambda *a: rate(*a, sign=-1), "it is minus the root"),
    ("01.3", lambda *a: -rate(*a, sign=-1), "minus the root"),
    ("01.3", lambda excess, alpha: alpha / 2, "it should be 0.04"),
    ("01.4", lambda *a: 1 / uncorrected(*a), "with the corrections"),
    ("01.4", lambda *a: uncorrected(*a, root=lambda v: v), "root of v"),
    ("01.4", lambda t, beta1, beta2: 1 - beta1**t, "of m only"),
    ("01.4", lambda t, beta1, beta2: uncorrected(1, beta1, beta2), "first step"),
    ("01.5", lambda X, y, rng: fit(X, y, rng, rate=5, epochs=1), "diverges"),
    ("01.5", lambda X, y, rng: fit(X, y, rng, epochs=1, rate=0.02), "more epochs"),
    ("01.5", lambda X, y, rng: fit(X, y, rng, bias=False), "bias"),
    ("01.5", lambda X, y, rng: fit((X - X.mean(axis=0)) / X.std(axis=0), y, rng), "undo the scaling"),
]
