"""Graders for chapter 03, the multilayer perceptron in Keras."""

import itertools

import numpy as np

from .engine import Case, Hint, call, numbers, table

NETWORKS = 7850, 54_986, 25_450, 290, 4160  # parameters of the networks A to E of 03.1


@table
def parameters():
    """03.1: answer() returns the parameters of five networks, a list of ints."""
    A, B, C, D, E = NETWORKS

    def at(i, *values):
        return lambda got: got[i] in values

    yield Case(
        (),
        list(NETWORKS),
        [
            (lambda got: len(got) != 5, "five networks, five numbers: [A, B, C, D, E]."),
            (at(0, A - 10), "A: a dense layer also has a bias for each of its outputs."),
            (lambda got: got[0] != A, "A: 784 inputs, 10 outputs: a weight for every pair, and 10 biases."),
            (at(1, B + 64), "B: the layer in the middle was told use_bias=False, and has only its weights."),
            (at(1, B - 74), "B: only the layer in the middle has no bias; the other two have theirs."),
            (lambda got: got[1] != B, "B: add three layers, 784 to 64, 64 to 64 without biases, 64 to 10."),
            (lambda got: got[2] > C, "C: Flatten and ReLU compute something, but have no parameters to learn."),
            (lambda got: got[2] != C, "C: Flatten makes 784 numbers of a picture; then 784 to 32, and 32 to 10."),
            (
                at(3, A),
                "D: there is no Flatten in it. Dense works on the last axis alone: build it, look at its output shape.",
            ),
            (at(3, D - 10), "D: the ten biases are missing."),
            (
                lambda got: got[3] != D,
                "D: Dense works on the last axis, of 28 numbers, with the same weights for each of the 28 rows.",
            ),
            (at(4, 2 * E), "E: it is one layer, called twice. How often are its weights stored?"),
            (at(4, E - 64, 2 * (E - 64)), "E: the layer has biases too."),
            (
                lambda got: got[4] != E,
                "E: how many weights has one Dense(64) of 64 inputs, and how many layers are there?",
            ),
        ],
        "one of the five is wrong.",
    )


def _trained(weights, X, y, rate=0.2, size=40, epochs=3, relu=True, logits=True, adam=False):
    """[W1, b1, W2, b2] after the program of 03.2, or after a mistaken one; without `logits`, as Keras clips outputs."""
    p = [np.array(weight, dtype=float) for weight in weights]
    m, v, t = [0 * w for w in p], [0 * w for w in p], 0
    for _, first in itertools.product(range(epochs), range(0, len(X), size)):
        x, labels = X[first : first + size].astype(float), np.eye(len(p[3]))[y[first : first + size]]
        Z = x @ p[0] + p[1]
        A = np.maximum(Z, 0) if relu else Z
        out = A @ p[2] + p[3]
        if logits:
            q = np.exp(out - out.max(axis=1, keepdims=True))
            G = q / q.sum(axis=1, keepdims=True) - labels
        else:
            q = np.clip(out, 1e-7, 1 - 1e-7)
            G = (1 / q.sum(axis=1, keepdims=True) - labels / q) * ((out > 1e-7) & (out < 1 - 1e-7))
        G = G / len(x)
        H = G @ p[2].T * ((Z > 0) if relu else 1)
        gradients, t = [x.T @ H, H.sum(axis=0), A.T @ G, G.sum(axis=0)], t + 1
        for i, g in enumerate(gradients):
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g**2
            step = m[i] / (1 - 0.9**t) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-7) if adam else g
            p[i] = p[i] - rate * step
    return tuple(p)


def _distance(one, other):
    return np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(one, other, strict=True)))


@table
def train_in_keras():
    """03.2: answer(weights, X, y) returns the weights after 3 epochs of SGD at 0.2, batches of 40, in their order."""
    rng = np.random.default_rng(32)
    for d, hidden, classes, n in ((6, 8, 3, 120), (4, 5, 2, 100)):
        shapes = (d, hidden), (hidden,), (hidden, classes), (classes,)
        weights = tuple((0.6 * rng.normal(size=shape)).astype(np.float32) for shape in shapes)
        X = rng.normal(size=(n, d)).astype(np.float32)
        y = (X[:, : classes - 1] > 0).sum(axis=1)
        right = _trained(weights, X, y)
        far = _distance(right, weights)

        def shuffled(got, right=right, far=far):
            return _distance(got, right) < 0.4 * far

        def elsewhere(got, weights=weights, far=far):
            return _distance(got, weights) > 3 * far

        yield Case(
            (weights, X, y),
            right,
            [
                (
                    weights,
                    "these are the weights it was given: train the model, and return model.get_weights() afterwards.",
                ),
                (_trained(weights, X, y, epochs=1), "this is one epoch, Keras' default; the program has three."),
                (_trained(weights, X, y, size=32), "these are batches of 32, Keras' default; the program has 40."),
                (_trained(weights, X, y, rate=0.01), "this is SGD's default rate of 0.01; the program has 0.2."),
                (
                    _trained(weights, X, y, rate=0.001, adam=True),
                    "this is Adam. The program takes plain steps: keras.optimizers.SGD.",
                ),
                (_trained(weights, X, y, relu=False), "the hidden layer has no activation: by_hand.ReLU is one."),
                (
                    _trained(weights, X, y, logits=False),
                    "the loss took the logits for probabilities: say from_logits=True.",
                ),
                (
                    shuffled,
                    "nearly right, not equal: the same steps with other batches. fit shuffles, unless told otherwise.",
                ),
                (
                    elsewhere,
                    "these are far from the weights it was given: does the model start from them? Use set_weights.",
                ),
            ],
            "other weights than the program's. Compare: the start, the loss, the optimizer and its rate, the batches, "
            "their order, the number of epochs.",
            rtol=1e-3,
            atol=1e-4,
        )


# A function, no table: which examples come into which set is random.
def three_sets(answer):
    """03.3: answer(n, validation, test, rng) returns index arrays (training, validation, test) that share nothing."""
    names = ("training", "validation", "test")
    for n, validation, test, seed in ((100, 20, 10, 1), (57, 5, 13, 2)):
        sizes = (n - validation - test, validation, test)
        parts = _index_arrays(answer, n, validation, test, np.random.default_rng(seed))
        seen = tuple(len(part) for part in parts)
        together = np.concatenate(parts)
        for name, part in zip(names, parts, strict=True):
            if len(part) and (part.min() < 0 or part.max() >= n):
                raise Hint(f"an index of the {name} set lies outside 0..{n - 1}.")
            if len(np.unique(part)) < len(part):
                raise Hint(f"an example is twice in the {name} set: draw without putting back (rng.permutation).")
        for a, b in itertools.combinations(range(3), 2):
            shared = len(np.intersect1d(parts[a], parts[b]))
            if shared:
                raise Hint(f"{shared} of {n} examples are both in {names[a]} and in {names[b]}.")
        if seen != sizes:
            if sorted(seen) == sorted(sizes):
                raise Hint(f"the sizes are {seen}: the order should be training, validation, test.")
            if len(together) < n:
                raise Hint(f"{n - len(together)} of {n} examples are in no set. Training gets all that is left.")
            raise Hint(f"for n={n}, validation={validation}, test={test} the sizes should be {sizes}, not {seen}.")
        pieces = [np.array_equal(np.sort(part), np.arange(part.min(), part.max() + 1)) for part in parts]
        if all(pieces):
            raise Hint("each set is a piece of the original order. Data often come sorted: shuffle first.")
        if any(pieces):
            name = names[pieces.index(True)]
            raise Hint(f"the {name} set is a piece of the original order. Shuffle all examples before you divide them.")
        same = _index_arrays(answer, n, validation, test, np.random.default_rng(seed))
        if not all(np.array_equal(a, b) for a, b in zip(parts, same, strict=True)):
            raise Hint("the same generator gives another division the second time: draw from rng, not from np.random.")
        again = _index_arrays(answer, n, validation, test, np.random.default_rng(seed + 10))
        if all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True)):
            raise Hint("it ignores rng: another generator should give another division.")


def _index_arrays(answer, *args):
    """Three index arrays from an answer to 03.3, each of shape (m,)."""
    result = call(answer, *args)
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise Hint("it should return three arrays of indices, in a tuple: training, validation, test.")
    parts = [numbers(part) for part in result]
    for part, values in zip(result, parts, strict=True):
        if values.ndim != 1:
            raise Hint(f"a set should be an array of indices, of shape (m,); one has shape {values.shape}.")
        if np.asarray(part).dtype == bool:
            raise Hint("these are masks of True and False; return indices (np.flatnonzero makes them).")
        if np.any(values != np.round(values)):
            raise Hint("indices are whole numbers.")
    return [values.astype(np.int64) for values in parts]


WORDS = "softmax", "few", "healthy", "shuffled", "scale", "rate"  # of the panels A to F of 03.4
SYMPTOMS = (
    "A: both losses fall together, level off, and stop far from zero. Which of the causes sets a lowest possible loss?",
    "B: the training loss goes to zero, the validation loss stays far above it. What lets a network fit all it sees?",
    "C: both fall, and end close together and low.",
    "D: look at the scale. The validation loss starts at ln 10 and gets worse, the training loss falls by very little: "
    "the network fits something that is not true of the validation images.",
    "E: training goes well, but from the first epoch the validation loss is enormous: are these the same kind of rows?",
    "F: look at the scale. Both losses fall together, and slowly, all the way.",
)


@table
def causes():
    """03.4: answer() returns what was done in six trainings, a list of words."""
    yield Case(
        (),
        list(WORDS),
        [
            (lambda got: len(got) != 6, "six panels, six words, from A to F."),
            (
                lambda got: not set(got) <= set(WORDS),
                "a word that is not in the table. The words are: " + ", ".join(sorted(WORDS)) + ".",
            ),
            (lambda got: len(set(got)) < 6, "each word belongs to one panel; one of yours is there twice."),
            *[
                (lambda got, i=i: got[i] != WORDS[i], symptom)
                for i, symptom in sorted(enumerate(SYMPTOMS), key=lambda pair: pair[0] == 2)  # the healthy one last
            ],
        ],
        "not all are right.",
    )


def disc_and_ring(n, rng):
    """n points (n, 2), and their class (n,): 0 in a disc of radius 0.5, 1 in a ring from 0.7 to 1 around it."""
    y = np.arange(n) % 2
    radius = np.where(y == 0, 0.5 * np.sqrt(rng.random(n)), rng.uniform(0.7, 1, n))
    angle = 2 * np.pi * rng.random(n)
    return np.c_[radius * np.cos(angle), radius * np.sin(angle)].astype(np.float32), y


# A function, no table: what a training reaches is known only by bounds.
def ablation(answer):
    """03.5: answer(X, y, X_new, y_new) returns three accuracies: no hidden layer, a linear one, one with ReLU."""
    rng, many = np.random.default_rng(35), 127  # a prime: an accuracy on other points is no multiple of 1 / 127
    X, y = disc_and_ring(400, rng)
    result = call(answer, X, y, *disc_and_ring(many, rng))
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise Hint("it should return three accuracies, in a tuple: no hidden layer, linear, ReLU.")
    got = [float(numbers(value, ())) for value in result]
    if max(got) > 1:
        raise Hint("an accuracy is a share, from 0 to 1. Are these percentages, or losses?")
    if min(got) < 0:
        raise Hint("an accuracy is a share, from 0 to 1; one of these is negative.")
    if np.abs(many * np.array(got) - np.round(many * np.array(got))).max() > 1e-3:
        raise Hint(f"one of these is no share of the {many} new points. Measure on X_new and y_new, not on X and y.")
    none, linear, bent = got
    if result[0] is result[1]:
        raise Hint("the first two are one and the same number. Train a second network, with a linear hidden layer.")
    shown = f"{none:.3f}, {linear:.3f}, {bent:.3f}"
    if max(none, linear) > 0.8 and bent < 0.8:
        raise Hint(f"{shown}: the order is no hidden layer, linear hidden layer, hidden layer with ReLU.")
    if none > 0.8:
        raise Hint(f"{shown}: without a hidden layer only a straight line separates the classes. What is in the first?")
    if linear > 0.8:
        raise Hint(f"{shown}: the second network is not linear. Leave out the activation of its hidden layer.")
    if bent < 0.9:
        raise Hint(
            f"{shown}: the third network should get more than nine in ten right. Has its hidden layer a ReLU, does its "
            "loss fit its output, does it train long enough?"
        )


GRADERS = {
    "03.1": parameters,
    "03.2": train_in_keras,
    "03.3": three_sets,
    "03.4": causes,
    "03.5": ablation,
}
