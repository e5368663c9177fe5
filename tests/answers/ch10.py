"""Answers to the exercises of chapter 10: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def soft(l):
    return np.logaddexp(0, l)


def sigmoid(l):
    return 1 / (1 + np.exp(-l))


def share(p, sure, kept=None, pick=np.min, minlength=True, over=None):
    """Exercise 10.4, with parts to get wrong."""
    kept = p.max(axis=1) >= sure if kept is None else kept
    counts = np.bincount(p[kept].argmax(axis=1), minlength=p.shape[1])
    counts = counts if minlength else counts[counts > 0]
    return (p.max(axis=1) >= sure).mean(), pick(counts) / (over or counts.sum())


def distance(a, b, ddof=1, means=1.0, spreads=lambda va, vb: (np.sqrt(va) - np.sqrt(vb)) ** 2):
    va, vb = a.var(axis=0, ddof=ddof), b.var(axis=0, ddof=ddof)
    return means * np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + np.sum(spreads(va, vb))


SOLUTIONS = {
    "10.1": lambda p, q: p / (p + q),
    "10.2": lambda r, f: soft(-r).mean() + soft(f).mean(),
    "10.3": lambda f: (sigmoid(f) - 1) / len(f),
    "10.4": share,
    "10.5": distance,
}

MISTAKES = [
    ("10.1", lambda p, q: q / (p + q), "is generated"),
    ("10.1", lambda p, q: p / q, "a ratio"),
    ("10.1", lambda p, q: p > q, "this decides"),
    ("10.1", lambda p, q: p / (p + q).sum(), "each place stands for itself"),
    ("10.1", lambda p, q: np.log(p) - np.log(q), "the logit"),
    ("10.1", lambda p, q: p, "only the density"),
    ("10.1", lambda p, q: 0.5 + 0 * p, "it should be"),
    ("10.2", lambda r, f: (soft(-r).mean() + soft(f).mean()) / 2, "half of it"),
    ("10.2", lambda r, f: soft(-r).sum() + soft(f).sum(), "not the sum"),
    ("10.2", lambda r, f: np.r_[soft(-r), soft(f)].mean(), "half of it|one mean over all"),
    ("10.2", lambda r, f: soft(r).mean() + soft(-f).mean(), "are exchanged"),
    ("10.2", lambda r, f: soft(-r).mean() + soft(-f).mean(), "calling fakes real"),
    ("10.2", lambda r, f: soft(-r).mean() - soft(f).mean(), "add them"),
    ("10.2", lambda r, f: soft(-r).mean(), "generated pictures are missing"),
    ("10.2", lambda r, f: soft(f).mean(), "real pictures are missing"),
    ("10.2", lambda r, f: (sigmoid(r).mean() + sigmoid(f).mean()) / 2, "no labels"),
    ("10.2", lambda r, f: -soft(-r).mean() - soft(f).mean(), "sign is reversed"),
    ("10.2", lambda r, f: -np.log(r).mean() - np.log(1 - f).mean(), "logits, not probabilities"),
    ("10.2", lambda r, f: -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(), "exp overflows"),
    ("10.2", lambda r, f: soft(-r.clip(-30, 30)).mean() + soft(f.clip(-30, 30)).mean(), "nothing may be cut off"),
    ("10.2", lambda r, f: soft(-r) + soft(f), "a single number|raised"),
    ("10.3", lambda f: sigmoid(f) - 1, "the loss is a mean"),
    ("10.3", lambda f: (1 - sigmoid(f)) / len(f), "sign is reversed"),
    ("10.3", lambda f: 1 - sigmoid(f), "sign is reversed, and"),
    ("10.3", lambda f: -sigmoid(f) / len(f), "goes silent"),
    ("10.3", lambda f: -sigmoid(f), "goes silent"),
    ("10.3", lambda f: -1 / sigmoid(f) / len(f), "chain rule"),
    ("10.3", lambda f: -sigmoid(f) * (1 - sigmoid(f)) / len(f), "logarithm is missing"),
    ("10.3", lambda f: soft(-f), "its gradient"),
    ("10.3", lambda f: (2 * sigmoid(f) - 1) / len(f), "printed loss"),
    ("10.3", lambda f: (sigmoid(f) - 1).mean(), "shape"),
    ("10.4", lambda p, sure: ((p.max(axis=1) > sure).mean(), share(p, sure)[1]), "at least"),
    ("10.4", lambda p, sure: ((p.max(axis=1) >= sure).sum(), share(p, sure)[1]), "Divide by how many"),
    ("10.4", lambda p, sure: ((p >= sure).mean(), share(p, sure)[1]), "each row first"),
    ("10.4", lambda p, sure: (p.max(axis=1).mean(), share(p, sure)[1]), "mean confidence"),
    ("10.4", lambda p, sure: share(p, sure, kept=np.ones(len(p), bool)), "among all"),
    ("10.4", lambda p, sure: share(p, sure, over=len(p)), "not of all|among all"),
    ("10.4", lambda p, sure: share(p, sure, pick=np.max), "most frequent"),
    ("10.4", lambda p, sure: share(p, sure, minlength=False), "minlength"),
    ("10.4", lambda p, sure: share(p, sure, over=1), "Divide by how many are"),
    ("10.5", lambda a, b: distance(a, b, spreads=lambda va, vb: 0 * va), "spread is missing"),
    ("10.5", lambda a, b: distance(a, b, means=0), "means is missing"),
    ("10.5", lambda a, b: np.sqrt(distance(a, b)), "its root"),
    ("10.5", lambda a, b: distance(a, b, ddof=0), "ddof=1"),
    ("10.5", lambda a, b: distance(a, b, spreads=lambda va, vb: (va - vb) ** 2), "the roots of the variances"),
    ("10.5", lambda a, b: distance(a, b, spreads=lambda va, vb: va + vb), "mixed term is missing"),
    ("10.5", lambda a, b: distance(a, b, spreads=lambda va, vb: va + vb - np.sqrt(va * vb)), "counts twice"),
    ("10.5", lambda a, b: distance(a, b) / a.shape[1], "do not average"),
    ("10.5", lambda a, b: (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2, "axis=0"),
    ("10.5", lambda a, b: 0.0, "it should be"),
]
