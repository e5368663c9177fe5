"""Answers to the exercises of chapter 01: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def adam(w, g, m, v, t, correct=True, square=lambda g: g**2, root=np.sqrt, shift=0, sign=-1, first=0.1):
    """One step of Adam, with a part to get wrong."""
    m, v = 0.9 * m + first * g, 0.999 * v + 0.001 * square(g)
    t = t + shift
    m_hat, v_hat = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if correct else (m, v)
    return w + sign * 0.001 * m_hat / (root(v_hat) + 1e-7), m, v


def gradient(X, y, w, b, factor=2.0, use_bias=True):
    e = X @ w + (b if use_bias else 0) - y
    return factor * X.T @ e / len(y), factor * e.mean()


def fit(X, y, rng, rate=0.1, epochs=60, bias=True, decay=0.2):
    mean, std = X.mean(axis=0), X.std(axis=0)
    Z, w, b = (X - mean) / std, np.zeros(X.shape[1]), 0.0
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(y)), len(y) // 20):
            dw, db = gradient(Z[rows], y[rows], w, b)
            w, b = w - rate / (1 + decay * epoch) * dw, b - bias * rate / (1 + decay * epoch) * db
    return w / std, b - np.sum(w * mean / std) * bias


def curvatures(A, n=None):
    return np.linalg.eigvalsh(2 * A.T @ A / (n or len(A)))


SOLUTIONS = {
    "01.1": lambda p, t: np.mean((p - t) ** 2),
    "01.2": gradient,
    "01.3": lambda A: 2 / curvatures(A)[-1],
    "01.4": adam,
    "01.5": fit,
}

MISTAKES = [
    ("01.1", lambda p, t: np.sum((p - t) ** 2) / 2, "half the sum"),
    ("01.1", lambda p, t: np.sum((p - t) ** 2), "this is the sum"),
    ("01.1", lambda p, t: np.mean((p - t) ** 2) / 2, "half the mean"),
    ("01.1", lambda p, t: np.sqrt(np.mean((p - t) ** 2)), "square root"),
    ("01.1", lambda p, t: np.mean(np.abs(p - t)), "mean absolute error"),
    ("01.1", lambda p, t: np.mean(p - t) ** 2, "opposite sign"),
    ("01.1", lambda p, t: (p - t) ** 2, "a single number"),
    ("01.1", lambda p, t: 0.7, "it should be 0.75"),
    ("01.2", lambda X, y, w, b: gradient(X, y, w, b, factor=-2), "sign is reversed"),
    ("01.2", lambda X, y, w, b: gradient(X, y, w, b, factor=2 * len(y)), "divide by the number of examples"),
    ("01.2", lambda X, y, w, b: gradient(X, y, w, b, factor=1), "factor 2"),
    ("01.2", lambda X, y, w, b: gradient(X, y, w, b, factor=len(y)), "half-sum"),
    ("01.2", lambda X, y, w, b: gradient(X, y, w, b, use_bias=False), "the bias is missing"),
    ("01.2", lambda X, y, w, b: (gradient(X, y, w, b)[0], 0.0), "db is not"),
    ("01.2", lambda X, y, w, b: (0 * w, gradient(X, y, w, b)[1]), "dw is not"),
    ("01.2", lambda X, y, w, b: gradient(X, y, w, b)[0], "2 values|shape"),
    ("01.3", lambda A: 1 / curvatures(A)[-1], "twice that"),
    ("01.3", lambda A: 2 / curvatures(A)[0], "smallest curvature"),
    ("01.3", lambda A: 2 / (curvatures(A)[0] + curvatures(A)[-1]), "fastest rate"),
    ("01.3", lambda A: 4 / curvatures(A)[-1], "factor 2"),
    ("01.3", lambda A: 2 / curvatures(A, n=1)[-1], "divide A.T @ A"),
    ("01.3", lambda A: 2 / curvatures(A).sum(), "trace"),
    ("01.4", lambda *a: adam(*a, correct=False), "bias correction"),
    ("01.4", lambda *a: adam(*a, square=lambda g: g), "squares of the gradient"),
    ("01.4", lambda *a: adam(*a, root=lambda v: v), "square root"),
    ("01.4", lambda *a: adam(*a, shift=1), "counts from 1"),
    ("01.4", lambda *a: adam(*a, sign=1), "uphill"),
    ("01.4", lambda *a: adam(*a, first=1.0), "1 - beta1, not 1"),
    ("01.5", lambda X, y, rng: fit(X, y, rng, rate=5, epochs=1), "diverges"),
    ("01.5", lambda X, y, rng: fit(X, y, rng, epochs=1, rate=0.02), "more epochs"),
    ("01.5", lambda X, y, rng: fit(X, y, rng, bias=False), "bias"),
]
