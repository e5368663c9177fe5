"""Graders for chapter 02, backpropagation by hand."""

import numpy as np

from .engine import Case, Hint, NotFinite, WrongShape, ask, table


@table
def signal_sizes():
    """02.1: answer(widths, variances) returns the root mean square after each ReLU, (layers,), for inputs of size 1."""
    for widths, variances in (
        ([4, 9, 2, 5], [0.5, 1.5, 3.0]),
        ([784, 100, 100, 100], [2 / 784, 0.02, 0.02]),
        ([100, 50], [1.0]),
    ):
        d, v = np.array(widths[:-1]), np.array(variances)
        factors = d * v / 2
        squares = np.cumprod(factors)
        yield Case(
            (widths, variances),
            np.sqrt(squares),
            [
                (squares, "these are mean squares. The size is the square root of the mean square."),
                (
                    np.sqrt(2 * squares),
                    "these are the sizes of z. ReLU keeps half of the mean square of its layer, too.",
                ),
                (
                    np.sqrt(np.cumprod(d * v)),
                    "ReLU sets half of its inputs to zero: each layer's mean square is halved.",
                ),
                (
                    np.sqrt(factors),
                    "these are the factors of single layers. A signal goes through all layers before it.",
                ),
                (
                    factors,
                    "this is the factor of the mean square of each single layer. Multiply them, and take the root.",
                ),
                (
                    np.sqrt(np.cumprod(np.array(widths[1:]) * v / 2)),
                    "z adds up the *inputs* of a layer, so their number counts, not the number of its neurons.",
                ),
                (
                    np.sqrt(np.cumprod(d * v**2 / 2)),
                    "the variance is the mean square of a weight already: do not square it.",
                ),
                (
                    np.cumprod(factors / np.sqrt(factors) / np.sqrt(2)),
                    "it is the mean square that is halved, so the size is divided by the square root of 2.",
                ),
                (WrongShape((len(widths),)), "return one number for each layer of ReLUs, none for the inputs."),
                (WrongShape(()), "return the sizes after all ReLUs, one number for each layer."),
            ],
            f"for widths {widths} and variances {np.round(variances, 3).tolist()} it should be "
            f"{np.sqrt(squares).round(3).tolist()}, got {{got}}.",
        )


@table
def off_for_all():
    """02.2: answer(W (d, m), b (m,)) returns for each neuron whether its ReLU is off for all inputs from 0 to 1."""
    W = np.array(
        [
            [1.0, -1.0, 1.0, -1.0, 2.0, 0.5, 3.0, -1.0],
            [2.0, -2.0, -3.0, -2.0, -1.0, 0.5, -4.0, -3.0],
            [0.5, -0.5, 1.0, 4.0, 0.5, 0.5, 0.0, -1.0],
        ]
    )
    b = np.array([-3.0, 1.0, -1.5, -3.0, -3.0, -2.0, -2.9, -0.5])
    largest = b + np.maximum(W, 0).sum(axis=0)
    right = largest <= 0
    whole = (
        "this asks about the input that is 1 everywhere. Another input makes z larger: 0 where a weight is negative."
    )
    yield Case(
        (W, b),
        right,
        [
            (~right, "this is the other way round: true means that the neuron is off for all inputs."),
            (b + W.sum(axis=0) <= 0, whole),
            (b <= 0, "this asks about the input that is 0 everywhere. Positive weights make z larger than b."),
            (
                b + np.minimum(W, 0).sum(axis=0) <= 0,
                "this is the smallest z: it names neurons that are off for *some* input. Which input makes z largest?",
            ),
            (
                b + np.abs(W).sum(axis=0) <= 0,
                "a negative weight cannot raise z, because no input is below 0: at best it adds nothing.",
            ),
            (
                b + W.max(axis=0) <= 0,
                "several inputs can be 1 at the same time: add up all the positive weights, not the largest alone.",
            ),
            (
                (W <= 0).all(axis=0) & (b <= 0),
                "a neuron with a positive weight can be off as well, if b is low enough.",
            ),
            ((W <= 0).all(axis=0), "the bias counts, too: with negative weights alone and a large b the neuron is on."),
            (largest, "return whether the largest z is at most 0, not that z itself."),
            (WrongShape((3,)), "one answer for each neuron, so add over the inputs, which are the rows of W."),
        ],
        lambda got: (
            f"neuron {int(np.argmax(got != right))} (weights {W[:, np.argmax(got != right)].tolist()}, "
            f"bias {b[np.argmax(got != right)]}) has a largest z of {largest[np.argmax(got != right)]:g}."
        ),
    )
    many = np.where(np.arange(400) % 2 == 0, 0.1, -0.1)[:, None] * np.ones(2)  # inputs drawn at random stay near z = b
    yield Case(
        (many, np.array([-19.0, -20.5])),
        np.array([False, True]),
        [(np.array([True, True]), "an input that is rare counts, too: some input makes the first neuron's z 1.")],
        "for 400 inputs, weights 0.1 and -0.1 by turns, biases -19 and -20.5, only the second neuron is always off.",
    )
    yield Case(
        (np.array([[1.0, 1.0], [-2.0, 1.0]]), np.array([-1.0, -1.0])),
        np.array([True, False]),
        [(np.array([False, False]), "right, except where the largest z is exactly 0: there a ReLU is off, too.")],
        "right so far, but not for a layer of two inputs and two neurons: is the number of inputs fixed in it?",
    )


@table
def mended():
    """02.3: answer(X, y, W1, b1, W2, b2) returns (dW1, db1, dW2, db2) of a network with one hidden layer of tanh."""
    rng = np.random.default_rng(23)
    for B, d, h, K in ((5, 4, 3, 2), (6, 3, 3, 3), (1, 3, 4, 3)):
        X, y = rng.normal(size=(B, d)), rng.integers(0, K, B)
        W1, b1, W2, b2 = (rng.normal(size=shape) for shape in ((d, h), h, (h, K), K))
        A1 = np.tanh(X @ W1 + b1)
        G2 = (_softmax(A1 @ W2 + b2, 1) - np.eye(K)[y]) / B
        dA1 = G2 @ W2.T
        dW2, db2 = A1.T @ G2, G2.sum(axis=0)

        def first(slope, X=X, dA1=dA1):
            return X.T @ (dA1 * slope), (dA1 * slope).sum(axis=0)

        dW1, db1 = first(1 - A1**2)
        slope = "db1 is wrong although dW2 is right: look at the derivative of tanh, 1 - a²."
        bare = "the gradient that arrives at the hidden layer must still be multiplied by the derivative of tanh."
        product = "dW1 is not right although db1 is: look at the product X.T @ G1, and at nothing else."
        yield Case(
            (X, y, W1, b1, W2, b2),
            (dW1, db1, dW2, db2),
            [
                ((..., first((1 - A1) ** 2)[1], ..., ...), "db1: (1 - a)² is not 1 - a². Only `A1` is squared."),
                (
                    (..., first(1 - np.tanh(A1) ** 2)[1], ..., ...),
                    "db1: A1 is tanh already; its derivative is 1 - A1².",
                ),
                ((..., first(A1 * (1 - A1))[1], ..., ...), "db1: a (1 - a) is the derivative of the sigmoid."),
                ((..., first(1.0)[1], ..., ...), bare),
                ((..., db1 / B, ..., ...), "db1 is divided by the batch size. That division is in G2 already."),
                (
                    (dW1 / B, db1, ..., ...),
                    "dW1 is divided by the batch size once more. That division is in G2 already, from the mean.",
                ),
                (
                    (dW1, db1, dW2, G2.mean(axis=0)),
                    "db2 is a mean over the examples. The bias acts in every row, so add over the rows.",
                ),
                ((..., ..., dW2 / B, ...), "dW2 was right in the colleague's version: A1.T @ G2."),
                ((dW1, db1, dW2, ...), "only db2 is wrong: it adds the rows of G2."),
                ((..., db1, dW2, db2), product),
                ((..., ..., dW2, db2), slope),
            ],
            f"for a batch of {B} and {d}-{h}-{K} dW2, or several of the four, are not right.",
        )


@table
def tempered_gradient():
    """02.4: answer(logits (B, K), labels (B,), T) returns the gradient of the mean cross-entropy, (B, K)."""
    rng = np.random.default_rng(24)
    for B, K, T in ((5, 3, 2.0), (3, 3, 0.5), (6, 5, 3.0)):
        logits, labels = 2 * rng.normal(size=(B, K)), rng.integers(0, K, B)
        p, y = _softmax(logits / T, 1), np.eye(K)[labels]
        right = (p - y) / (B * T)
        reversed_sign = "the sign is reversed: it is p - y."
        probabilities = "these are the probabilities. Subtract 1 from that of the right class."
        inner = "p - y is the gradient with respect to z / T. One more factor leads from there to z."
        yield Case(
            (logits, labels, T),
            right,
            [
                (right * T, inner),
                (right * T * T, "the derivative of z / T with respect to z is 1 / T, not T."),
                (
                    (_softmax(logits, 1) - y) / B,
                    "T does not occur in it: the softmax is of z / T, and the chain rule adds a factor.",
                ),
                ((_softmax(logits, 1) - y) / (B * T), "the probabilities are the softmax of z / T, not of z."),
                ((_softmax(logits * T, 1) - y) / (B * T), "the logits are divided by T, not multiplied."),
                ((_softmax(logits * T, 1) - y) / B, "the logits are divided by T, not multiplied."),
                ((_softmax(logits * T, 1) - y) / B * T, "the logits are divided by T, not multiplied."),
                ((p - y) / T, "the loss is the mean over the batch: divide by the number of examples."),
                (p - y, "the loss is the mean over the batch, and z is divided by T: two factors are missing."),
                (-right, reversed_sign),
                (right / K, "this divides by all entries. The mean is over the examples alone."),
                (p, probabilities),
                (p / B, probabilities),
                (p / (B * T), probabilities),
                (
                    (_softmax(logits / T, 0) - y) / (B * T),
                    "softmax runs over the wrong axis: the probabilities of each *row* add up to 1.",
                ),
                (
                    (_softmax(logits / T, None) - y) / (B * T),
                    "softmax divides each row by its own sum, not by the sum of the whole batch.",
                ),
            ],
            f"for logits {logits[0].round(2)}, label {labels[0]} and T = {T}, of {B} rows, it should begin with "
            f"{right[0].round(3)}.",
        )
    yield Case(
        (np.array([[1000.0, 0.0]]), np.array([1]), 1.0),
        np.array([[1.0, -1.0]]),
        [(NotFinite, "right for small logits, but exp(1000) overflows. Subtract each row's largest first.")],
        "for the logits 1000 and 0, label 1 and T = 1, it should be 1 and -1.",
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
    "02.1": signal_sizes,
    "02.2": off_for_all,
    "02.3": mended,
    "02.4": tempered_gradient,
    "02.5": spiral,
}
