"""Graders for chapter 08, from an LSTM to GPT."""

from itertools import pairwise

import numpy as np

from .engine import Case, Hint, ask, first_off, near, table


@table
def predictions():
    """08.1: answer() returns six numbers that can be predicted before anything is run."""
    right = (np.log(4096), 32.0, 1.5, 70.0, 1 / 6, 1725.0)
    yield Case(
        (),
        right,
        [
            ((np.log2(4096), ..., ..., ..., ..., ...), "a: these are bits. In nats it is the natural logarithm."),
            ((..., np.exp(5), ..., ..., ..., ...), "b: the loss is given in bits, so the base is 2."),
            (
                (..., ..., 2.0, ..., ..., ...),
                "c: this is model A. B needs more bits a token, but its tokens are longer.",
            ),
            ((..., ..., 4.0, ..., ..., ...), "c: these are bits a token. Divide by the characters of a token."),
            ((..., ..., ..., 30.0, ..., ...), "d: these are the positions before the change, which must stay."),
            ((..., ..., ..., 69.0, ..., ...), "d: the token's own position sees it, too."),
            ((..., ..., ..., 100.0, ..., ...), "d: under the causal mask earlier positions cannot see it."),
            ((..., ..., ..., ..., 1 / 5, ...), "e: counted from 0, position 5 sees itself and five before it."),
            (
                (..., ..., ..., ..., ..., 59.0),
                "f: this is the count with a cache, where each position is computed once.",
            ),
            (
                (..., ..., ..., ..., ..., 60.0),
                "f: this is the count with a cache, where each position is computed once.",
            ),
            (
                (..., ..., ..., ..., ..., 1775.0),
                "f: the first new token is computed from the 10 of the prompt, so the sum begins at 10 and ends at 59.",
            ),
            (
                (..., ..., ..., ..., ..., 3000.0),
                "f: it passes over all tokens *so far*, 10 at first, not 60 each time.",
            ),
        ],
        first_off(right, "Write the question down as a formula.", ".3g", rtol=0, atol=0.006),
        rtol=0,
        atol=0.006,
    )


@table
def encode():
    """08.2: answer(ids, merges) returns the ids after all merges, the one learned first first."""
    rng = np.random.default_rng(82)
    first_wins = [(2, 3, 9), (1, 2, 8)]
    chain = [(1, 2, 7), (7, 3, 8), (8, 8, 9)]
    cases = [([1, 2, 3, 1, 2], first_wins), ([1, 2, 3, 1, 2, 3, 1], chain), ([5, 5, 5], [(5, 5, 6)])]
    cases += [(rng.integers(1, 4, 25).tolist(), chain), (rng.integers(1, 4, 25).tolist(), first_wins)]
    cases += [([4], chain), ([], chain), ([3, 2, 1], []), ([3, 1, 1, 1, 3], [(1, 1, 7), (1, 3, 8), (3, 1, 9)])]
    for ids, merges in cases:
        right = _encoded(ids, merges)
        yield Case(
            (np.array(ids, dtype=int), merges),
            right,
            [
                (ids, f"nothing was merged in {ids}; the merges are {merges}."),
                (
                    _encoded(ids, merges[::-1]),
                    "the pair that was learned first is merged first. This starts with the last.",
                ),
                (_encoded(ids, merges[:1]), "only the first merge was used. Go on until no pair of the list is left."),
                (_merged(ids, *merges[0], once=True) if merges else None, "only the first occurrence was merged."),
                (
                    _greedy(ids, merges),
                    "this merges whatever comes first in the *text*. What counts is which pair was learned first: "
                    "merge it everywhere, then look again.",
                ),
            ],
            f"{ids} with the merges {merges} should become {right}, not {{got}}.",
        )


@table
def causal_weights():
    """08.3: answer(Q (T, d), K (T, d)) returns the causal attention weights (T, T)."""
    rng = np.random.default_rng(83)
    for T, d in ((4, 9), (6, 4), (1, 3)):
        Q, K = rng.normal(size=(2, T, d)) * 2
        allowed, raw = np.tri(T, dtype=bool), Q @ K.T
        scores = raw / np.sqrt(d)

        def masked(scores, allowed=allowed, forbidden=-np.inf):
            return _softmax(np.where(allowed, scores, forbidden))

        yield Case(
            (Q, K),
            masked(scores),
            [
                (_softmax(scores), "the mask is missing: a query may not see later keys."),
                (masked(raw), "the scores are not divided by √d."),
                (masked(raw / d), "divide by √d, not by d."),
                (masked(raw / np.sqrt(T)), "√d, the width of a query: this is √T."),
                (
                    _softmax(scores) * allowed,
                    "the mask came after the softmax, so the rows no longer add up to 1. Set the forbidden scores "
                    "to -inf before it.",
                ),
                (masked(scores, forbidden=0), "a forbidden score of 0 still weighs e⁰ = 1. Use -inf."),
                (masked(scores, allowed.T), "the mask lies the wrong way round: row t may see columns 0 to t."),
                (masked(scores.T), "queries and keys are exchanged: rows are queries."),
                (
                    masked(scores.T, allowed.T).T,
                    "the softmax runs down the columns. Each row, a query, must add up to 1.",
                ),
                (
                    lambda got: got[0, 0] == 0,
                    "the first token sees nothing. A token may see itself: keep the diagonal.",
                ),
            ],
            f"for T = {T}, d = {d} the last row should be {_softmax(scores)[-1].round(3)}.",
        )
    Q = np.full((3, 4), 40.0)
    overflow = "right, until scores are large: exp overflows. Subtract the largest score of each row first."
    yield Case((Q, Q), _softmax(np.where(np.tri(3), 0, -np.inf)), [(Hint, overflow)], overflow)


# A function, no table: the answer calls a function that it is given.
def context_ablation(answer):
    """08.4: answer(nats_of, windows, ks) returns the rise of the loss for each k, (len(ks),)."""
    rng = np.random.default_rng(84)
    for length, ks in ((12, (1, 4, 8)), (20, (2, 3, 19))):
        windows = rng.integers(0, 50, (7, length))

        def nats_of(ids):
            ids = np.asarray(ids)
            if ids.ndim != 1 or len(ids) < 2:
                raise ValueError("nats_of takes a row of at least two ids: some context and the token to predict")
            return float(2 + ids[-1] / 50 + 3 / len(ids) + ids[:-1].mean() / 100)

        got = ask(answer, nats_of, windows, ks, like=np.zeros(len(ks)))
        whole = np.mean([nats_of(ids) for ids in windows])

        def loss(cut, windows=windows, ks=ks):
            return np.array([np.mean([nats_of(cut(ids, k)) for ids in windows]) for k in ks])

        right = loss(lambda ids, k: ids[-k - 1 :]) - whole
        if near(got, right, atol=1e-9):
            continue
        if near(got, -right):
            raise Hint("the sign is reversed: a loss that rises without the early tokens gives a positive number.")
        if near(got, right + whole):
            raise Hint("these are the losses. Subtract that with the whole windows.")
        if near(got, loss(lambda ids, k: ids[-max(k, 2) :]) - whole):
            raise Hint("k tokens of context and the token to predict are k + 1 ids.")
        if near(got, loss(lambda ids, k: ids[: k + 1]) - whole):
            raise Hint("this keeps the first tokens of each window. What is predicted is its last token.")
        if near(got, right * len(windows)):
            raise Hint("take the mean over the windows, not the sum.")
        raise Hint(f"for k = {ks[0]} it should be {right[0]:.4f}; it is {got[0]:.4f}.")


# A function, no table: there are many right answers, and the grader runs them.
def memory(answer):
    """08.5: answer() returns W (2, 4), U (1, 4), b (4,) of an LSTM with one cell that stores a marked value."""
    W, U, b = ask(answer, like=(np.zeros((2, 4)), np.zeros((1, 4)), np.zeros(4)))
    rng = np.random.default_rng(85)
    for markers in ([3], [0], [5, 30], [10, 11], []):
        values, marked = rng.uniform(-1, 1, 60), np.isin(np.arange(60), markers)
        values[markers] = np.sign(values[markers]) * (0.3 + 0.7 * np.abs(values[markers]))
        cells, gates = _cells(np.c_[values, marked], W, U, b)
        wanted = np.tanh(values[markers[-1]]) if markers else 0.0
        if abs(cells[-1] - wanted) <= 0.03:
            continue
        i, f = gates[:, 0], gates[:, 1]
        if marked.any() and i[marked].min() < 0.9:
            raise Hint(f"where the marker is 1, the input gate i should be nearly 1; it is {i[marked].min():.2f}.")
        if i[~marked].max() > 0.002:
            raise Hint(
                f"where the marker is 0, the input gate i should be nearly 0; it is up to {i[~marked].max():.3f}, and "
                "60 steps add up."
            )
        if f[~marked].min() < 0.998:
            raise Hint(
                f"where the marker is 0, the forget gate f should keep the cell; it is down to {f[~marked].min():.3f}, "
                f"and {f[~marked].min():.3f} to the power of 60 is {f[~marked].min() ** 60:.2f}."
            )
        if len(markers) > 1 and f[marked].max() > 0.1:
            raise Hint(
                "with two markers the cell holds the sum of both values. Where the marker is 1, f should be nearly 0."
            )
        raise Hint(f"with markers at {markers} the cell should end at {wanted:.3f}; it is {cells[-1]:.3f}. Look at g.")


def _cells(x, W, U, b):
    """Cells (T,) and gates i and f (T, 2) of an LSTM with one cell."""
    h = c = np.zeros(1)
    cells, gates = [], []
    for row in x:
        i, f, g, o = np.split(np.clip(row @ W + h @ U + b, -500, 500), 4)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        cells.append(c[0])
        gates.append((i[0], f[0]))
    return np.array(cells), np.array(gates)


def _merged(ids, a, b, new, once=False):
    out, i, done = [], 0, False
    while i < len(ids):
        hit = tuple(ids[i : i + 2]) == (a, b) and not (once and done)
        out.append(new if hit else ids[i])
        done, i = done or hit, i + 1 + hit
    return out


def _encoded(ids, merges):
    """The ids after all merges, the one of lowest rank first, until none is left."""
    while True:
        there = [merge for merge in merges if merge[:2] in list(pairwise(ids))]
        if not there:
            return list(ids)
        ids = _merged(ids, *there[0])


def _greedy(ids, merges):
    """The ids after merges in the order of the text."""
    table, ids, i = {(a, b): new for a, b, new in merges}, list(ids), 0
    while i < len(ids) - 1:
        pair = tuple(ids[i : i + 2])
        if pair in table:
            ids[i : i + 2], i = [table[pair]], max(i - 1, 0)
        else:
            i += 1
    return ids


def _softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


GRADERS = {
    "08.1": predictions,
    "08.2": encode,
    "08.3": causal_weights,
    "08.4": context_ablation,
    "08.5": memory,
}
