"""Answers to the exercises of chapter 06: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def convolve(X, K, h=0, w=0):
    """One feature map; h, w: how many places more (or fewer) than fit."""
    X = np.pad(X, [(0, max(h, 0)), (0, max(w, 0))])
    rows, columns = X.shape[0] - K.shape[0] + 1 + min(h, 0), X.shape[1] - K.shape[1] + 1 + min(w, 0)
    return np.array([[np.sum(X[i : i + len(K), j : j + K.shape[1]] * K) for j in range(columns)] for i in range(rows)])


def size(side, channels, filters, kernel, stride):
    return (side - kernel) // stride + 1, kernel * kernel * channels * filters + filters


def field(layers, own_first=False):
    r, s = 1, 1
    for kernel, stride in layers:
        r += (kernel - 1) * s * (stride if own_first else 1)
        s *= stride
    return r


def spread(G):
    return np.kron(G, np.ones((2, 2)))


def corner(G):
    return np.kron(G, [[1.0, 0], [0, 0]])


def deal(labels, objects, k, rng, evenly=True):
    names, first = np.unique(objects, return_index=True)
    fold, dealt = np.empty(len(names), int), 0
    for kind in np.unique(labels) if evenly else [None]:
        members = rng.permutation(np.flatnonzero(labels[first] == kind) if evenly else np.arange(len(names)))
        fold[members] = (dealt + np.arange(len(members))) % k
        dealt += len(members)
    return fold[np.searchsorted(names, objects)]


SOLUTIONS = {"06.1": convolve, "06.2": size, "06.3": field, "06.4": lambda G: spread(G) / 4, "06.5": deal}

MISTAKES = [
    ("06.1", lambda X, K: convolve(X, K[::-1, ::-1]), "flipped"),
    ("06.1", lambda X, K: convolve(X, K.T), "exchanged"),
    ("06.1", lambda X, K: convolve(X, K) / K.size, "mean of the products"),
    ("06.1", lambda X, K: np.maximum(convolve(X, K), 0), "after ReLU"),
    ("06.1", lambda X, K: convolve(X, K, len(K) - 1, K.shape[1] - 1), "as large as the picture"),
    ("06.1", lambda X, K: convolve(X, K, -1, -1), "too small"),
    ("06.1", lambda X, K: convolve(X, K).sum(), "it should return an array of shape"),
    ("06.1", lambda X, K: convolve(X, K) + 1, "the first value should be"),
    ("06.2", lambda s, c, f, k, t: (size(s, c, f, k, t)[0], k * k * c * f), "biases are missing"),
    ("06.2", lambda s, c, f, k, t: (size(s, c, f, k, t)[0], k * k * f + f), "spans all channels"),
    ("06.2", lambda s, c, f, k, t: (size(s, c, f, k, t)[0], k * c * f + f), "not kernel"),
    ("06.2", lambda s, c, f, k, t: (size(s, c, f, k, t)[0], k * k * c + 1), "count all filters"),
    ("06.2", lambda s, c, f, k, t: (1, size(s, c, f, k, t)[1] * size(s, c, f, k, t)[0] ** 2), "serve every place"),
    ("06.2", lambda s, c, f, k, t: (1, 1), "have 18,496"),
    ("06.2", lambda s, c, f, k, t: (s - k + 1, size(s, c, f, k, t)[1]), "every second place"),
    ("06.2", lambda s, c, f, k, t: (-(-s // t), size(s, c, f, k, t)[1]), "with padding"),
    ("06.2", lambda s, c, f, k, t: ((s - k) / t + 1, size(s, c, f, k, t)[1]), "round the side down"),
    ("06.2", lambda s, c, f, k, t: ((s - k) // t, size(s, c, f, k, t)[1]), "one too small"),
    ("06.2", lambda s, c, f, k, t: (7, size(s, c, f, k, t)[1]), "becomes 72"),
    ("06.3", lambda layers: 1 + sum(k - 1 for k, _ in layers), "strides are missing"),
    ("06.3", lambda layers: field(layers, own_first=True), "own stride"),
    ("06.3", lambda layers: sum(k for k, _ in layers), "adds the kernels"),
    ("06.3", lambda layers: int(np.prod([k for k, _ in layers])), "multiplies the kernels"),
    ("06.3", lambda layers: field(layers) - 1, "start with 1"),
    ("06.3", lambda layers: int(np.prod([s for _, s in layers])), "distance between neighbours"),
    ("06.3", lambda layers: 11, "it should be 3"),
    ("06.4", spread, "divide by 4"),
    ("06.4", lambda G: spread(G) / 2, "not two"),
    ("06.4", lambda G: np.tile(G, (2, 2)) / 4, "repeat, not tile"),
    ("06.4", corner, "as in max pooling"),
    ("06.4", lambda G: spread(G) * 3, "upper left block"),
    ("06.5", lambda y, o, k, rng: rng.integers(0, k, len(y)), "one object lie in different folds"),
    ("06.5", lambda y, o, k, rng: deal(y, o, k, np.random.default_rng(0)), "another rng"),
    ("06.5", lambda y, o, k, rng: deal(y, o, k, rng, evenly=False), "not spread evenly"),
    ("06.5", lambda y, o, k, rng: np.zeros(len(y)), "only 1 of 5 folds"),
    ("06.5", lambda y, o, k, rng: deal(y, o, k, rng) + 1, "whole number from 0"),
    ("06.5", lambda y, o, k, rng: np.maximum(deal(y, o, 20, rng) - 15, 0), "like cards"),
]
