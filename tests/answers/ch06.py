"""Answers to the exercises of chapter 06: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def numbers(**other):
    """The five numbers of 06.1, some of them wrong."""
    return lambda: tuple({"a": 30, "b": 4128, "c": 11, "d": 9, "e": 1, **other}.values())


def measured(split="photographers", first="split", learned="train", asked="plain", part=5, result="share"):
    """An answer to 06.2, right but for what is said."""

    def measure(images, labels, photographers, augment, learn, rng):
        if first == "augment":
            images, labels, photographers = augment(images, labels, photographers)
        rng = np.random.default_rng(0) if split == "fixed" else rng
        names = rng.permutation(np.unique(photographers))
        test = np.isin(photographers, names[: max(1, len(names) // part)])
        if split == "pictures":
            test = rng.random(len(labels)) < 0.2
        rows = np.ones(len(labels), bool) if learned == "all" else ~test
        if first == "split" and learned != "plain":
            seen, known, _ = augment(images[rows], labels[rows], photographers[rows])
        else:
            seen, known = images[rows], labels[rows]
        predict = learn(seen, known)
        shown, truth = images[test], labels[test]
        if asked == "augmented":
            shown, truth, _ = augment(shown, truth, photographers[test])
        right = predict(shown) == truth
        return right.sum() if result == "count" else np.mean(right)

    return measure


def occlusion(score, image, size, sign=1, fresh=True, before=True):
    drops, hidden = np.empty((image.shape[0] // size, image.shape[1] // size)), image.copy()
    for i, j in np.ndindex(drops.shape):
        hidden = image.copy() if fresh else hidden
        hidden[i * size : (i + 1) * size, j * size : (j + 1) * size] = 0
        drops[i, j] = sign * ((score(image) if before else 0) - score(hidden))
    return drops


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


SOLUTIONS = {
    "06.1": numbers(),
    "06.2": measured(),
    "06.3": occlusion,
    "06.4": lambda G: spread(G) / 4,
    "06.5": deal,
}

MISTAKES = [
    ("06.1", numbers(a=60), "Every second one"),
    ("06.1", numbers(a=32), "with padding"),
    ("06.1", numbers(a=29.5), "round down"),
    ("06.1", numbers(a=31), "29.5"),
    ("06.1", numbers(b=4096), "biases are missing"),
    ("06.1", numbers(b=4224), "one bias for each filter"),
    ("06.1", numbers(b=36896), "not nine"),
    ("06.1", numbers(c=7), "2 pixels apart"),
    ("06.1", numbers(c=15), "strides before a layer"),
    ("06.1", numbers(c=9), "not the kernel"),
    ("06.1", numbers(d=4), "only one zero"),
    ("06.1", numbers(d=6), "lies to the right"),
    ("06.1", numbers(e=4), "fourfold"),
    ("06.1", numbers(e=2), "leaves 128 numbers"),
    ("06.1", numbers(a=12), "a: 12 is off"),
    ("06.2", measured(split="pictures"), "Draw photographers"),
    ("06.2", measured(split="fixed"), "another rng"),
    ("06.2", measured(first="augment"), "test pictures are augmented"),
    ("06.2", measured(asked="augmented"), "test pictures are augmented"),
    ("06.2", measured(learned="all"), "then asked about"),
    ("06.2", measured(learned="plain"), "Augment the training pictures"),
    ("06.2", measured(part=2), "take a fifth"),
    ("06.2", measured(result="count"), "share of right answers"),
    ("06.2", lambda *_: 0.9, "nothing is learned"),
    ("06.2", lambda i, y, p, augment, learn, rng: learn(*augment(i, y)[:2]) and 0.9, "never asked"),
    ("06.3", lambda *given: occlusion(*given, sign=-1), "sign is reversed"),
    ("06.3", lambda *given: occlusion(*given, fresh=False), "fresh copy"),
    ("06.3", lambda *given: occlusion(*given, sign=-1, before=False), "scores of the covered"),
    ("06.3", lambda score, image, size: occlusion(score, image, size) / score(image), "share of the score"),
    ("06.3", lambda score, image, size: np.kron(occlusion(score, image, size), np.ones((size, size))), "each block"),
    ("06.3", lambda *given: occlusion(*given).T, "exchanged"),
    ("06.3", lambda *given: occlusion(*given) + 1, "first drop should be"),
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
