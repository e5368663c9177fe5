"""Answers to the exercises of chapter 03: solutions, and mistakes with words of the hint that each must get."""

import numpy as np

FIVE = [7850, 54_986, 25_450, 290, 4160]
SIX = ["softmax", "few", "healthy", "shuffled", "scale", "rate"]


def but(values, **changes):
    """An answer that returns these values but for some, named by the letter of their place: A, B, ..."""
    changed = [changes.get("ABCDEF"[i], value) for i, value in enumerate(values)]
    return lambda: changed


def keras_program(
    weights, X, y, optimizer=None, logits=True, activation="relu", start=True, batch_size=40, epochs=3, shuffle=False
):
    import keras

    (d, hidden), classes = weights[0].shape, len(weights[3])
    model = keras.Sequential(
        [keras.Input((d,)), keras.layers.Dense(hidden, activation=activation), keras.layers.Dense(classes)]
    )
    if start:
        model.set_weights(weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile(optimizer or keras.optimizers.SGD(0.2), loss)
    model.fit(X, y, batch_size=batch_size, epochs=epochs, shuffle=shuffle, verbose=0)
    return model.get_weights()


def with_other(**settings):
    return lambda weights, X, y: keras_program(weights, X, y, **settings)


def three(n, validation, test, rng):
    order = rng.permutation(n)
    return order[validation + test :], order[:validation], order[validation : validation + test]


def as_printed(n, validation, test, rng):
    test_rows = rng.integers(0, n, test)
    return np.setdiff1d(np.arange(n), test_rows), rng.choice(n, validation, replace=False), test_rows


def half_mended(n, validation, test, rng):
    test_rows = rng.choice(n, test, replace=False)
    return np.setdiff1d(np.arange(n), test_rows), rng.choice(n, validation, replace=False), test_rows


def ablation(X, y, X_new, y_new, on_new=True):
    import keras

    def accuracy(*hidden):
        model = keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(2)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.1), loss)
        model.fit(X, y, batch_size=50, epochs=8, verbose=0)
        points, labels = (X_new, y_new) if on_new else (X, y)
        return np.mean(np.asarray(model(points)).argmax(axis=1) == labels)

    layer = keras.layers.Dense
    return accuracy(), accuracy(layer(32)), accuracy(layer(32, activation="relu"))


def shares(*right):
    return lambda X, y, X_new, y_new: tuple(count / len(y_new) for count in right)


SOLUTIONS = {"03.1": but(FIVE), "03.2": keras_program, "03.3": three, "03.4": but(SIX), "03.5": ablation}

MISTAKES = [
    ("03.1", lambda: FIVE[:4], "five numbers"),
    ("03.1", but(FIVE, A=7840), "bias for each"),
    ("03.1", but(FIVE, A=784), "a weight for every pair"),
    ("03.1", but(FIVE, B=55_050), "use_bias=False"),
    ("03.1", but(FIVE, B=54_912), "the other two have theirs"),
    ("03.1", but(FIVE, B=50_240), "add three layers"),
    ("03.1", but(FIVE, C=25_450 + 32), "no parameters to learn"),
    ("03.1", but(FIVE, C=25_440), "784 to 32, and 32 to 10"),
    ("03.1", but(FIVE, D=7850), "the last axis alone"),
    ("03.1", but(FIVE, D=280), "ten biases"),
    ("03.1", but(FIVE, D=28 * 290), "same weights for each"),
    ("03.1", but(FIVE, E=8320), "called twice"),
    ("03.1", but(FIVE, E=4096), "biases too"),
    ("03.1", but(FIVE, E=64), "one Dense(64)"),
    ("03.1", lambda: sum(FIVE), "a list of ints"),
    ("03.2", lambda weights, X, y: weights, "weights it was given"),
    ("03.2", with_other(epochs=1), "one epoch"),
    ("03.2", with_other(batch_size=None), "batches of 32"),
    ("03.2", with_other(optimizer="sgd"), "0.01"),
    ("03.2", with_other(optimizer="adam"), "this is Adam"),
    ("03.2", with_other(activation=None), "no activation"),
    ("03.2", with_other(logits=False), "from_logits=True"),
    ("03.2", with_other(shuffle=True), "fit shuffles"),
    ("03.2", with_other(start=False), "set_weights"),
    ("03.2", with_other(epochs=30), "Compare: the start|set_weights"),
    ("03.2", lambda weights, X, y: keras_program(weights, X, y)[:2], "4 values"),
    ("03.3", as_printed, "twice in the test|both in"),
    ("03.3", half_mended, "both in"),
    ("03.3", lambda n, v, t, rng: three(n, v, t, rng)[:2], "three arrays"),
    ("03.3", lambda n, v, t, rng: np.split(np.arange(n), [n - v - t, n - t]), "shuffle first"),
    ("03.3", lambda n, v, t, rng: np.split(rng.permutation(n) + 1, [n - v - t, n - t]), "outside"),
    ("03.3", lambda n, v, t, rng: [rng.integers(0, n, m) for m in (n - v - t, v, t)], "twice in the training"),
    ("03.3", lambda n, v, t, rng: [rng.permutation(n)[:m] for m in (n - v - t, v, t)], "both in"),
    ("03.3", lambda n, v, t, rng: (rng.permutation(n), *three(n, v, t, rng)[1:]), "both in training and in"),
    ("03.3", lambda n, v, t, rng: three(n, v, t, rng)[::-1], "order should be"),
    ("03.3", lambda n, v, t, rng: [part[:5] for part in three(n, v, t, rng)], "in no set"),
    ("03.3", lambda n, v, t, rng: three(n, v + 1, t, rng), "the sizes should be"),
    ("03.3", lambda n, v, t, rng: three(n, v, t, np.random.default_rng(0)), "ignores rng"),
    ("03.3", lambda n, v, t, rng: three(n, v, t, np.random.default_rng()), "draw from rng"),
    (
        "03.3",
        lambda n, v, t, rng: (*np.split(rng.permutation(n - t), [n - v - t]), np.arange(n - t, n)),
        "the test set is a piece of the original order",
    ),
    ("03.3", lambda n, v, t, rng: [rng.random(n) < 0.5] * 3, "masks"),
    ("03.3", lambda n, v, t, rng: [rng.random(m) for m in (n - v - t, v, t)], "whole numbers"),
    ("03.3", lambda n, v, t, rng: [part[:, None] for part in three(n, v, t, rng)], "of shape (m,)"),
    ("03.4", lambda: SIX[:5], "six words"),
    ("03.4", but(SIX, A="smooth"), "not in the table"),
    ("03.4", but(SIX, A="few"), "there twice"),
    ("03.4", but(SIX, A="healthy", C="softmax"), "A: both losses"),
    ("03.4", but(SIX, B="healthy", C="few"), "B: the training loss"),
    ("03.4", but(SIX, D="rate", F="shuffled"), "D: look at the scale"),
    ("03.4", but(SIX, C="rate", F="healthy"), "F: look at the scale"),
    ("03.4", but(SIX, C="scale", E="healthy"), "E: training goes well"),
    ("03.5", shares(70, 70), "three accuracies"),
    ("03.5", lambda *args: (55.1, 54.0, 99.2), "percentages"),
    ("03.5", lambda *args: (-0.1, 0.5, 0.9), "negative"),
    ("03.5", lambda *args: (0.5, 0.5, 1.0), "X_new"),
    ("03.5", lambda *args: ablation(*args, on_new=False), "X_new"),
    ("03.5", lambda X, y, X_new, y_new: (*[len(y_new) // 2 / len(y_new)] * 2, 1.0), "one and the same number"),
    ("03.5", shares(126, 70, 71), "the order is"),
    ("03.5", shares(126, 70, 127), "without a hidden layer"),
    ("03.5", shares(70, 126, 127), "is not linear"),
    ("03.5", shares(70, 71, 90), "nine in ten"),
]
