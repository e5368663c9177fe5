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


def mean(H, mask):
    return (H * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def rate(step, steps, warm, peak):
    return peak * min(step / warm, (steps - step) / (steps - warm))


def batches(lengths, size, rng, sort=True, noise=4, shuffle=True):
    order = np.argsort(lengths + rng.uniform(0, noise, len(lengths))) if sort else rng.permutation(len(lengths))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    return [groups[i] for i in rng.permutation(len(groups))] if shuffle else groups


SOLUTIONS = {"09.1": pieces, "09.2": pad, "09.3": mean, "09.4": rate, "09.5": batches}

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
    ("09.3", lambda H, mask: H.mean(axis=1), "padding is averaged too"),
    ("09.3", lambda H, mask: (H * mask[:, :, None]).mean(axis=1), "own number of tokens"),
    ("09.3", lambda H, mask: (H * mask[:, :, None]).sum(axis=1), "this is the sum"),
    ("09.3", lambda H, mask: H[:, 0], "the first token"),
    ("09.4", lambda s, steps, warm, peak: min(peak, peak * (steps - s) / (steps - warm)), "no warm-up"),
    ("09.4", lambda s, steps, warm, peak: peak * min(1, s / warm), "should fall"),
    ("09.4", lambda s, steps, warm, peak: peak * (s / warm if s <= warm else 1 - s / steps), "divide by steps - warm"),
    ("09.4", lambda *a: rate(*a) / a[-1], "multiply it by the peak"),
    ("09.4", lambda s, steps, warm, peak: peak * s / warm, "outside 0 to"),
    ("09.5", lambda *a: batches(*a, sort=False), "Sort by length"),
    ("09.5", lambda *a: batches(*a, shuffle=False), "in order of length"),
    ("09.5", lambda *a: batches(*a, noise=0), "in every epoch"),
    ("09.5", lambda n, size, rng: batches(n[: len(n) // size * size], size, rng), "are dropped"),
    ("09.5", lambda n, size, rng: batches(n, 2 * size, rng), "is the most"),
    ("09.5", lambda n, size, rng: batches(n[:40], size, rng), "should be in one batch"),
]
