"""Answers to the exercises of chapter 11: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def seconds(n, workers, latency, rate, halves=2, size=4, share=True):
    """Exercise 11.2, with parts to get wrong."""
    return halves * (workers - 1) * (latency + size * n / (workers if share else 1) / rate)


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


def rounds(parts, extra=0, replace=False, to=1, sign=-1):
    """Exercise 11.5, with parts to get wrong."""
    N, held = len(parts), parts.copy()
    for t in range(N - 1 + extra):
        packets = [held[k, (k + sign * t) % N].copy() for k in range(N)]
        for k in range(N):
            at = (k + to) % N, (k + sign * t) % N
            held[at] = packets[k] if replace else held[at] + packets[k]
    return held


SOLUTIONS = {
    "11.1": lambda parts, sizes: sizes @ parts / sizes.sum(),
    "11.2": seconds,
    "11.3": cut,
    "11.4": lambda P, n, gradients: P * (2 + (2 / n if gradients else 2) + 12 / n),
    "11.5": rounds,
}

MISTAKES = [
    ("11.1", lambda parts, sizes: parts.mean(axis=0), "counts for more"),
    ("11.1", lambda parts, sizes: parts.sum(axis=0), "this is the sum"),
    ("11.1", lambda parts, sizes: sizes @ parts, "Divide by how many"),
    ("11.1", lambda parts, sizes: sizes @ parts / len(sizes), "not by the number of workers"),
    ("11.1", lambda parts, sizes: parts.sum(axis=0) / sizes.sum(), "a part is a mean"),
    ("11.1", lambda parts, sizes: (1 / sizes) @ parts / (1 / sizes).sum(), "small shards"),
    ("11.1", lambda parts, sizes: parts[0], "it should be"),
    ("11.1", lambda parts, sizes: parts.mean(axis=1), "shape"),
    ("11.2", lambda n, N, a, r: seconds(n, N, a, r, size=1), "4 bytes"),
    ("11.2", lambda n, N, a, r: seconds(n, N, a, r, size=8), "not 8"),
    ("11.2", lambda n, N, a, r: seconds(n, N, a, r, size=32), "not in bits"),
    ("11.2", lambda n, N, a, r: seconds(n, N, a, r, halves=1), "one half of the ring"),
    ("11.2", lambda n, N, a, r: seconds(n, N, a, r, share=False), "one chunk"),
    ("11.2", lambda n, N, a, r: 2 * (N - 1) * a + 4 * n / N / r, "in each of them"),
    ("11.2", lambda n, N, a, r: a + 2 * (N - 1) * 4 * n / N / r, "has its latency"),
    ("11.2", lambda n, N, a, r: seconds(n, N, 0, r), "latency is missing"),
    ("11.2", lambda n, N, a, r: 2 * (N - 1) * a, "bytes are missing"),
    ("11.2", lambda n, N, a, r: 2 * N * (a + 4 * n / N / r), "N - 1 rounds"),
    ("11.2", lambda n, N, a, r: 1.0, "it should be"),
    ("11.2", lambda n, N, a, r: seconds(n, N, a, r) + (N == 1), "nothing to send"),
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
    ("11.4", lambda P, n, gradients: 16 * P, "nothing is sharded"),
    ("11.4", lambda P, n, gradients: 16 * P / n, "weights stay whole"),
    ("11.4", lambda P, n, gradients: P * (2 + (2 if gradients else 2 / n) + 12 / n), "only if"),
    ("11.4", lambda P, n, gradients: P * (2 + (2 / n if gradients else 2) + 12), "always sharded|nothing is sharded"),
    ("11.4", lambda P, n, gradients: P * (2 + 2 + 12 / n), "only if"),
    ("11.4", lambda P, n, gradients: P * (2 + (2 / n if gradients else 2)), "states are missing"),
    ("11.4", lambda P, n, gradients: P * (2 + 12 / n), "gradients are missing"),
    ("11.4", lambda P, n, gradients: P * ((2 / n if gradients else 2) + 12 / n), "missing"),
    ("11.4", lambda P, n, gradients: P * (2 + (2 / n if gradients else 2) + 8 / n), "12 bytes"),
    ("11.4", lambda P, n, gradients: n * P * (2 + (2 / n if gradients else 2) + 12 / n), "all devices together"),
    ("11.4", lambda P, n, gradients: P * (2 + (2 / n if gradients else 2) + 12 / n) / 1e9, "gigabytes"),
    ("11.4", lambda P, n, gradients: P * (4 + (2 / n if gradients else 2) + 12 / n), "2 bytes here"),
    ("11.5", lambda parts: parts, "nothing was sent"),
    ("11.5", lambda parts: np.repeat(parts.sum(axis=0)[None], len(parts), axis=0), "whole all-reduce"),
    ("11.5", lambda parts: rounds(parts, extra=1), "too many"),
    ("11.5", lambda parts: rounds(parts, extra=-1) if len(parts) > 2 else rounds(parts), "is missing"),
    ("11.5", lambda parts: rounds(parts, replace=True), "Add it"),
    ("11.5", lambda parts: rounds(parts, to=-1) if len(parts) > 2 else rounds(parts), "on the left"),
    ("11.5", lambda parts: rounds(parts, sign=1) if len(parts) > 2 else rounds(parts), "which it has just added to"),
    ("11.5", lambda parts: 0 * parts, "should end with"),
]
