"""Graders for chapter 02, backpropagation by hand."""

import itertools

import numpy as np

from . import Hint, ask, near


def relu_gradient(answer):
    """02.1: answer(Z (B, m), G (B, m)) returns dL/dZ of a ReLU; at exactly zero the derivative is 0."""
    rng = np.random.default_rng(21)
    for shape in ((4, 3), (1, 5), (6, 2)):
        Z, G = rng.normal(size=shape), rng.normal(size=shape)
        right = G * (Z > 0)
        result = ask(answer, Z, G, shapes=(shape,))
        if near(result, right):
            continue
        if near(result, (Z > 0).astype(float)):
            raise Hint("this is the derivative of ReLU itself. The chain rule multiplies it by G, entry by entry.")
        if near(result, np.maximum(Z, 0)):
            raise Hint("this is the forward pass. Going back, G passes where Z was positive.")
        if near(result, G * np.maximum(Z, 0)):
            raise Hint("the slope of ReLU is 1 where Z is positive, not Z.")
        if near(result, np.maximum(G, 0)):
            raise Hint("this switches on the sign of G. What decides is the sign of Z.")
        if near(result, G * (Z < 0)):
            raise Hint("the switch is the wrong way round: G passes where Z is positive.")
        if near(result, G):
            raise Hint("G passes only where Z is positive; elsewhere the gradient is 0.")
        raise Hint(f"for Z = {Z[0].round(2)} and G = {G[0].round(2)} it should be {right[0].round(2)}.")
    Z = np.array([[0.0, -1.0, 2.0]])
    result = ask(answer, Z, np.array([[3.0, 4.0, 5.0]]), shapes=((1, 3),))
    if near(result, [[3.0, 0.0, 5.0]]):
        raise Hint("right, except where Z is exactly zero: `>=` lets the gradient through there. Write `>`.")
    if not near(result, [[0.0, 0.0, 5.0]]):
        raise Hint("right, except where Z is exactly zero: take the derivative as 0 there.")


def count_parameters(answer):
    """02.2: answer(widths) returns the number of weights and biases of dense layers, an int."""
    for widths in ([784, 64, 64, 10], [2, 3], [5, 4, 3, 2, 1]):
        result = ask(answer, widths)
        pairs = list(itertools.pairwise(widths))
        weights, biases = sum(a * b for a, b in pairs), sum(widths[1:])
        if result == weights + biases:
            continue
        if result == weights:
            raise Hint("these are the weights. Each neuron also has a bias.")
        if result == weights + sum(widths):
            raise Hint("inputs have no bias: count biases for all layers but the first.")
        if result == weights + len(pairs):
            raise Hint("a layer has one bias for each of its neurons, not one in all.")
        if result in (sum(widths), biases):
            raise Hint("these are neurons. Count the weights between each pair of layers, and a bias for each neuron.")
        if result == weights + sum(widths[:-1]):
            raise Hint("the biases belong to the outputs of a layer: as many as the width that follows.")
        raise Hint(f"for {widths} it should be {weights + biases}, got {float(result):g}.")


def dense_backward(answer):
    """02.3: answer(X (B, d), W (d, m), G (B, m)) returns (dX (B, d), dW (d, m), db (m,))."""
    rng = np.random.default_rng(23)
    # A square case comes first: there a forgotten transpose has the right shape, and gets its own hint.
    for B, d, m in ((3, 3, 3), (5, 2, 4), (1, 4, 2)):
        X, W, G = rng.normal(size=(B, d)), rng.normal(size=(d, m)), rng.normal(size=(B, m))
        dX, dW, db = ask(answer, X, W, G, shapes=((B, d), (d, m), (m,)))
        if not near(dX, G @ W.T):
            if B == d == m and near(dX, G @ W):
                raise Hint("dX is G times the *transpose* of W. Only in a square case like this one do the shapes fit.")
            raise Hint(f"dX is not right for X {X.shape}, W {W.shape}: each entry adds G[i, k] * W[j, k] over k.")
        if not near(dW, X.T @ G):
            if near(dW, X.T @ G / B):
                raise Hint("dW is divided by the batch size. That division is in G already, from the loss.")
            if B == d == m and near(dW, G.T @ X):
                raise Hint("this is dW transposed. It has the shape of W, inputs first.")
            if B == d == m and near(dW, X @ G):
                raise Hint("dW is the *transpose* of X times G: it adds over the examples.")
            raise Hint(f"dW is not right for X {X.shape}, G {G.shape}: each entry adds X[i, j] * G[i, k] over i.")
        if not near(db, G.sum(axis=0)):
            if near(db, G.mean(axis=0)):
                raise Hint("db is divided by the batch size. That division is in G already, from the loss.")
            if B == m and near(db, G.sum(axis=1)):
                raise Hint("db sums over the wrong axis: add over the examples, which are the rows.")
            raise Hint("db is not right: it adds the rows of G.")


def softmax_gradient(answer):
    """02.4: answer(logits (B, K), labels (B,)) returns the gradient of the mean cross-entropy, (B, K)."""
    rng = np.random.default_rng(24)
    for B, K in ((4, 3), (3, 3), (6, 5)):
        logits, labels = 2 * rng.normal(size=(B, K)), rng.integers(0, K, B)
        result = ask(answer, logits, labels, shapes=((B, K),))
        p, y = _softmax(logits, 1), np.eye(K)[labels]
        right = (p - y) / B
        if near(result, right):
            continue
        if near(result, p - y):
            raise Hint("the loss is the mean over the batch: divide by the number of examples.")
        if near(result, -right) or near(result, y - p):
            raise Hint("the sign is reversed: it is p - y.")
        if near(result, right / K):
            raise Hint("this divides by all entries. The mean is over the examples alone.")
        if near(result, p) or near(result, p / B):
            raise Hint("these are the probabilities. Subtract 1 from that of the right class.")
        if near(result, (_softmax(logits, 0) - y) / B):
            raise Hint("softmax runs over the wrong axis: the probabilities of each *row* add up to 1.")
        if near(result, (np.exp(logits) / np.exp(logits).sum() - y) / B):
            raise Hint("softmax divides each row by its own sum, not by the sum of the whole batch.")
        if near(result, (p - y) * p * (1 - p) / B) or near(result, (p - y) * p * (1 - p)):
            raise Hint("the slope p (1 - p) has cancelled against the 1 / p of the loss. Leave it out.")
        if near(result, (logits - y) / B):
            raise Hint("these are logits minus truth. Make the logits probabilities first, by softmax.")
        raise Hint(
            f"for logits {logits[0].round(2)} and label {labels[0]}, of {B} rows, it should begin with "
            f"{right[0].round(3)}."
        )
    try:
        result = ask(answer, np.array([[1000.0, 0.0]]), np.array([1]), shapes=((1, 2),))
    except Hint as hint:
        if "NaN" not in str(hint):
            raise
        raise Hint("right for small logits, but exp(1000) overflows. Subtract each row's largest first.") from None
    if not near(result, [[1.0, -1.0]]):
        raise Hint("for the logits 1000 and 0, label 1, it should be 1 and -1.")


def spiral(answer):
    """02.5: answer(X (n, 2), y (n,), X_new (m, 2), rng) returns the classes of X_new, at least 95 % right."""
    rng = np.random.default_rng(25)
    X, y = _arms(rng, 450)
    X_new, y_new = _arms(rng, 300)
    result = ask(answer, X, y, X_new, np.random.default_rng(2), shapes=((300,),))
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
