"""Graders for chapter 08, from an LSTM to GPT."""

import numpy as np

from . import Hint, NotAnswered, ask, hint_if_near, near


def bits_from_nats(answer):
    """08.1: answer(nats, tokens, characters) returns bits per character."""
    for nats, tokens, characters in ((2.0, 300, 1000), (3.5, 170_000, 467_000), (1.2, 50, 50)):
        result = ask(answer, nats, tokens, characters)
        right = nats * tokens / np.log(2) / characters
        if near(result, right):
            continue
        mistakes = [
            (nats * tokens / characters, "these are nats per character. A bit is ln 2 nats: divide by ln 2."),
            (nats * tokens * np.log(2) / characters, "divide by ln 2: a bit is smaller than a nat, so it takes more."),
            (nats / np.log(2), "these are bits per token. The bits of all tokens are shared by all characters."),
            (
                nats * characters / tokens / np.log(2),
                "tokens and characters are exchanged: all bits are nats × tokens "
                "/ ln 2; each character has its share of them.",
            ),
            (nats * tokens / np.log(2), "these are the bits of the whole text. Divide by its characters."),
            (np.exp(nats) * tokens / characters, "this starts from the perplexity. The loss in nats is what adds up."),
        ]
        hint_if_near(result, mistakes)
        raise Hint(f"for {nats} nats, {tokens} tokens, {characters} characters it should be {right:.4f}.")


def merge_pair(answer):
    """08.2: answer(ids, a, b, new) returns the list of ids with each pair a, b from the left made new."""
    rng = np.random.default_rng(82)
    hand = [([1, 2, 3, 1, 2], 1, 2, 9), ([4, 5], 4, 5, 6), ([1, 2, 1], 2, 3, 9), ([3, 1, 2], 1, 2, 9)]
    cases = [
        *hand,
        *[(rng.integers(0, 4, 30).tolist(), 1, 2, 9) for _ in range(5)],
        ([7, 7, 7], 7, 7, 8),
        ([7, 7, 7, 7, 1, 7], 7, 7, 8),
        ([3], 1, 2, 9),
        ([], 1, 2, 9),
    ]
    for ids, a, b, new in cases:
        right = _merged(ids, a, b, new)
        result = _numbers(answer, ids, a, b, new)
        if result == right:
            continue
        if result == ids:
            raise Hint(f"nothing was merged in {ids}: the pair ({a}, {b}) becomes {new}.")
        if result == _merged(ids, a, b, new, once=True):
            raise Hint("only the first occurrence was merged. Go on to the end.")
        if result == right[:-1] or result == right + ids[-1:]:
            raise Hint(f"{ids} should become {right}: look at the last token, which has no right neighbour.")
        if result == _merged(ids, a, b, new, unordered=True):
            raise Hint(f"({b}, {a}) is another pair than ({a}, {b}): the order counts.")
        if result == [new if i == a else i for i in ids if i != b] and result != right:
            raise Hint(f"{a} and {b} were replaced where they stand alone, too. Only {a} followed by {b} is merged.")
        if a == b:
            raise Hint(
                f"{ids} with the pair ({a}, {b}) is {right}: after a merge both tokens are used up. "
                "Pairs must not overlap, and the left one comes first."
            )
        raise Hint(f"{ids} with the pair ({a}, {b}) should become {right}, not {result}.")


def causal_weights(answer):
    """08.3: answer(Q (T, d), K (T, d)) returns the causal attention weights (T, T)."""
    rng = np.random.default_rng(83)
    for T, d in ((4, 9), (6, 4), (1, 3)):
        Q, K = rng.normal(size=(2, T, d)) * 2
        result = ask(answer, Q, K, shapes=((T, T),))
        allowed, scores = np.tri(T, dtype=bool), Q @ K.T / np.sqrt(d)
        if near(result, _softmax(np.where(allowed, scores, -np.inf))):
            continue
        raw = Q @ K.T
        with np.errstate(all="ignore"):
            cut = _softmax(scores) * allowed
            mistakes = [
                (_softmax(scores), "the mask is missing: a query may not see later keys."),
                (_softmax(np.where(allowed, raw, -np.inf)), "the scores are not divided by √d."),
                (_softmax(np.where(allowed, raw / d, -np.inf)), "divide by √d, not by d."),
                (_softmax(np.where(allowed, raw / np.sqrt(T), -np.inf)), "√d, the width of a query: this is √T."),
                (
                    cut,
                    "the mask came after the softmax, so the rows no longer add up to 1. Set the forbidden scores "
                    "to -inf before it.",
                ),
                (_softmax(np.where(allowed, scores, 0)), "a forbidden score of 0 still weighs e⁰ = 1. Use -inf."),
                (
                    _softmax(np.where(allowed.T, scores, -np.inf)),
                    "the mask lies the wrong way round: row t may see columns 0 to t.",
                ),
                (_softmax(np.where(allowed, scores.T, -np.inf)), "queries and keys are exchanged: rows are queries."),
                (
                    _softmax(np.where(allowed, scores, -np.inf).T).T,
                    "the softmax runs down the columns. Each row, a query, must add up to 1.",
                ),
            ]
        hint_if_near(result, mistakes)
        if result[0, 0] == 0:
            raise Hint("the first token sees nothing. A token may see itself: keep the diagonal.")
        raise Hint(f"for T = {T}, d = {d} the last row should be {_softmax(scores)[-1].round(3)}.")
    Q = np.full((3, 4), 40.0)
    try:
        ask(answer, Q, Q, shapes=((3, 3),))
    except Hint:
        raise Hint(
            "right, until scores are large: exp overflows. Subtract the largest score of each row first."
        ) from None


def nucleus(answer):
    """08.4: answer(p (V,), top_p) returns the distribution cut to its nucleus."""
    rng = np.random.default_rng(84)
    cases = [(np.array([0.3, 0.22, 0.2, 0.18, 0.1]), 0.5), (np.array([0.05, 0.6, 0.05, 0.3]), 0.5)]
    cases += [(rng.dirichlet(np.full(12, 0.5)), share) for share in (0.3, 0.75, 0.9)]
    for p, top_p in cases:
        order = np.argsort(-p)
        count = np.searchsorted(np.cumsum(p[order]), top_p) + 1
        right = _kept(p, order[:count])
        result = ask(answer, p, top_p, shapes=(p.shape,))
        if near(result, right):
            continue
        mistakes = [
            (p, "nothing was cut: keep only the likeliest."),
            (right * p[order[:count]].sum(), "what is left does not add up to 1: divide by its sum."),
            (np.sort(right)[::-1], "the probabilities left their places: entry i must still be token i."),
            (
                _kept(p, order[: count - 1]),
                "one too few: the token that carries the sum over top_p belongs to it, "
                "or the nucleus holds less than top_p.",
            ),
            (_kept(p, order[: count + 1]), "one too many: stop as soon as the sum has reached top_p."),
            (_kept(p, np.flatnonzero(np.cumsum(p) <= top_p)), "sort first: the likeliest come first, not the first."),
            (
                _kept(p, np.argsort(p)[: np.searchsorted(np.cumsum(np.sort(p)), top_p) + 1]),
                "these are the least likely tokens: sort from the largest down.",
            ),
        ]
        hint_if_near(result, mistakes)
        raise Hint(f"for p = {p.round(3)} and top_p = {top_p} it should be {right.round(3)}, got {result.round(3)}.")
    p = np.array([0.25, 0.5, 0.25])
    if not near(ask(answer, p, 1.0, shapes=((3,),)), p):
        raise Hint("right, but with top_p = 1 everything stays.")


def witten_bell(answer):
    """08.5: answer(pairs (A, A)) returns P(c | h) of order 2 with Witten-Bell smoothing."""
    rng = np.random.default_rng(85)
    hand = np.array([[1.0, 2, 0], [2, 0, 1], [0, 0, 0]])
    for pairs in (hand, rng.poisson(0.8, (6, 6)).astype(float), rng.poisson(0.3, (9, 9)).astype(float)):
        A, counts = len(pairs), pairs.sum(axis=0)
        result = ask(answer, pairs, shapes=((A, A),))
        right = _witten_bell(pairs, counts)
        if near(result, right):
            continue
        N = pairs.sum(axis=1, keepdims=True)
        T = (pairs > 0).sum(axis=1, keepdims=True)
        shorter = _shorter(counts)
        met = N[:, 0] > 0
        plain = counts / counts.sum()
        mistakes = [
            (pairs / np.maximum(N, 1), "these are the plain shares, without smoothing: what was never seen gets 0."),
            (
                (pairs + 1) / (N + A),
                "this adds one to each count (Laplace). Here T(h) is shared out, like the shorter model.",
            ),
            ((pairs + T / A) / np.maximum(N + T, 1), "below order 2 comes order 1, not 1/A at once."),
            ((pairs + T * plain) / np.maximum(N + T, 1), "order 1 must be smoothed too, with 1/A below it."),
            (
                _witten_bell(pairs, pairs.sum(axis=1)),
                "order 1 counts how often c came, as the second of a pair: sum over h.",
            ),
            (
                _witten_bell(pairs.T, pairs.T.sum(axis=0)).T,
                "rows and columns are exchanged: a row is a context, and must add up to 1.",
            ),
            (
                (pairs + N * shorter) / np.maximum(2 * N, 1),
                "T(h) is the number of different characters after h, not of all.",
            ),
        ]
        for wrong, hint in mistakes:
            if near(result[met], wrong[met]):
                raise Hint(hint)
        if near(result[met], right[met]):
            raise Hint("right, but for contexts never met: their row is the shorter model's.")
        if not np.allclose(result.sum(axis=1), 1):
            raise Hint(
                f"the rows add up to {result.sum(axis=1).round(3)}; each should to 1. The divisor is N(h) + T(h)."
            )
        raise Hint(
            f"for pairs = {hand.astype(int).tolist()} it should be "
            f"{_witten_bell(hand, hand.sum(axis=0)).round(4).tolist()}."
        )


def _merged(ids, a, b, new, once=False, unordered=False):
    out, i, done = [], 0, False
    while i < len(ids):
        pair = tuple(ids[i : i + 2])
        hit = (pair == (a, b) or (unordered and pair == (b, a))) and not (once and done)
        out.append(new if hit else ids[i])
        done, i = done or hit, i + 1 + hit
    return out


def _numbers(answer, ids, a, b, new):
    """The answer's list as ints; a hint for anything else."""
    if answer is ... or answer is None:
        raise NotAnswered
    if not callable(answer):
        raise Hint(f"pass the function itself, without calling it; this is a {type(answer).__name__}.")
    given = np.array(ids, dtype=int)
    try:
        result = answer(given, a, b, new)
    except (Exception, SystemExit) as error:
        raise Hint(f"for {ids} with the pair ({a}, {b}) it raised {type(error).__name__}: {error}") from None
    if result is None or result is ...:
        raise NotAnswered
    if given.tolist() != ids:
        raise Hint("it changes the array it was given. Build a new list.")
    if not isinstance(result, (list, tuple, np.ndarray)):
        raise Hint(f"it should return a list of ints; this is a {type(result).__name__}.")
    try:
        numbers = [int(i) for i in result]
        same = all(n == i for n, i in zip(numbers, result, strict=True))
    except (TypeError, ValueError, OverflowError):
        raise Hint("it should return a list of ints; something in it is no number.") from None
    if not same:
        raise Hint("it should return a list of ints; something in it is no whole number.")
    return numbers


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


GRADERS = {
    "08.1": bits_from_nats,
    "08.2": merge_pair,
    "08.3": causal_weights,
    "08.4": nucleus,
    "08.5": witten_bell,
}
