"""Answers to the exercises of chapter 09: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def pieces(word, vocabulary, longest=True, marked=True, whole=True):
    """WordPiece, with a part to get wrong."""
    found, start = [], 0
    while start < len(word):
        ends = range(len(word), start, -1) if longest else range(start + 1, len(word) + 1)
        for end in ends:
            piece = ("##" if start and marked else "") + word[start:end]
            if piece in vocabulary:
                found.append(piece)
                start = end
                break
        else:
            return ["[UNK]"] if whole else [*found, "[UNK]"]
    return found


def pad(rows, multiple, front=False):
    T = -(-max(map(len, rows)) // multiple) * multiple
    ids, mask = np.zeros((len(rows), T), int), np.zeros((len(rows), T), int)
    for i, row in enumerate(rows):
        here = slice(T - len(row), T) if front else slice(0, len(row))
        ids[i, here], mask[i, here] = row, 1
    return ids, mask


PREDICTED = (np.log(8000), 96, 6144, 1.5e-4, 11, 0)


def but(**changed):
    """The right predictions, with some of them changed: but(a=1.0)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcdef", PREDICTED, strict=True))


def margins(margin_of, row, i, j, mask):
    """The four margins: nothing hidden, i, j, both."""
    hide = lambda *places: margin_of(np.where(np.isin(np.arange(len(row)), places), mask, row))  # noqa: E731
    return hide(), hide(i), hide(j), hide(i, j)


def together(*args, weights=(1, -1, -1, 1)):
    return float(np.dot(weights, margins(*args)))


def batches(lengths, size, rng, sort=True, noise=4, shuffle=True):
    order = np.argsort(lengths + rng.uniform(0, noise, len(lengths))) if sort else rng.permutation(len(lengths))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    return [groups[i] for i in rng.permutation(len(groups))] if shuffle else groups


SOLUTIONS = {"09.1": pieces, "09.2": pad, "09.3": but(), "09.4": together, "09.5": batches}

MISTAKES = [
    ("09.1", lambda w, v: pieces(w, v, longest=False), "longest piece that fits"),
    ("09.1", lambda w, v: pieces(w, v | {x.removeprefix("##") for x in v}, marked=False), "begins with ##"),
    ("09.1", lambda w, v: pieces(w, v, whole=False), "the whole word becomes one [UNK]"),
    ("09.1", lambda w, v: [p for p in pieces(w, v) if p != "[UNK]"], "cannot be spelled"),
    ("09.1", lambda w, v: w, "a list of words"),
    ("09.2", lambda rows, m: (pad(rows, m)[0], 1 - pad(rows, m)[1]), "the wrong way round"),
    ("09.2", lambda rows, m: (pad(rows, m)[0], np.ones_like(pad(rows, m)[0])), "1 everywhere"),
    ("09.2", lambda rows, m: pad(rows, m, front=True), "behind the tokens"),
    ("09.2", lambda rows, m: pad(rows, 1), "both have shape (3, 8)"),
    ("09.3", but(a=np.log2(8000)), "natural logarithm"),
    ("09.3", but(b=120), "chosen places"),
    ("09.3", but(b=640), "all tokens"),
    ("09.3", but(c=147456), "the whole matrix"),
    ("09.3", but(c=3072), "one of the two"),
    ("09.3", but(c=12288), "rank is 8"),
    ("09.3", but(d=3e-4), "the peak"),
    ("09.3", but(d=1.35e-4), "the tenth"),
    ("09.3", but(e=1100), "number of sentences"),
    ("09.3", but(e=1), "whatever their number"),
    ("09.3", but(f=1), "product AB is 0"),
    ("09.3", but(e=12), "e: 12 is off"),
    ("09.3", lambda: 9.0, "6 values"),
    ("09.4", lambda *a: together(*a, weights=(-1, 1, 1, -1)), "sign is reversed"),
    ("09.4", lambda *a: together(*a, weights=(1, 0, 0, -1)), "Subtract what each adds alone"),
    ("09.4", lambda *a: together(*a, weights=(1, -1, 0, 0)), "effect of one word"),
    ("09.4", lambda *a: together(*a, weights=(1, 0, -1, 0)), "effect of one word"),
    ("09.4", lambda *a: together(*a) + 1, "it should be"),
    ("09.4", lambda f, row, i, j, mask: f(row[:-1]), "ValueError"),
    ("09.5", lambda *a: batches(*a, sort=False), "Sort by length"),
    ("09.5", lambda *a: batches(*a, shuffle=False), "in order of length"),
    ("09.5", lambda *a: batches(*a, noise=0), "in every epoch"),
    ("09.5", lambda n, size, rng: batches(n[: len(n) // size * size], size, rng), "are dropped"),
    ("09.5", lambda n, size, rng: batches(n, 2 * size, rng), "is the most"),
    ("09.5", lambda n, size, rng: batches(n[:40], size, rng), "should be in one batch"),
]
