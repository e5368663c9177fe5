"""Graders for chapter 08, from an LSTM to GPT."""

import numpy as np

from .engine import Case, Hint, near, table


@table
def bits_from_nats():
    """08.1: answer(nats, tokens, characters) returns bits per character."""
    for nats, tokens, characters in ((2.0, 300, 1000), (3.5, 170_000, 467_000), (1.2, 50, 50)):
        bits = nats / np.log(2)
        right = bits * tokens / characters
        yield Case(
            (nats, tokens, characters),
            right,
            [
                (right * np.log(2), "these are nats per character. A bit is ln 2 nats: divide by ln 2."),
                (right * np.log(2) ** 2, "divide by ln 2: a bit is smaller than a nat, so it takes more."),
                (bits, "these are bits per token. The bits of all tokens are shared by all characters."),
                (
                    bits * characters / tokens,
                    "tokens and characters are exchanged: all bits are nats × tokens "
                    "/ ln 2; each character has its share of them.",
                ),
                (bits * tokens, "these are the bits of the whole text. Divide by its characters."),
                (
                    np.exp(nats) * tokens / characters,
                    "this starts from the perplexity. The loss in nats is what adds up.",
                ),
            ],
            f"for {nats} nats, {tokens} tokens, {characters} characters it should be {right:.4f}.",
        )


@table
def merge_pair():
    """08.2: answer(ids, a, b, new) returns the list of ids with each pair a, b from the left made new."""
    rng = np.random.default_rng(82)
    hand = [([1, 2, 3, 1, 2], 1, 2, 9), ([4, 5], 4, 5, 6), ([1, 2, 1], 2, 3, 9), ([3, 1, 2], 1, 2, 9)]
    for ids, a, b, new in (
        *hand,
        *[(rng.integers(0, 4, 30).tolist(), 1, 2, 9) for _ in range(5)],
        ([7, 7, 7], 7, 7, 8),
        ([7, 7, 7, 7, 1, 7], 7, 7, 8),
        ([3], 1, 2, 9),
        ([], 1, 2, 9),
    ):
        right = _merged(ids, a, b, new)
        last = f"{ids} should become {right}: look at the last token, which has no right neighbour."
        if a == b:
            otherwise = (
                f"{ids} with the pair ({a}, {b}) is {right}: after a merge both tokens are used up. "
                "Pairs must not overlap, and the left one comes first."
            )
        else:
            otherwise = f"{ids} with the pair ({a}, {b}) should become {right}, not {{got}}."
        yield Case(
            (np.array(ids, dtype=int), a, b, new),
            right,
            [
                (ids, f"nothing was merged in {ids}: the pair ({a}, {b}) becomes {new}."),
                (_merged(ids, a, b, new, once=True), "only the first occurrence was merged. Go on to the end."),
                (right[:-1], last),
                (right + ids[-1:], last),
                (
                    _merged(ids, a, b, new, unordered=True),
                    f"({b}, {a}) is another pair than ({a}, {b}): the order counts.",
                ),
                (
                    [new if i == a else i for i in ids if i != b],
                    f"{a} and {b} were replaced where they stand alone, too. Only {a} followed by {b} is merged.",
                ),
            ],
            otherwise,
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


@table
def nucleus():
    """08.4: answer(p (V,), top_p) returns the distribution cut to its nucleus."""
    rng = np.random.default_rng(84)
    cases = [(np.array([0.3, 0.22, 0.2, 0.18, 0.1]), 0.5), (np.array([0.05, 0.6, 0.05, 0.3]), 0.5)]
    cases += [(rng.dirichlet(np.full(12, 0.5)), share) for share in (0.3, 0.75, 0.9)]
    for p, top_p in cases:
        order = np.argsort(-p)
        count = np.searchsorted(np.cumsum(p[order]), top_p) + 1
        right = _kept(p, order[:count])
        yield Case(
            (p, top_p),
            right,
            [
                (p, "nothing was cut: keep only the likeliest."),
                (right * p[order[:count]].sum(), "what is left does not add up to 1: divide by its sum."),
                (np.sort(right)[::-1], "the probabilities left their places: entry i must still be token i."),
                (
                    _kept(p, order[: count - 1]),
                    "one too few: the token that carries the sum over top_p belongs to it, "
                    "or the nucleus holds less than top_p.",
                ),
                (_kept(p, order[: count + 1]), "one too many: stop as soon as the sum has reached top_p."),
                (
                    _kept(p, np.flatnonzero(np.cumsum(p) <= top_p)),
                    "sort first: the likeliest come first, not the first.",
                ),
                (
                    _kept(p, np.argsort(p)[: np.searchsorted(np.cumsum(np.sort(p)), top_p) + 1]),
                    "these are the least likely tokens: sort from the largest down.",
                ),
            ],
            f"for p = {p.round(3)} and top_p = {top_p} it should be {right.round(3)}, got {{got}}.",
        )
    p = np.array([0.25, 0.5, 0.25])
    yield Case((p, 1.0), p, [], "right, but with top_p = 1 everything stays.")


@table
def witten_bell():
    """08.5: answer(pairs (A, A)) returns P(c | h) of order 2 with Witten-Bell smoothing."""
    rng = np.random.default_rng(85)
    hand = np.array([[1.0, 2, 0], [2, 0, 1], [0, 0, 0]])
    for pairs in (hand, rng.poisson(0.8, (6, 6)).astype(float), rng.poisson(0.3, (9, 9)).astype(float)):
        A, counts = len(pairs), pairs.sum(axis=0)
        N = pairs.sum(axis=1, keepdims=True)
        T = (pairs > 0).sum(axis=1, keepdims=True)
        shorter, plain = _shorter(counts), counts / counts.sum()
        right = _witten_bell(pairs, counts)

        def where_met(wanted, met=N[:, 0] > 0):
            """What is true of a result that is the wanted one in the rows of contexts that were met."""
            return lambda got: near(got[met], wanted[met])

        yield Case(
            (pairs,),
            right,
            [
                (
                    where_met(pairs / np.maximum(N, 1)),
                    "these are the plain shares, without smoothing: what was never seen gets 0.",
                ),
                (
                    where_met((pairs + 1) / (N + A)),
                    "this adds one to each count (Laplace). Here T(h) is shared out, like the shorter model.",
                ),
                (where_met((pairs + T / A) / np.maximum(N + T, 1)), "below order 2 comes order 1, not 1/A at once."),
                (
                    where_met((pairs + T * plain) / np.maximum(N + T, 1)),
                    "order 1 must be smoothed too, with 1/A below it.",
                ),
                (
                    where_met(_witten_bell(pairs, pairs.sum(axis=1))),
                    "order 1 counts how often c came, as the second of a pair: sum over h.",
                ),
                (
                    where_met(_witten_bell(pairs.T, pairs.T.sum(axis=0)).T),
                    "rows and columns are exchanged: a row is a context, and must add up to 1.",
                ),
                (
                    where_met((pairs + N * shorter) / np.maximum(2 * N, 1)),
                    "T(h) is the number of different characters after h, not of all.",
                ),
                (where_met(right), "right, but for contexts never met: their row is the shorter model's."),
                (
                    lambda got: not np.allclose(got.sum(axis=1), 1),
                    lambda got: (
                        f"the rows add up to {got.sum(axis=1).round(3)}; each should to 1. The divisor is N(h) + T(h)."
                    ),
                ),
            ],
            f"for pairs = {hand.astype(int).tolist()} it should be "
            f"{_witten_bell(hand, hand.sum(axis=0)).round(4).tolist()}.",
        )


def _merged(ids, a, b, new, once=False, unordered=False):
    out, i, done = [], 0, False
    while i < len(ids):
        pair = tuple(ids[i : i + 2])
        hit = (pair == (a, b) or (unordered and pair == (b, a))) and not (once and done)
        out.append(new if hit else ids[i])
        done, i = done or hit, i + 1 + hit
    return out


def _kept(p, keep):
    cut = np.zeros(len(p))
    cut[keep] = p[keep]
    return cut / cut.sum() if cut.sum() > 0 else np.full(len(p), np.nan)


def _softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _shorter(counts):
    kinds = np.sum(counts > 0)
    return (counts + kinds / len(counts)) / (counts.sum() + kinds)


def _witten_bell(pairs, counts):
    N, T = pairs.sum(axis=1, keepdims=True), (pairs > 0).sum(axis=1, keepdims=True)
    shorter = _shorter(counts)
    return np.where(N > 0, (pairs + T * shorter) / np.maximum(N + T, 1), shorter)


GRADERS = {"08.1": bits_from_nats, "08.2": merge_pair, "08.3": causal_weights, "08.4": nucleus, "08.5": witten_bell}
