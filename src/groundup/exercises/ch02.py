"""Graders for chapter 02, backpropagation by hand."""

import itertools

import numpy as np

from .engine import Case, Hint, NotFinite, ask, table


@table
def relu_gradient():
    """02.1: answer(Z (B, m), G (B, m)) returns dL/dZ of a ReLU; at exactly zero the derivative is 0."""
    rng = np.random.default_rng(21)
    for shape in ((4, 3), (1, 5), (6, 2)):
        Z, G = rng.normal(size=shape), rng.normal(size=shape)
        right = G * (Z > 0)
        yield Case(
            (Z, G),
            right,
            [
                (Z > 0, "this is the derivative of ReLU itself. The chain rule multiplies it by G, entry by entry."),
                (np.maximum(Z, 0), "this is the forward pass. Going back, G passes where Z was positive."),
                (G * np.maximum(Z, 0), "the slope of ReLU is 1 where Z is positive, not Z."),
                (np.maximum(G, 0), "this switches on the sign of G. What decides is the sign of Z."),
                (G * (Z < 0), "the switch is the wrong way round: G passes where Z is positive."),
                (G, "G passes only where Z is positive; elsewhere the gradient is 0."),
            ],
            f"for Z = {Z[0].round(2)} and G = {G[0].round(2)} it should be {right[0].round(2)}.",
        )
    zero = np.array([[0.0, -1.0, 2.0]]), np.array([[3.0, 4.0, 5.0]])
    through = np.array([[3.0, 0.0, 5.0]])
    yield Case(
        zero,
        np.array([[0.0, 0.0, 5.0]]),
        [(through, "right, except where Z is exactly zero: `>=` lets the gradient through there. Write `>`.")],
        "right, except where Z is exactly zero: take the derivative as 0 there.",
    )


@table
def count_parameters():
    """02.2: answer(widths) returns the number of weights and biases of dense layers, an int."""
    for widths in ([784, 64, 64, 10], [2, 3], [5, 4, 3, 2, 1]):
        pairs = list(itertools.pairwise(widths))
        weights, biases = sum(a * b for a, b in pairs), sum(widths[1:])
        neurons = "these are neurons. Count the weights between each pair of layers, and a bias for each neuron."
        yield Case(
            (widths,),
            weights + biases,
            [
                (weights, "these are the weights. Each neuron also has a bias."),
                (weights + sum(widths), "inputs have no bias: count biases for all layers but the first."),
                (weights + len(pairs), "a layer has one bias for each of its neurons, not one in all."),
                (sum(widths), neurons),
                (biases, neurons),
                (
                    weights + sum(widths[:-1]),
                    "the biases belong to the outputs of a layer: as many as the width that follows.",
                ),
            ],
            f"for {widths} it should be {weights + biases}, got {{got:g}}.",
        )


@table
def dense_backward():
    """02.3: answer(X (B, d), W (d, m), G (B, m)) returns (dX (B, d), dW (d, m), db (m,))."""
    rng = np.random.default_rng(23)
    # A square case comes first: there a forgotten transpose has the right shape, and gets its own hint.
    for B, d, m in ((3, 3, 3), (5, 2, 4), (1, 4, 2)):
        X, W, G = rng.normal(size=(B, d)), rng.normal(size=(d, m)), rng.normal(size=(B, m))
        dX, dW, db = G @ W.T, X.T @ G, G.sum(axis=0)
        wrong = [
            (
                (dX, dW, G.mean(axis=0)),
                "db is divided by the batch size. That division is in G already, from the loss.",
            ),
            ((dX, dW, G.sum(axis=1)), "db sums over the wrong axis: add over the examples, which are the rows."),
            ((dX, dW, ...), "db is not right: it adds the rows of G."),
            ((dX, dW / B, ...), "dW is divided by the batch size. That division is in G already, from the loss."),
        ]
        if B == d == m:
            wrong += [
                ((dX, G.T @ X, ...), "this is dW transposed. It has the shape of W, inputs first."),
                ((dX, X @ G, ...), "dW is the *transpose* of X times G: it adds over the examples."),
                (
                    (G @ W, ..., ...),
                    "dX is G times the *transpose* of W. Only in a square case like this one do the shapes fit.",
                ),
            ]
        wrong.append(
            ((dX, ..., ...), f"dW is not right for X {X.shape}, G {G.shape}: each entry adds X[i, j] * G[i, k] over i.")
        )
        yield Case(
            (X, W, G),
            (dX, dW, db),
            wrong,
            f"dX is not right for X {X.shape}, W {W.shape}: each entry adds G[i, k] * W[j, k] over k.",
        )


@table
def softmax_gradient():
    """02.4: answer(logits (B, K), labels (B,)) returns the gradient of the mean cross-entropy, (B, K)."""
    rng = np.random.default_rng(24)
    for B, K in ((4, 3), (3, 3), (6, 5)):
        logits, labels = 2 * rng.normal(size=(B, K)), rng.integers(0, K, B)
        p, y = _softmax(logits, 1), np.eye(K)[labels]
        right = (p - y) / B
        reversed_sign = "the sign is reversed: it is p - y."
        probabilities = "these are the probabilities. Subtract 1 from that of the right class."
        cancelled = "the slope p (1 - p) has cancelled against the 1 / p of the loss. Leave it out."
        yield Case(
            (logits, labels),
            right,
            [
                (p - y, "the loss is the mean over the batch: divide by the number of examples."),
                (-right, reversed_sign),
                (y - p, reversed_sign),
                (right / K, "this divides by all entries. The mean is over the examples alone."),
                (p, probabilities),
                (p / B, probabilities),
                (
                    (_softmax(logits, 0) - y) / B,
                    "softmax runs over the wrong axis: the probabilities of each *row* add up to 1.",
                ),
                (
                    (_softmax(logits, None) - y) / B,
                    "softmax divides each row by its own sum, not by the sum of the whole batch.",
                ),
                (right * p * (1 - p), cancelled),
                ((p - y) * p * (1 - p), cancelled),
                ((logits - y) / B, "these are logits minus truth. Make the logits probabilities first, by softmax."),
            ],
            f"for logits {logits[0].round(2)} and label {labels[0]}, of {B} rows, it should begin with "
            f"{right[0].round(3)}.",
        )
    yield Case(
        (np.array([[1000.0, 0.0]]), np.array([1])),
        np.array([[1.0, -1.0]]),
        [(NotFinite, "right for small logits, but exp(1000) overflows. Subtract each row's largest first.")],
        "for the logits 1000 and 0, label 1, it should be 1 and -1.",
    )


# A function, no table: what a training classifies right is a share of points.
def spiral(answer):
    """02.5: answer(X (n, 2), y (n,), X_new (m, 2), rng) returns the classes of X_new, at least 95 % right."""
    rng = np.random.default_rng(25)
    X, y = _arms(rng, 450)
    X_new, y_new = _arms(rng, 300)
    result = ask(answer, X, y, X_new, np.random.default_rng(2), like=y_new)
    share = np.mean(result == y_new)
    if share >= 0.95:
        return
    if not np.isin(result, (0, 1, 2)).all():
        raise Hint("return classes, 0, 1 or 2: the index of the largest logit in each row.")
    if len(set(result)) == 1:
        raise Hint("it gives every point the same class. Does the loss fall? Try a smaller learning rate.")
    if share < 0.42:
        raise Hint(
            f"{share:.0%} right is what guessing gives. Does the loss fall? Is X_new scaled with the mean and "
            "standard deviation of X?"
        )
    if share < 0.62:
        raise Hint(f"{share:.0%} right is what straight lines reach. Is there a hidden layer with an activation?")
    raise Hint(f"{share:.0%} right. Train for more epochs, with momentum, or widen the hidden layers.")


def _softmax(logits, axis):
    p = np.exp(logits)
    return p / p.sum(axis=axis, keepdims=True)


def _arms(rng, n):
    """n points on three arms of a spiral, off-centre, and their classes."""
    y = rng.integers(0, 3, n)
    t = rng.uniform(0.15, 1, n)
    angle = 4.5 * t + y * 2 * np.pi / 3
    X = 10 * t[:, None] * np.c_[np.cos(angle), np.sin(angle)] + rng.normal(0, 0.25, (n, 2))
    return X + np.array([20, -5]), y


GRADERS = {
    "02.1": relu_gradient,
    "02.2": count_parameters,
    "02.3": dense_backward,
    "02.4": softmax_gradient,
    "02.5": spiral,
}
