"""Answers to the exercises of chapter 02: solutions, and mistakes with words of the hint that each must get."""

import numpy as np
from groundup.models import layers


def sizes(widths, variances):
    square, found = 1.0, []
    for inputs, variance in zip(widths, variances, strict=False):
        square = inputs * variance * square / 2
        found.append(np.sqrt(square))
    return np.array(found)


def off_for_all(W, b):
    return b + np.maximum(W, 0).sum(axis=0) <= 0


def network(X, y, W1, b1, W2, b2, slope=lambda A: 1 - A**2, dW1=np.array, db1=np.array, dW2=np.array, db2=np.array):
    """The four gradients; a function of each spoils it."""
    A1 = np.tanh(X @ W1 + b1)
    G2 = layers.cross_entropy(A1 @ W2 + b2, y)[1]
    G1 = (G2 @ W2.T) * slope(A1)
    return dW1(X.T @ G1), db1(G1.sum(axis=0)), dW2(A1.T @ G2), db2(G2.sum(axis=0))


def spoilt(**how):
    return lambda *args: network(*args, **how)


def by_batch(name):
    """One gradient divided by the batch size."""
    return lambda X, *args: network(X, *args, **{name: lambda g: g / len(X)})


def softmax(logits, axis=1):
    p = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return p / p.sum(axis=axis, keepdims=True)


def one_hot(logits, labels):
    return np.eye(logits.shape[1])[labels]


def tempered(logits, labels, T):
    return layers.cross_entropy(logits / T, labels)[1] / T


def unshifted(logits, labels, T):
    p = np.exp(logits / T)
    return (p / p.sum(axis=1, keepdims=True) - one_hot(logits, labels)) / len(labels) / T


def classify(X, y, X_new, rng, widths=(2, 32, 32, 3), epochs=150):
    mean, std = X.mean(axis=0), X.std(axis=0)
    network = layers.mlp(rng, list(widths))
    for epoch in range(epochs):
        rate = 0.1 * (1 - epoch / epochs)
        for rows in np.array_split(rng.permutation(len(X)), -(-len(X) // 32)):
            network.backward(layers.cross_entropy(network.forward((X[rows] - mean) / std), y[rows])[1])
            network.step(rate, 0.9)
    return network.forward((X_new - mean) / std).argmax(axis=1)


SOLUTIONS = {
    "02.1": sizes,
    "02.2": off_for_all,
    "02.3": network,
    "02.4": tempered,
    "02.5": classify,
}

MISTAKES = [
    ("02.1", lambda w, v: sizes(w, v) ** 2, "these are mean squares"),
    ("02.1", lambda w, v: np.sqrt(2) * sizes(w, v), "sizes of z"),
    ("02.1", lambda w, v: np.sqrt(2.0 ** np.arange(1, len(v) + 1)) * sizes(w, v), "mean square is halved"),
    ("02.1", lambda w, v: np.sqrt(np.multiply(w[:-1], v) / 2), "single layers"),
    ("02.1", lambda w, v: np.multiply(w[:-1], v) / 2, "each single layer"),
    ("02.1", lambda w, v: sizes(w[1:], v), "*inputs* of a layer"),
    ("02.1", lambda w, v: sizes(w, np.square(v)), "do not square it"),
    ("02.1", lambda w, v: np.cumprod(np.sqrt(np.multiply(w[:-1], v)) / 2), "square root of 2"),
    ("02.1", lambda w, v: np.array([1.0, *sizes(w, v)]), "none for the inputs"),
    ("02.1", lambda w, v: sizes(w, v)[-1], "one number for each layer"),
    ("02.1", lambda w, v: 0 * sizes(w, v), "it should be [1.0, 2.598"),
    ("02.2", lambda W, b: ~off_for_all(W, b), "other way round"),
    ("02.2", lambda W, b: b + W.sum(axis=0) <= 0, "1 everywhere"),
    ("02.2", lambda W, b: b <= 0, "0 everywhere"),
    ("02.2", lambda W, b: b + np.minimum(W, 0).sum(axis=0) <= 0, "*some* input"),
    ("02.2", lambda W, b: b + np.abs(W).sum(axis=0) <= 0, "cannot raise z"),
    ("02.2", lambda W, b: b + W.max(axis=0) <= 0, "at the same time"),
    ("02.2", lambda W, b: (W <= 0).all(axis=0) & (b <= 0), "if b is low enough"),
    ("02.2", lambda W, b: (W <= 0).all(axis=0), "bias counts"),
    ("02.2", lambda W, b: b + np.maximum(W, 0).sum(axis=0), "not that z itself"),
    ("02.2", lambda W, b: np.maximum(W, 0).sum(axis=1) <= 0, "one answer for each neuron"),
    ("02.2", lambda W, b: b + np.maximum(W, 0).sum(axis=0) < 0, "exactly 0"),
    ("02.2", lambda W, b: ((np.random.default_rng(0).random((2000, len(W))) @ W + b) <= 0).all(axis=0), "rare counts"),
    ("02.2", lambda W, b: b < -2.5, "has a largest z of"),
    ("02.3", spoilt(slope=lambda A: (1 - A) ** 2), "Only `A1` is squared"),
    ("02.3", spoilt(slope=lambda A: 1 - np.tanh(A) ** 2), "tanh already"),
    ("02.3", spoilt(slope=lambda A: A * (1 - A)), "of the sigmoid"),
    ("02.3", spoilt(slope=np.ones_like), "still be multiplied"),
    ("02.3", spoilt(slope=lambda A: 1 + A**2), "look at the derivative of tanh"),
    ("02.3", by_batch("dW1"), "dW1 is divided by the batch size once more"),
    ("02.3", by_batch("db1"), "db1 is divided by the batch size"),
    ("02.3", by_batch("dW2"), "colleague's version"),
    ("02.3", by_batch("db2"), "db2 is a mean"),
    ("02.3", spoilt(db2=np.zeros_like), "only db2 is wrong"),
    ("02.3", spoilt(dW1=np.zeros_like), "at nothing else"),
    ("02.3", spoilt(dW2=np.zeros_like), "several of the four"),
    ("02.3", lambda *args: network(*args)[:2], "4 values"),
    ("02.4", lambda z, y, T: tempered(z, y, T) * T, "One more factor"),
    ("02.4", lambda z, y, T: tempered(z, y, T) * T * T, "not T."),
    ("02.4", lambda z, y, T: tempered(z, y, 1), "T does not occur"),
    ("02.4", lambda z, y, T: tempered(z, y, 1) / T, "softmax of z / T, not of z"),
    ("02.4", lambda z, y, T: tempered(z, y, 1 / T), "divided by T, not multiplied"),
    ("02.4", lambda z, y, T: tempered(z, y, 1 / T) / T, "divided by T, not multiplied"),
    ("02.4", lambda z, y, T: tempered(z, y, T) * len(z), "number of examples"),
    ("02.4", lambda z, y, T: softmax(z / T) - one_hot(z, y), "two factors are missing"),
    ("02.4", lambda z, y, T: -tempered(z, y, T), "sign is reversed"),
    ("02.4", lambda z, y, T: tempered(z, y, T) / z.shape[1], "all entries"),
    ("02.4", lambda z, y, T: softmax(z / T) / len(z), "Subtract 1"),
    ("02.4", lambda z, y, T: (softmax(z / T, 0) - one_hot(z, y)) / len(z) / T, "wrong axis"),
    ("02.4", lambda z, y, T: (np.exp(z / T) / np.exp(z / T).sum() - one_hot(z, y)) / len(z) / T, "its own sum"),
    ("02.4", lambda z, y, T: 0 * z, "it should begin with"),
    ("02.4", unshifted, "overflows"),
    ("02.4", lambda z, y, T: np.nan_to_num(unshifted(z, y, T)), "it should be 1 and -1"),
    ("02.5", lambda X, y, X_new, rng: classify(X, y, X_new, rng, widths=(2, 3)), "straight lines"),
    ("02.5", lambda X, y, X_new, rng: classify(X, y, X_new, rng, epochs=3), "more epochs"),
    ("02.5", lambda X, y, X_new, rng: np.zeros(len(X_new)), "same class"),
    ("02.5", lambda X, y, X_new, rng: rng.integers(0, 3, len(X_new)), "guessing"),
    ("02.5", lambda X, y, X_new, rng: X_new[:, 0], "return classes"),
    ("02.5", lambda X, y, X_new, rng: X_new, "shape"),
]
