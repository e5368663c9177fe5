"""Answers to the exercises of chapter 05: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def class_measures(y, predicted, k, empty=0.0):
    hits, said, there = np.sum((y == k) & (predicted == k)), np.sum(predicted == k), np.sum(y == k)
    return hits / said if said else empty, hits / there


def pairs(truth, scores, tie=0.5):
    difference = scores[truth][:, None] - scores[~truth]
    return np.mean((difference > 0) + tie * (difference == 0))


def threshold(c_tp, c_fp, c_fn, c_tn):
    return (c_fp - c_tn) / (c_fp - c_tn + c_fn - c_tp)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def halve(f, low=0.01, high=5.0):
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if f(middle) > 0 else (middle, high)
    return low


def temperature(z, y):
    one_hot = np.eye(z.shape[1])[y]
    return 1 / halve(lambda beta: np.sum((softmax(beta * z) - one_hot) * z))


def by_confidence(z, y):
    hits = np.mean(z.argmax(axis=1) == y)
    return 1 / halve(lambda beta: softmax(beta * z).max(axis=1).mean() - hits)


def best(X, y):
    return np.argsort(-np.abs(X[y].mean(axis=0) - X[~y].mean(axis=0)))[:20]


def nearest_mean(X, y, new):
    return ((new - X[y].mean(axis=0)) ** 2).sum(axis=1) < ((new - X[~y].mean(axis=0)) ** 2).sum(axis=1)


def estimate(X, y, rng, first=False, learned=False, columns=best):
    keep, right = columns(X, y), np.zeros(len(y), bool)
    for held in np.array_split(rng.permutation(len(y)), 5):
        rest = np.arange(len(y)) if learned else np.setdiff1d(np.arange(len(y)), held)
        if not first:
            keep = columns(X[rest], y[rest])
        right[held] = nearest_mean(X[rest][:, keep], y[rest], X[held][:, keep]) == y[held]
    return right.mean()


SOLUTIONS = {
    "05.1": class_measures,
    "05.2": pairs,
    "05.3": threshold,
    "05.4": temperature,
    "05.5": estimate,
}

MISTAKES = [
    ("05.1", lambda y, p, k: class_measures(y, p, k)[::-1], "the two are exchanged"),
    ("05.1", lambda y, p, k: (np.mean(y == p), class_measures(y, p, k)[1]), "is the accuracy"),
    ("05.1", lambda y, p, k: (np.mean((y == k) & (p == k)),) * 2, "divided by all n"),
    ("05.1", lambda y, p, k: (np.mean(p == k), np.mean(y == k)), "these are the shares"),
    ("05.1", lambda y, p, k: (0.0, class_measures(y, p, k)[1]), "precision is not"),
    ("05.1", lambda y, p, k: (class_measures(y, p, k)[0], 0.0), "recall is not"),
    ("05.1", lambda y, p, k: class_measures(y, p, k, empty=np.nan), "never predicted"),
    ("05.1", lambda y, p, k: class_measures(y, p, k, empty=1.0), "never predicted"),
    ("05.1", lambda y, p, k: (0.1, 0.2), "it should be (0.667, 0.500)"),
    ("05.2", lambda t, s: 1 - pairs(t, s), "1 minus the AUC"),
    ("05.2", lambda t, s: pairs(t, s, tie=0), "counted as lost"),
    ("05.2", lambda t, s: pairs(t, s, tie=1), "counted as won"),
    ("05.2", lambda t, s: pairs(t, s) * t.sum() * (~t).sum() / len(t) ** 2, "not by n squared"),
    ("05.2", lambda t, s: pairs(t, s) * t.sum() * (~t).sum(), "number of pairs won"),
    ("05.2", lambda t, s: pairs(t, (s >= 0.5) * 1.0), "turned into yes and no"),
    ("05.2", lambda t, s: np.mean((s >= 0.5) == t), "accuracy at 0.5"),
    ("05.2", lambda t, s: 2.5, "between 0 and 1"),
    ("05.2", lambda t, s: 0.123, "it should be"),
    ("05.3", lambda tp, fp, fn, tn: 1 - threshold(tp, fp, fn, tn), "exchanged"),
    ("05.3", lambda tp, fp, fn, tn: fp / (fp + fn), "right answers are free"),
    ("05.3", lambda tp, fp, fn, tn: fp / fn, "ratio of the costs"),
    ("05.3", lambda tp, fp, fn, tn: (fp - tn) / (fn - tp) if tp else threshold(tp, fp, fn, tn), "odds"),
    ("05.3", lambda *costs: 0.5, "one half"),
    ("05.3", lambda *costs: 0.3, "it should be 0.0500"),
    ("05.4", lambda z, y: 1 / temperature(z, y), "this is 1 / T"),
    ("05.4", lambda z, y: 1.0, "nothing was fitted"),
    ("05.4", lambda z, y: -2.0, "positive"),
    ("05.4", by_confidence, "mean confidence"),
    ("05.4", lambda z, y: 7.0, "lowest cross-entropy is at"),
    ("05.5", lambda X, y, rng: estimate(X, y, rng, first=True), "seen the held-out labels"),
    ("05.5", lambda X, y, rng: 1.0, "examples it has learned"),
    ("05.5", lambda X, y, rng: estimate(X, y, rng, learned=True), "examples it has learned|held-out labels"),
    ("05.5", lambda X, y, rng: 100 * estimate(X, y, rng), "between 0 and 1"),
    ("05.5", lambda X, y, rng: 1 - estimate(X, y, rng, first=True), "less than a coin"),
    ("05.5", lambda X, y, rng: estimate(X, y, rng, columns=lambda X, y: np.arange(100, 120)), "clear signal"),
]
