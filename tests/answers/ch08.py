"""Answers to the exercises of chapter 08: solutions, and mistakes with words of the hint that each must get."""

from itertools import pairwise

import numpy as np

PREDICTED = (np.log(4096), 32, 1.5, 70, 1 / 6, 1725)


def but(**changed):
    """The right predictions, with some of them changed: but(a=1.0)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcdef", PREDICTED, strict=True))


def merged(ids, a, b, new, once=False):
    out, i, done = [], 0, False
    while i < len(ids):
        hit = ids[i : i + 2] == [a, b] and not (once and done)
        out.append(new if hit else ids[i])
        done, i = done or hit, i + 1 + hit
    return out


def encode(ids, merges, choose=min, rounds=100, once=False):
    ids, rank = [int(i) for i in ids], {(a, b): i for i, (a, b, _) in enumerate(merges)}
    for _ in range(rounds):
        there = [rank[pair] for pair in pairwise(ids) if pair in rank]
        if not there:
            break
        ids = merged(ids, *merges[choose(there)], once=once)
    return ids


def first_in_text(ids, merges):
    table, ids, i = {(a, b): new for a, b, new in merges}, [int(i) for i in ids], 0
    while i < len(ids) - 1:
        pair = (ids[i], ids[i + 1])
        if pair in table:
            ids[i : i + 2], i = [table[pair]], max(i - 1, 0)
        else:
            i += 1
    return ids


def softmax(S):
    e = np.exp(S - S.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def causal(Q, K, scale=None, mask=None, forbidden=-np.inf, softmax=softmax):
    S = Q @ K.T / (np.sqrt(Q.shape[1]) if scale is None else scale)
    return softmax(np.where(np.tri(len(Q), dtype=bool) if mask is None else mask, S, forbidden))


def unsafe(S):
    with np.errstate(all="ignore"):
        return np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)


def ablation(nats_of, windows, ks, cut=lambda ids, k: ids[-k - 1 :], mean=np.mean):
    whole = mean([nats_of(ids) for ids in windows])
    return np.array([mean([nats_of(cut(ids, k)) for ids in windows]) for k in ks]) - whole


def cell(marker_i=40.0, marker_f=-40.0, i=-20.0, f=20.0, g=1.0):
    """Weights of an LSTM with one cell, right but for what is changed."""
    return np.array([[0, 0, g, 0], [marker_i, marker_f, 0, 0]]), np.zeros((1, 4)), np.array([i, f, 0, 0])


SOLUTIONS = {
    "08.1": but(),
    "08.2": encode,
    "08.3": causal,
    "08.4": ablation,
    "08.5": cell,
}
MISTAKES = [
    ("08.1", but(a=12), "these are bits"),
    ("08.1", but(b=148.413), "base is 2"),
    ("08.1", but(c=2), "this is model A"),
    ("08.1", but(c=4), "bits a token"),
    ("08.1", but(d=30), "must stay"),
    ("08.1", but(d=69), "own position"),
    ("08.1", but(d=100), "cannot see it"),
    ("08.1", but(e=0.2), "counted from 0"),
    ("08.1", but(f=59), "with a cache"),
    ("08.1", but(f=60), "with a cache"),
    ("08.1", but(f=1775), "begins at 10"),
    ("08.1", but(f=3000), "so far"),
    ("08.1", but(e=0.5), "e: 0.5 is off"),
    ("08.1", lambda: 8.3, "6 values"),
    ("08.2", lambda ids, merges: encode(ids, merges, choose=max), "starts with the last"),
    ("08.2", lambda ids, merges: encode(ids, merges[:1]), "only the first merge"),
    ("08.2", lambda ids, merges: encode(ids, merges, rounds=1, once=True), "only the first"),
    ("08.2", first_in_text, "learned first"),
    ("08.2", lambda ids, merges: [int(i) for i in ids], "nothing was merged"),
    ("08.2", lambda ids, merges: encode(ids, merges, rounds=1), "should become|only the first merge"),
    ("08.2", lambda ids, merges: [0.5], "no whole number"),
    ("08.2", lambda ids, merges: 7, "list of ints"),
    ("08.2", lambda ids, merges: ids.fill(0) or [1], "changes an array"),
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
    ("08.4", lambda *args: -ablation(*args), "sign is reversed"),
    ("08.4", lambda f, w, ks: ablation(f, w, ks) + np.mean([f(ids) for ids in w]), "these are the losses"),
    ("08.4", lambda f, w, ks: ablation(f, w, ks, cut=lambda ids, k: ids[-max(k, 2) :]), "k + 1 ids"),
    ("08.4", lambda f, w, ks: ablation(f, w, ks, cut=lambda ids, k: ids[: k + 1]), "first tokens"),
    ("08.4", lambda f, w, ks: ablation(f, w, ks, mean=np.sum), "not the sum"),
    ("08.4", lambda f, w, ks: np.zeros(len(ks)), "it should be"),
    ("08.4", lambda f, w, ks: ablation(f, w, ks, cut=lambda ids, k: ids[-k:]), "ValueError|k + 1 ids"),
    ("08.5", lambda: cell(marker_i=0.0), "should be nearly 1"),
    ("08.5", lambda: cell(i=-3.0), "should be nearly 0"),
    ("08.5", lambda: cell(f=3.0), "keep the cell"),
    ("08.5", lambda: cell(marker_f=0.0), "sum of both"),
    ("08.5", lambda: cell(g=2.0), "Look at g"),
    ("08.5", lambda: cell()[:2], "3 values"),
]
