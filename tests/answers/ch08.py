"""Answers to the exercises of chapter 08: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def merged(ids, a, b, new):
    out, i = [], 0
    while i < len(ids):
        pair = i + 1 < len(ids) and ids[i] == a and ids[i + 1] == b
        out.append(new if pair else int(ids[i]))
        i += 2 if pair else 1
    return out


def overlapping(ids, a, b, new):
    out = []
    for i, token in enumerate(ids):
        if i + 1 < len(ids) and token == a and ids[i + 1] == b:
            out.append(new)
        elif not (i and ids[i - 1] == a and token == b):
            out.append(int(token))
    return out


def first_only(ids, a, b, new):
    ids = list(map(int, ids))
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == (a, b):
            return [*ids[:i], new, *ids[i + 2 :]]
    return ids


def either_order(ids, a, b, new):
    out, i = [], 0
    while i < len(ids):
        pair = tuple(map(int, ids[i : i + 2])) in ((a, b), (b, a))
        out.append(new if pair else int(ids[i]))
        i += 2 if pair else 1
    return out


def softmax(S):
    e = np.exp(S - S.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def causal(Q, K, scale=None, mask=None, forbidden=-np.inf, softmax=softmax):
    S = Q @ K.T / (np.sqrt(Q.shape[1]) if scale is None else scale)
    return softmax(np.where(np.tri(len(Q), dtype=bool) if mask is None else mask, S, forbidden))


def unsafe(S):
    with np.errstate(all="ignore"):
        return np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)


def cut(p, keep, renormalized=True):
    q = np.zeros(len(p))
    q[keep] = p[keep]
    return q / q.sum() if renormalized else q


def likeliest(p, top_p, more=1, by=-1, side="left"):
    order = np.argsort(by * p)
    return order[: np.searchsorted(np.cumsum(p[order]), top_p, side) + more]


def witten_bell(pairs, smooth=True, never=True, axis=0):
    A, counts = len(pairs), pairs.sum(axis=axis)
    kinds = np.sum(counts > 0)
    shorter = (counts + kinds / A) / (counts.sum() + kinds) if smooth else counts / counts.sum()
    N, T = pairs.sum(axis=1, keepdims=True), np.sum(pairs > 0, axis=1, keepdims=True)
    return np.where(N > 0, (pairs + T * shorter) / np.maximum(N + T, 1), shorter if never else 1 / A)


def laplace(pairs):
    return (pairs + 1) / (pairs.sum(axis=1, keepdims=True) + len(pairs))


SOLUTIONS = {
    "08.1": lambda nats, tokens, characters: nats / np.log(2) * tokens / characters,
    "08.2": merged,
    "08.3": causal,
    "08.4": lambda p, top_p: cut(p, likeliest(p, top_p)),
    "08.5": witten_bell,
}
MISTAKES = [
    ("08.1", lambda nats, tokens, characters: nats * tokens / characters, "nats per character"),
    ("08.1", lambda nats, tokens, characters: nats / np.log(2), "bits per token"),
    ("08.1", lambda nats, tokens, characters: nats / np.log(2) * characters / tokens, "exchanged"),
    ("08.1", lambda nats, tokens, characters: nats * np.log(2) * tokens / characters, "smaller than a nat"),
    ("08.1", lambda nats, tokens, characters: nats / np.log(2) * tokens, "whole text"),
    ("08.1", lambda nats, tokens, characters: np.exp(nats) * tokens / characters, "perplexity"),
    ("08.1", lambda nats, tokens, characters: 0.0, "it should be"),
    ("08.1", lambda nats, tokens, characters: [0.0, 1.0], "a single number"),
    ("08.1", 3.0, "pass the function itself"),
    ("08.2", overlapping, "must not overlap"),
    ("08.2", first_only, "only the first"),
    ("08.2", either_order, "another pair"),
    ("08.2", lambda ids, a, b, new: [int(i) for i in ids], "nothing was merged"),
    ("08.2", lambda ids, a, b, new: merged(ids, a, b, new)[:-1], "last token"),
    ("08.2", lambda ids, a, b, new: [new if i == a else int(i) for i in ids if i != b], "stand alone"),
    ("08.2", lambda ids, a, b, new: [0.5], "no whole number"),
    ("08.2", lambda ids, a, b, new: ["x"], "no number"),
    ("08.2", lambda ids, a, b, new: [float("nan")], "no number"),
    ("08.2", lambda ids, a, b, new: 7, "list of ints"),
    ("08.2", lambda ids, a, b, new: ids[len(ids)], "IndexError"),
    ("08.2", lambda ids, a, b, new: ids.fill(0) or [1], "changes an array"),
    ("08.3", lambda Q, K: causal(Q, K, mask=True), "mask is missing"),
    ("08.3", lambda Q, K: causal(Q, K, scale=1), "not divided by √d"),
    ("08.3", lambda Q, K: causal(Q, K, scale=Q.shape[1]), "not by d"),
    ("08.3", lambda Q, K: causal(Q, K, scale=np.sqrt(len(Q))), "this is √T"),
    ("08.3", lambda Q, K: causal(Q, K, mask=True) * np.tri(len(Q)), "after the softmax"),
    ("08.3", lambda Q, K: causal(Q, K, forbidden=0), "e⁰ = 1"),
    ("08.3", lambda Q, K: causal(Q, K, mask=np.tri(len(Q), dtype=bool).T), "wrong way round"),
    ("08.3", lambda Q, K: causal(K, Q), "exchanged"),
    ("08.3", lambda Q, K: causal(Q, K, softmax=lambda S: softmax(S.T).T), "down the columns"),
    ("08.3", lambda Q, K: causal(Q, K, mask=np.tri(len(Q), k=-1, dtype=bool), forbidden=-1e9), "last row"),
    ("08.3", lambda Q, K: causal(Q * 40, K, softmax=unsafe) if Q.max() >= 40 else causal(Q, K), "exp overflows"),
    ("08.3", lambda Q, K: Q @ K, "ValueError"),
    ("08.3", lambda Q, K: Q, "shape"),
    ("08.4", lambda p, top_p: cut(p, likeliest(p, top_p), renormalized=False), "does not add up to 1"),
    ("08.4", lambda p, top_p: cut(p, likeliest(p, top_p, more=0)), "one too few"),
    ("08.4", lambda p, top_p: cut(p, likeliest(p, top_p, more=2)), "one too many"),
    ("08.4", lambda p, top_p: np.sort(cut(p, likeliest(p, top_p)))[::-1], "left their places"),
    ("08.4", lambda p, top_p: cut(p, likeliest(p, top_p, by=1)), "least likely"),
    ("08.4", lambda p, top_p: p, "nothing was cut"),
    ("08.4", lambda p, top_p: np.full(len(p), 1 / len(p)), "it should be"),
    ("08.4", lambda p, top_p: p * np.nan, "NaN"),
    ("08.5", lambda pairs: pairs / np.maximum(pairs.sum(axis=1, keepdims=True), 1), "without smoothing"),
    ("08.5", laplace, "Laplace"),
    ("08.5", lambda pairs: witten_bell(pairs, smooth=False), "smoothed too"),
    ("08.5", lambda pairs: witten_bell(pairs, never=False), "never met"),
    ("08.5", lambda pairs: witten_bell(pairs, axis=1), "sum over h"),
    ("08.5", lambda pairs: witten_bell(pairs) * 2, "the rows add up"),
    ("08.5", lambda pairs: np.full(pairs.shape, 1 / len(pairs)), "it should be"),
]
