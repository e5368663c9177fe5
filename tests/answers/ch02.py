"""Answers to the exercises of chapter 02: solutions, and mistakes with words of the hint that each must get."""

import itertools

import numpy as np
from groundup.models import layers


def softmax(logits, axis=1):
    p = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return p / p.sum(axis=axis, keepdims=True)


def one_hot(logits, labels):
    return np.eye(logits.shape[1])[labels]


def softmax_gradient(logits, labels):
    return (softmax(logits) - one_hot(logits, labels)) / len(labels)


def unshifted(logits, labels):
    p = np.exp(logits)
    return (p / p.sum(axis=1, keepdims=True) - one_hot(logits, labels)) / len(labels)


def backward(X, W, G):
    return G @ W.T, X.T @ G, G.sum(axis=0)


def classify(X, y, X_new, rng, widths=(2, 32, 32, 3), epochs=150):
    mean, std = X.mean(axis=0), X.std(axis=0)
    network = layers.mlp(rng, list(widths))
    for epoch in range(epochs):
        rate = 0.1 * (1 - epoch / epochs)
        for rows in np.array_split(rng.permutation(len(X)), -(-len(X) // 32)):
            network.backward(layers.cross_entropy(network.forward((X[rows] - mean) / std), y[rows])[1])
            network.step(rate, 0.9)
    return network.forward((X_new - mean) / std).argmax(axis=1)


def count(widths, biases=lambda widths: sum(widths[1:])):
    return sum(a * b for a, b in itertools.pairwise(widths)) + biases(widths)


SOLUTIONS = {
    "02.1": lambda Z, G: G * (Z > 0),
    "02.2": count,
    "02.3": backward,
    "02.4": softmax_gradient,
    "02.5": classify,
}

MISTAKES = [
    ("02.1", lambda Z, G: G * (Z >= 0), "`>=`"),
    ("02.1", lambda Z, G: G * np.where(Z > 0, 1, np.where(Z == 0, 0.5, 0)), "exactly zero: take"),
    ("02.1", lambda Z, G: (Z > 0) * 1.0, "multiplies it by G"),
    ("02.1", lambda Z, G: np.maximum(Z, 0), "forward pass"),
    ("02.1", lambda Z, G: G * np.maximum(Z, 0), "slope of ReLU is 1"),
    ("02.1", lambda Z, G: np.maximum(G, 0), "sign of Z"),
    ("02.1", lambda Z, G: G * (Z < 0), "wrong way round"),
    ("02.1", lambda Z, G: G, "elsewhere the gradient is 0"),
    ("02.1", lambda Z, G: 2 * G * (Z > 0), "it should be"),
    ("02.1", lambda Z, G: (G * (Z > 0)).sum(axis=0), "shape"),
    ("02.2", lambda widths: count(widths, lambda w: 0), "also has a bias"),
    ("02.2", lambda widths: count(widths, sum), "inputs have no bias"),
    ("02.2", lambda widths: count(widths, lambda w: len(w) - 1), "not one in all"),
    ("02.2", lambda widths: count(widths, lambda w: sum(w[:-1])), "belong to the outputs"),
    ("02.2", sum, "these are neurons"),
    ("02.2", lambda widths: 7, "it should be 55050, got 7"),
    ("02.2", lambda widths: list(widths), "a single number"),
    ("02.3", lambda X, W, G: (G @ W if len(W) == W.shape[1] else G @ W.T, X.T @ G, G.sum(axis=0)), "transpose"),
    ("02.3", lambda X, W, G: (0 * X, X.T @ G, G.sum(axis=0)), "dX is not right"),
    ("02.3", lambda X, W, G: (G @ W.T, X.T @ G / len(X), G.sum(axis=0)), "dW is divided"),
    ("02.3", lambda X, W, G: (G @ W.T, G.T @ X, G.sum(axis=0)), "dW transposed"),
    ("02.3", lambda X, W, G: (G @ W.T, X @ G, G.sum(axis=0)), "adds over the examples"),
    ("02.3", lambda X, W, G: (G @ W.T, 0 * W, G.sum(axis=0)), "dW is not right"),
    ("02.3", lambda X, W, G: (G @ W.T, X.T @ G, G.mean(axis=0)), "db is divided"),
    ("02.3", lambda X, W, G: (G @ W.T, X.T @ G, G.sum(axis=1)), "wrong axis"),
    ("02.3", lambda X, W, G: (G @ W.T, X.T @ G, 0 * G[0]), "adds the rows"),
    ("02.3", lambda X, W, G: (X.T @ G, G.sum(axis=0)), "3 values"),
    ("02.4", lambda z, y: softmax(z) - one_hot(z, y), "number of examples"),
    ("02.4", lambda z, y: -softmax_gradient(z, y), "sign is reversed"),
    ("02.4", lambda z, y: softmax_gradient(z, y) / z.shape[1], "all entries"),
    ("02.4", lambda z, y: softmax(z) / len(z), "Subtract 1"),
    ("02.4", lambda z, y: (softmax(z, 0) - one_hot(z, y)) / len(z), "wrong axis"),
    ("02.4", lambda z, y: (np.exp(z) / np.exp(z).sum() - one_hot(z, y)) / len(z), "its own sum"),
    ("02.4", lambda z, y: softmax_gradient(z, y) * softmax(z) * (1 - softmax(z)), "has cancelled"),
    ("02.4", lambda z, y: (z - one_hot(z, y)) / len(z), "logits minus truth"),
    ("02.4", lambda z, y: 0 * z, "it should begin with"),
    ("02.4", unshifted, "overflows"),
    ("02.4", lambda z, y: np.nan_to_num(unshifted(z, y)), "it should be 1 and -1"),
    ("02.5", lambda X, y, X_new, rng: classify(X, y, X_new, rng, widths=(2, 3)), "straight lines"),
    ("02.5", lambda X, y, X_new, rng: classify(X, y, X_new, rng, epochs=3), "more epochs"),
    ("02.5", lambda X, y, X_new, rng: np.zeros(len(X_new)), "same class"),
    ("02.5", lambda X, y, X_new, rng: rng.integers(0, 3, len(X_new)), "guessing"),
    ("02.5", lambda X, y, X_new, rng: X_new[:, 0], "return classes"),
    ("02.5", lambda X, y, X_new, rng: X_new, "shape"),
]
