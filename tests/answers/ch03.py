"""Answers to the exercises of chapter 03: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def loss(logits, labels, mean=np.mean, axis=1):
    largest = logits.max(axis=axis, keepdims=True)
    log_sum = largest + np.log(np.exp(logits - largest).sum(axis=axis, keepdims=True))
    return mean((log_sum - logits)[np.arange(len(labels)), labels])


def softmax_first(logits, labels, smallest=0.0):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.mean(np.log(np.maximum(p[np.arange(len(labels)), labels], smallest)))


def stable_softmax_first(logits, labels, smallest=0.0):
    return softmax_first(logits - logits.max(axis=1, keepdims=True), labels, smallest)


def of_truth(logits, labels):
    return logits[np.arange(len(labels)), labels].mean()


def one_largest(logits, labels):
    largest = logits.max()
    return largest + np.log(np.exp(logits - largest).sum(axis=1)).mean() - of_truth(logits, labels)


def rows(pictures):
    return pictures.reshape(len(pictures), -1) / 255


def three(n, validation, test, rng):
    order = rng.permutation(n)
    return order[validation + test :], order[:validation], order[validation : validation + test]


def softmax(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def surest(logits, labels, k, by=lambda z: softmax(z).max(axis=1), only_wrong=True):
    picked = np.flatnonzero((logits.argmax(axis=1) != labels) | (not only_wrong))
    return picked[np.argsort(-by(logits)[picked], kind="stable")][:k]


def true_class(logits, labels, k):
    return surest(logits, labels, k, by=lambda z: -softmax(z)[np.arange(len(labels)), labels])


def in_the_list(logits, labels, k):
    wrong = np.flatnonzero(logits.argmax(axis=1) != labels)
    return np.argsort(-softmax(logits)[wrong].max(axis=1), kind="stable")[:k]


def line(sizes, seconds, size, k, after=lambda a, b, size, k: a / k + b * size):
    b, a = np.polyfit(sizes, seconds, 1)
    return a, b, (a + b * size) / after(a, b, size, k)


def through_origin(sizes, seconds, size, k):
    return 0.0, np.sum(sizes * seconds) / np.sum(sizes**2), 1.0


SOLUTIONS = {"03.1": loss, "03.2": rows, "03.3": three, "03.4": surest, "03.5": line}

MISTAKES = [
    ("03.1", softmax_first, "single precision… NaN or infinity"),
    ("03.1", lambda z, y: softmax_first(z.astype(float), y), "(2000, 0)… NaN or infinity"),
    ("03.1", stable_softmax_first, "NaN or infinity"),
    ("03.1", lambda z, y: stable_softmax_first(z, y, 1e-7), "should be 200, not 16.1…Softmax first loses"),
    ("03.1", lambda z, y: stable_softmax_first(z, y, 1e-30), "should be 200, not 69.1"),
    ("03.1", lambda z, y: stable_softmax_first(z.astype(float), y, 1e-300), "should be 2,000, not 690.8"),
    ("03.1", one_largest, "(2000, 0)…its own largest"),
    ("03.1", lambda z, y: -loss(z, y), "sign"),
    ("03.1", lambda z, y: loss(z, y, mean=np.sum), "asked is their mean"),
    ("03.1", lambda z, y: loss(z, y) / z.shape[1], "number of classes"),
    ("03.1", lambda z, y: loss(z, y) / np.log(2), "in bits"),
    ("03.1", lambda z, y: loss(z, y) + of_truth(z, y), "is left out"),
    ("03.1", lambda z, y: loss(z, y) - z.max(axis=1).mean(), "add it again"),
    ("03.1", lambda z, y: loss(z, y, axis=0), "axis 1"),
    ("03.1", lambda z, y: -softmax(z)[np.arange(len(y)), y].mean(), "minus the probability"),
    ("03.1", lambda z, y: 7, "alone it should be"),
    ("03.1", lambda z, y: loss(z, y, mean=lambda each: each), "a single numbe"),
    ("03.2", lambda x: x / 255, "end to end"),
    ("03.2", lambda x: rows(x).T, "examples are rows"),
    ("03.2", lambda x: x.reshape(-1) / 255, "Keep the first axis"),
    ("03.2", lambda x: rows(x)[:, 1:], "shape (5, 784), not (5, 783)"),
    ("03.2", lambda x: x.reshape(len(x), -1), "still in 0..255"),
    ("03.2", lambda x: x.reshape(len(x), -1).astype(float), "still in 0..255"),
    ("03.2", lambda x: x.reshape(len(x), -1) // 255, "whole numbers"),
    ("03.2", lambda x: rows(x) * 255 / 256, "not 256"),
    ("03.2", lambda x: x.reshape(len(x), -1) / x.max(), "largest pixel of the batch"),
    ("03.2", lambda x: 1 - rows(x), "exchanged"),
    ("03.2", lambda x: 2 * rows(x) - 1, "-1..1"),
    ("03.2", lambda x: rows(x.transpose(0, 2, 1)), "by columns"),
    ("03.2", lambda x: x.reshape(784, -1).T / 255, "wrong places"),
    ("03.2", lambda x: rows(x) ** 2, "values are not"),
    ("03.2", lambda x: rows(x) / 0, "NaN or infinity"),
    ("03.2", lambda x: "pictures", "a st"),
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
    ("03.3", lambda n, v, t, rng: [rng.random(n) < 0.5] * 3, "masks"),
    ("03.3", lambda n, v, t, rng: [rng.random(m) for m in (n - v - t, v, t)], "whole numbers"),
    ("03.3", lambda n, v, t, rng: [part[:, None] for part in three(n, v, t, rng)], "of shape (m,)"),
    ("03.4", lambda z, y, k: surest(z, y, k)[::-1], "another orde"),
    ("03.4", lambda z, y, k: surest(z, y, k, by=lambda z: -softmax(z).max(axis=1)), "least"),
    ("03.4", lambda z, y, k: surest(z, y, k, only_wrong=False), "right answers are among them"),
    ("03.4", in_the_list, "whole set"),
    ("03.4", lambda z, y, k: surest(z, y, k, by=lambda z: z.max(axis=1)), "largest logit"),
    ("03.4", true_class, "true class"),
    ("03.4", lambda z, y, k: surest(z, y, k, by=lambda z: np.zeros(len(z))), "first mistakes"),
    ("03.4", lambda z, y, k: np.arange(k), "begin with"),
    ("03.4", lambda z, y, k: surest(z, y, len(y)), "shape"),
    ("03.5", lambda *args: (line(*args)[1], line(*args)[0], 1.0), "exchanged"),
    ("03.5", through_origin, "no fixed cost"),
    ("03.5", lambda *args: (1.0, 2.0, 3.0), "through all 5 points"),
    ("03.5", lambda *args: (*line(*args)[:2], 1 / line(*args)[2]), "one over it"),
    ("03.5", lambda *args: line(*args, after=lambda a, b, size, k: b * size), "does not vanish"),
    ("03.5", lambda *args: (*line(*args)[:2], args[3]), "only the fixed cost is shared"),
    (
        "03.5",
        lambda *args: (*line(*args)[:2], sum(line(*args)[:2]) / (line(*args)[0] / args[3] + line(*args)[1])),
        "cost b * batch_size",
    ),
    ("03.5", lambda *args: (*line(*args)[:2], 1.0), "the speed-up is not"),
    ("03.5", lambda *args: line(*args)[2], "3 values"),
]
