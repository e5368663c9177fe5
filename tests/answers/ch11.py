"""Answers to the exercises of chapter 11: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def clipped(g, limit):
    return g * min(1, limit / np.linalg.norm(g))


def step(parts, tokens, limit):
    return clipped(tokens @ parts / tokens.sum(), limit)


def fastest(seconds, numbers, latency, rate, most, halves=2, size=4, share=True):
    """Exercise 11.2, with parts to get wrong."""
    N = np.arange(1, most + 1)
    return N[np.argmin(seconds / N + halves * (N - 1) * (latency + size * numbers / (N if share else 1) / rate))]


def relu(z):
    return np.maximum(z, 0)


def cut(X, A, B, devices, between=relu, after=lambda z: z):
    return np.array(
        [after(between(X @ a) @ b) for a, b in zip(np.split(A, devices, axis=1), np.split(B, devices), strict=True)]
    )


def cut_rows(X, A, B, devices):
    if X.shape[1] % devices:
        return np.zeros((devices, len(X), B.shape[1]))
    return np.array([relu(x @ a) @ B for x, a in zip(np.split(X, devices, axis=1), np.split(A, devices), strict=True)])


def needed(parameters, memory, stage, whole=(4, 2, 0), round_up=np.ceil):
    """Exercise 11.4, with parts to get wrong."""
    rest = whole[stage - 1] * parameters
    return round_up((16 * parameters - rest) / (memory - rest)) if memory > rest else 0


def buckets(ready, sizes, bucket, latency, rate, rest=True, wait=True, start=0):
    """Exercise 11.5, with parts to get wrong."""
    through, held = 0.0, 0.0
    for i in range(len(sizes)):
        held += sizes[i]
        if held >= bucket or (rest and i == len(sizes) - 1):
            through, held = max(through if wait else 0, ready[i], start) + latency + held / rate, 0.0
    return through


SOLUTIONS = {"11.1": step, "11.2": fastest, "11.3": cut, "11.4": needed, "11.5": buckets}

MISTAKES = [
    ("11.1", lambda g, n, c: np.mean([clipped(part, c) for part in g], axis=0), "both mistakes"),
    ("11.1", lambda g, n, c: n @ np.array([clipped(part, c) for part in g]) / n.sum(), "before the mean"),
    ("11.1", lambda g, n, c: clipped(g.mean(axis=0), c), "counts for more"),
    ("11.1", lambda g, n, c: n @ g / n.sum(), "not clipped"),
    ("11.1", lambda g, n, c: g.mean(axis=0), "plain mean, not clipped"),
    ("11.1", lambda g, n, c: np.clip(n @ g / n.sum(), -c, c), "each entry"),
    ("11.1", lambda g, n, c: (n @ g) / np.linalg.norm(n @ g) * c, "makes it longer"),
    ("11.1", lambda g, n, c: step(g, n, c) + 1, "it should be"),
    ("11.1", lambda g, n, c: g.mean(axis=1), "shape"),
    ("11.2", lambda s, n, a, r, most: most, "more messages|latency is missing"),
    ("11.2", lambda s, n, a, r, most: fastest(s, n, a, r, most) - 1, "one too few"),
    ("11.2", lambda s, n, a, r, most: fastest(s, n, 0, r, most), "more messages|latency is missing"),
    ("11.2", lambda s, n, a, r, most: fastest(s, n, a, r, most, halves=1), "two halves"),
    ("11.2", lambda s, n, a, r, most: fastest(s, n, a, r, most, share=False), "one chunk"),
    ("11.2", lambda s, n, a, r, most: most + 1, "whole number"),
    ("11.2", lambda s, n, a, r, most: 7, "it should be"),
    ("11.3", lambda X, A, B, k: cut(X, A, B, k, between=lambda z: z), "is missing"),
    ("11.3", lambda X, A, B, k: cut(X, A, B, k, between=lambda z: z, after=relu), "not after them"),
    ("11.3", lambda X, A, B, k: cut(X, A, B, k, after=relu), "no longer add up"),
    ("11.3", lambda X, A, B, k: np.repeat((relu(X @ A) @ B)[None], k, axis=0), "the whole output to each"),
    ("11.3", lambda X, A, B, k: np.repeat((relu(X @ A) @ B)[None] / k, k, axis=0), "each device did everything"),
    ("11.3", lambda X, A, B, k: cut(X, A, B, k)[::-1], "reverse order"),
    ("11.3", cut_rows, "cut by rows"),
    ("11.3", lambda X, A, B, k: cut(X, A, B, k).sum(axis=0), "shape"),
    ("11.3", lambda X, A, B, k: np.roll(cut(X, A, B, k), 1, axis=0), "reverse order|the parts are others"),
    ("11.3", lambda X, A, B, k: 0 * cut(X, A, B, k), "off by"),
    ("11.4", lambda P, m, stage: np.ceil(16 * P / m), "no number will do|shares everything"),
    ("11.4", lambda P, m, stage: np.ceil(16 * P / (m - (4, 2, 0)[stage - 1] * P)), "not negative|Round up"),
    ("11.4", lambda P, m, stage: needed(P, m, stage, round_up=np.floor), "one worker less they do not fit"),
    ("11.4", lambda P, m, stage: needed(P, m, stage, round_up=float), "round up"),
    ("11.4", lambda P, m, stage: needed(P, m, stage) + 1, "no number will do|one worker less is enough"),
    ("11.4", lambda P, m, stage: needed(P, m, stage, round_up=lambda n: 77), "it should be"),
    ("11.5", lambda t, s, b, a, r: buckets(t, s, b, a, r, rest=False), "whatever is left"),
    ("11.5", lambda t, s, b, a, r: buckets(t, s, b, a, r, wait=False), "before it is through"),
    ("11.5", lambda t, s, b, a, r: buckets(t, s, b, a, r, start=t[-1]), "as soon as it is closed"),
    ("11.5", lambda t, s, b, a, r: buckets(t, s, b, 0, r), "latency of each bucket"),
    ("11.5", lambda t, s, b, a, r: buckets(t, s, 0, a, r), "each layer is sent alone"),
    ("11.5", lambda t, s, b, a, r: buckets(t, s, 1e99, a, r), "one bucket here"),
    ("11.5", lambda t, s, b, a, r: s.sum() / r, "the bytes alone"),
    ("11.5", lambda t, s, b, a, r: 1.0, "it should be"),
]
