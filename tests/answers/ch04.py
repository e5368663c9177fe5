"""Answers to the exercises of chapter 04: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def dropout(A, p, rng, shape=None, scale=None, keep=None):
    mask = rng.random(shape(A) if shape else A.shape) < (1 - p if keep is None else keep(p))
    return A * mask * (1 / (1 - p) if scale is None else scale(p))


def stop(losses, patience, last=False, swap=False, late=0, ties=False, total=False, previous=False, one=0):
    best, waited = 0, 0
    for epoch in range(1, len(losses)):
        bar = losses[epoch - 1] if previous else losses[best]
        if losses[epoch] < bar or (ties and losses[epoch] == bar):
            best, waited = epoch, waited if total else 0
        else:
            waited += 1
        if waited >= patience + late:
            break
    result = (epoch if last else best) + one, epoch + one
    return result[::-1] if swap else result


def ridge(X, y, lam):
    return np.linalg.solve(X.T @ X / len(y) + lam * np.eye(X.shape[1]), X.T @ y / len(y))


def fit(X, y, rng, folds=5, by_training=False):
    lambdas, parts = np.geomspace(1e-3, 30, 30), np.array_split(rng.permutation(len(y)), folds)

    def ridges(X, y):
        values, vectors = np.linalg.eigh(X.T @ X / len(y))
        return (vectors.T @ X.T @ y / len(y) / (values + lambdas[:, None])) @ vectors.T

    def errors(w, rows):
        return np.sum((w @ X[rows].T - y[rows]) ** 2, axis=1)

    if by_training:
        total = errors(ridges(X, y), slice(None))
    else:
        total = sum(errors(ridges(np.delete(X, rows, 0), np.delete(y, rows)), rows) for rows in parts)
    return ridge(X, y, lambdas[np.argmin(total)])


SOLUTIONS = {
    "04.1": lambda g, w, lam: g + 2 * lam * w,
    "04.2": lambda w, t: np.sign(w) * np.maximum(np.abs(w) - t, 0),
    "04.3": dropout,
    "04.4": stop,
    "04.5": fit,
}

MISTAKES = [
    ("04.1", lambda g, w, lam: g + lam * w, "factor 2"),
    ("04.1", lambda g, w, lam: g - 2 * lam * w, "reversed"),
    ("04.1", lambda g, w, lam: g + 4 * lam * w, "counted twice"),
    ("04.1", lambda g, w, lam: g + lam * np.sign(w), "L1"),
    ("04.1", lambda g, w, lam: 2 * lam * w, "penalty alone"),
    ("04.1", lambda g, w, lam: g + 2 * lam * w / len(w), "not a mean"),
    ("04.1", lambda g, w, lam: g + lam * np.sum(w**2), "its derivative"),
    ("04.1", lambda g, w, lam: g, "Differentiate"),
    ("04.2", lambda w, t: np.sign(w) * (np.abs(w) - t), "stop at zero"),
    ("04.2", lambda w, t: np.maximum(np.abs(w) - t, 0), "put the sign back"),
    ("04.2", lambda w, t: np.maximum(w - t, 0), "all negative weights"),
    ("04.2", lambda w, t: np.where(np.abs(w) > t, w, 0), "hard threshold"),
    ("04.2", lambda w, t: w / (1 + 2 * t), "what L2 does"),
    ("04.2", lambda w, t: np.where(np.abs(w) > t, w + t * np.sign(w), 0), "grow"),
    ("04.2", lambda w, t: 0 * w, "it should begin with"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, scale=lambda p: 1), "the mean falls"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, scale=lambda p: 1 - p), "divided by it"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, scale=lambda p: 1 / p if p else 1), "the share that is kept"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, scale=lambda p: 3), "times their old value"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, keep=lambda p: p), "to be dropped"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, keep=lambda p: 0.5), "it should be"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, shape=lambda A: A.shape[1]), "each unit"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, shape=lambda A: (len(A), 1)), "each example"),
    ("04.3", lambda A, p, rng: A, "nothing was dropped"),
    ("04.3", lambda A, p, rng: dropout(A, p, rng, keep=lambda p: 0), "everything"),
    ("04.4", lambda losses, p: stop(losses, p, last=True), "last epoch twice"),
    ("04.4", lambda losses, p: stop(losses, p, swap=True), "exchanged"),
    ("04.4", lambda losses, p: stop(losses, p, one=1), "count the epochs from 0"),
    ("04.4", lambda losses, p: stop(losses, p, late=1), "too late"),
    ("04.4", lambda losses, p: stop(losses, p, late=-1), "too early"),
    ("04.4", lambda losses, p: stop(losses, p, ties=True), "not <="),
    ("04.4", lambda losses, p: stop(losses, p, total=True), "over the whole run"),
    ("04.4", lambda losses, p: stop(losses, p, previous=True), "lowest so far"),
    ("04.4", lambda losses, p: (int(np.argmin(losses)), stop(losses, p)[1]), "after the stop"),
    ("04.4", lambda losses, p: (0, 0), "it should be"),
    ("04.5", lambda X, y, rng: np.linalg.lstsq(X, y, rcond=None)[0], "without a penalty"),
    ("04.5", lambda X, y, rng: fit(X, y, rng, by_training=True), "held out"),
    ("04.5", lambda X, y, rng: ridge(X, y, 0.5), "anew for each data set"),
    ("04.5", lambda X, y, rng: ridge(X, y, 1e4), "close to zero"),
    ("04.5", lambda X, y, rng: -fit(X, y, rng), "and choose"),
]
