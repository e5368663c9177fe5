"""Answers to the exercises of chapter 05: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def predict(a=20.5 / 24, b=0.5, c=3 / 23, d=20.5 / 24, e=60 / 64):
    return lambda: (a, b, c, d, e)


def promise(X, y, rng, answer, choose, copy="inside", pick="inside", judge="recalls", folds=5):
    def balanced(rows):
        rarer = rows[y[rows] == (y[rows].mean() < 0.5)]
        return np.r_[rows, rng.choice(rarer, len(rows) - 2 * len(rarer))]

    rows = balanced(np.arange(len(y))) if copy == "before" else np.arange(len(y))
    X, y = X[rows], y[rows]
    keep, right = choose(X, y), np.zeros(len(y), bool)
    for held in np.array_split(rng.permutation(len(y)), folds):
        rest = np.setdiff1d(np.arange(len(y)), held)
        rest = balanced(rest) if copy == "inside" else rest
        if pick == "inside":
            keep = choose(X[rest], y[rest])
        if pick == "never":
            keep = np.arange(X.shape[1])
        right[held] = answer(X[rest][:, keep], y[rest], X[held][:, keep]) == y[held]
    return right.mean() if judge == "accuracy" else right[y].mean() / 2 + right[~y].mean() / 2


def threshold(c_tp, c_fp, c_fn, c_tn):
    return (c_fp - c_tn) / (c_fp - c_tn + c_fn - c_tp)


def difference(a, b, half=lambda d, a, b: 1.96 * d.std() / np.sqrt(len(d))):
    d = a * 1.0 - b
    return d.mean(), half(d, a, b)


def errors(a, b):
    return np.array([np.sqrt(right.mean() * (1 - right.mean()) / len(right)) for right in (a, b)])


def deal(groups, k, rng, by="examples", first=0):
    names, sizes = np.unique(groups, return_counts=True)
    fold_of, filled = {}, np.zeros(k)
    for i in rng.permutation(len(names)):
        fold_of[names[i]] = int(filled.argmin()) + first
        filled[filled.argmin()] += sizes[i] if by == "examples" else 1
    return np.array([fold_of[group] for group in groups])


SOLUTIONS = {
    "05.1": predict(),
    "05.2": promise,
    "05.3": threshold,
    "05.4": difference,
    "05.5": deal,
}

MISTAKES = [
    ("05.1", predict(a=0.73), "a: the AUC asks which of two scores is higher"),
    ("05.1", predict(b=0.75), "0.6 becomes 0.36"),
    ("05.1", predict(b=0.25), "0.8 becomes 0.64"),
    ("05.1", predict(c=0.6), "ten times the false alarms"),
    ("05.1", predict(c=0.75), "this is the recall"),
    ("05.1", predict(c=3 / 63), "only two of the six"),
    ("05.1", predict(d=0.99), "d: the AUC is about"),
    ("05.1", predict(e=0.6), "the accuracy before"),
    ("05.1", predict(e=0.9), "make 64 examples"),
    ("05.1", predict(c=0.4), "c: 0.400 is off"),
    ("05.2", lambda *given: promise(*given, copy="before", pick="before"), "a copy of a held-out example"),
    ("05.2", lambda *given: promise(*given, copy="before"), "a copy of a held-out example"),
    ("05.2", lambda *given: promise(*given, pick="before"), "the columns are chosen with held-out examples"),
    ("05.2", lambda *given: promise(*given, pick="never"), "only the twenty columns"),
    ("05.2", lambda *given: promise(*given, copy="never"), "not equally frequent"),
    ("05.2", lambda *given: promise(*given, judge="accuracy"), "this is the accuracy"),
    ("05.2", lambda *given: 0.5, "never called"),
    ("05.2", lambda *given: (promise(*given), 0.9)[1], "mean recall of"),
    ("05.2", lambda *given: (promise(*given), promise(*given))[1], "exactly once"),
    ("05.3", lambda tp, fp, fn, tn: 1 - threshold(tp, fp, fn, tn), "exchanged"),
    ("05.3", lambda tp, fp, fn, tn: fp / (fp + fn), "right answers are free"),
    ("05.3", lambda tp, fp, fn, tn: fp / fn, "ratio of the costs"),
    ("05.3", lambda tp, fp, fn, tn: (fp - tn) / (fn - tp) if tp else threshold(tp, fp, fn, tn), "odds"),
    ("05.3", lambda *costs: 0.5, "one half"),
    ("05.3", lambda *costs: 0.3, "it should be 0.0500"),
    ("05.4", lambda a, b: difference(b, a), "the sign is reversed"),
    ("05.4", lambda a, b: difference(a, b, lambda d, a, b: 1.96 * np.hypot(*errors(a, b))), "two *different* test"),
    ("05.4", lambda a, b: difference(a, b, lambda d, a, b: 1.96 * errors(a, b).sum()), "two *different* test"),
    ("05.4", lambda a, b: difference(a, b, lambda d, a, b: d.std() / np.sqrt(len(d))), "1.96 standard errors"),
    ("05.4", lambda a, b: difference(a, b, lambda d, a, b: 3.92 * d.std() / np.sqrt(len(d))), "half the width"),
    ("05.4", lambda a, b: difference(a, b, lambda d, a, b: 1.96 * d.std()), "the root of n"),
    ("05.4", lambda a, b: difference(a, b, lambda d, a, b: 0.001), "half the interval should be"),
    ("05.4", lambda a, b: (0.5, 0.1), "it should be ("),
    ("05.5", lambda groups, k, rng: rng.permutation(len(groups)) % k, "a group is in two folds"),
    ("05.5", lambda groups, k, rng: deal(groups, k, rng, by="groups"), "the folds are uneven"),
    ("05.5", lambda groups, k, rng: deal(groups, k, rng, first=1), "from 0 to k - 1"),
    ("05.5", lambda groups, k, rng: deal(groups, k - 1, rng), "a fold is empty"),
]
