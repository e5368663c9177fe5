"""Graders for chapter 09, fine-tuning BERT."""

import copy

import numpy as np

from . import Hint, NotAnswered, _kind, ask, near


def word_pieces(answer):
    """09.1: answer(word str, vocabulary set of str) returns the pieces, a list of str: the longest first, greedily."""
    vocabulary = {
        "un",
        "##believ",
        "##believable",
        "##able",
        "film",
        "##s",
        "##m",
        "fil",
        "b",
        "##a",
        "##d",
        "a",
        "u",
        "##n",
        "able",
        "s",
    }
    cases = {
        "film": ["film"],
        "films": ["film", "##s"],
        "unbelievable": ["un", "##believable"],
        "bad": ["b", "##a", "##d"],
        "xyz": ["[UNK]"],
        "filmz": ["[UNK]"],
    }
    for word, right in cases.items():
        result = _call(answer, word, vocabulary)
        if not isinstance(result, (list, tuple)) or not all(isinstance(piece, str) for piece in result):
            raise Hint(f"it should return a list of words; it returned {_kind(result)}.")
        result = list(result)
        if result == right:
            continue
        if right == ["[UNK]"] and result[:-1] and result[-1] == "[UNK]":
            raise Hint(f"{word!r}: when the rest of a word cannot be spelled, the whole word becomes one [UNK].")
        if right == ["[UNK]"]:
            raise Hint(f"{word!r} cannot be spelled with this vocabulary: it should be ['[UNK]'], got {result}.")
        if "".join(result) == word and len(result) > 1:
            raise Hint(f"{word!r}: every piece but the first begins with ## and is looked up with it.")
        if len(result) > len(right) and "".join(p.removeprefix("##") for p in result) == word:
            raise Hint(f"{word!r}: take the longest piece that fits, not the shortest; got {result}.")
        raise Hint(f"{word!r} should be {right}, got {result}.")


def pad(answer):
    """09.2: answer(rows, multiple) returns (ids (n, T), mask (n, T)), T the longest row rounded up to a multiple."""
    for lengths, multiple in (((3, 5, 2), 8), ((8, 4), 8), ((9, 1, 4), 4), ((6,), 1)):
        rows = [list(range(101, 101 + n)) for n in lengths]
        T = -(-max(lengths) // multiple) * multiple
        try:
            ids, mask = ask(answer, rows, multiple, shapes=((len(rows), T), (len(rows), T)))
        except Hint as hint:
            wanted = f"for rows of {lengths} and multiple {multiple} both have shape ({len(rows)}, {T})."
            raise Hint(f"{wanted} " + str(hint) if "shape" in str(hint) else str(hint)) from None
        right_mask = (np.arange(T) < np.array(lengths)[:, None]).astype(float)
        right_ids = np.zeros((len(rows), T))
        right_ids[right_mask == 1] = np.concatenate(rows)
        if near(ids, right_ids) and near(mask, right_mask):
            continue
        if near(mask, 1 - right_mask):
            raise Hint("the mask is the wrong way round: 1 where there is a token, 0 where there is padding.")
        if near(mask, np.ones_like(mask)) and multiple > 1:
            raise Hint("the mask is 1 everywhere, so padding would be read like words.")
        if near(ids[:, ::-1] != 0, right_mask):
            raise Hint("padding goes behind the tokens: [CLS] must stay in column 0.")
        if near(mask, right_mask):
            raise Hint("the mask is right, the ids are not. Padding is 0, tokens keep their order.")
        raise Hint(f"for rows of {lengths} tokens the mask should sum to {lengths} over its rows.")


def masked_mean(answer):
    """09.3: answer(H (n, T, d), mask (n, T)) returns (n, d), the mean over the tokens that the mask keeps."""
    rng = np.random.default_rng(93)
    for n, T, d in ((2, 4, 3), (5, 7, 2)):
        H, lengths = rng.normal(size=(n, T, d)), rng.integers(1, T, n)
        mask = (np.arange(T) < lengths[:, None]).astype(np.int64)
        result = ask(answer, H, mask, shapes=((n, d),))
        sums = (H * mask[:, :, None]).sum(axis=1)
        if near(result, sums / lengths[:, None]):
            continue
        if near(result, H.mean(axis=1)):
            raise Hint("padding is averaged too: multiply by the mask, and divide by the number of tokens it keeps.")
        if near(result, sums / T):
            raise Hint("the sum is right, but divide by each sentence's own number of tokens, not by T.")
        if near(result, sums):
            raise Hint("this is the sum over the tokens. Divide by how many there are.")
        if near(result, H[:, 0]):
            raise Hint("this is the vector of the first token. Asked is the mean over all that the mask keeps.")
        raise Hint(f"for H of shape ({n}, {T}, {d}) the first entry should be {sums[0, 0] / lengths[0]:.4f}.")


def warm_up(answer):
    """09.4: answer(step, steps, warm, peak): rises by peak / warm a step to peak, then falls evenly to 0 at steps."""
    for steps, warm, peak in ((100, 10, 2e-4), (60, 20, 1.0)):
        for step in (0, warm // 2, warm, (warm + steps) // 2, steps):
            result = float(ask(answer, step, steps, warm, peak))
            right = peak * min(step / warm, (steps - step) / (steps - warm))
            if np.isclose(result, right, rtol=1e-6, atol=1e-12):
                continue
            at = f"step {step} of {steps}, {warm} of them warm-up, peak {peak:g}"
            if np.isclose(result, peak) and step < warm:
                raise Hint(f"{at}: there is no warm-up. It should be {right:g}.")
            if np.isclose(result, peak):
                raise Hint(f"{at}: after the warm-up the rate should fall; it should be {right:g}.")
            if step > warm and np.isclose(result, peak * (1 - step / steps)):
                raise Hint(f"{at}: the fall begins at the end of the warm-up, at the peak: divide by steps - warm.")
            if np.isclose(result * peak, right) or (peak != 1 and np.isclose(result, right / peak)):
                raise Hint("the factor between 0 and 1 is right; multiply it by the peak.")
            if result < 0 or result > peak * (1 + 1e-9):
                raise Hint(f"{at}: {result:g} lies outside 0 to {peak:g}. Take the smaller of the two lines.")
            raise Hint(f"{at}: it should be {right:g}, got {result:g}.")


def similar_batches(answer):
    """09.5: answer(lengths (n,), size, rng) returns index arrays: each row once, like lengths together, shuffled."""
    rng = np.random.default_rng(95)
    for n, size in ((203, 16), (64, 8)):
        lengths = rng.integers(4, 60, n)
        first, second = (_call(answer, lengths, size, np.random.default_rng(seed)) for seed in (1, 2))
        try:
            groups = [np.asarray(group, dtype=np.int64).ravel() for group in first]
            others = [np.asarray(group, dtype=np.int64).ravel() for group in second]
        except (TypeError, ValueError):
            raise Hint(f"it should return a list of arrays of row numbers; it returned {_kind(first)}.") from None
        rows = np.concatenate([np.zeros(0, np.int64), *groups])
        if len(rows) < n and len(rows) == n // size * size:
            raise Hint(f"the last {n - len(rows)} rows are dropped. The last batch may be smaller.")
        if not np.array_equal(np.sort(rows), np.arange(n)):
            raise Hint(f"each of the {n} rows should be in one batch; {len(np.unique(rows))} different ones are.")
        if max(map(len, groups)) > size:
            raise Hint(f"a batch has {max(map(len, groups))} rows; {size} is the most.")
        if len(groups) > -(-n // size) + 2:
            raise Hint(f"{len(groups)} batches for {n} rows of {size}: fill them up.")
        longest = np.array([lengths[group].max() for group in groups])
        waste = np.dot(longest, [len(group) for group in groups]) / lengths.sum()
        if waste > 1.25:
            raise Hint(
                f"padded, the batches have {waste:.2f} times the tokens of the sentences; 1.25 is allowed. "
                "Sort by length before you cut."
            )
        steps = np.diff(longest)
        if len(groups) > 4 and ((steps >= 0).all() or (steps <= 0).all()):
            raise Hint(
                "the batches come in order of length: the network would see all short sentences first. "
                "Shuffle the batches."
            )
        if {tuple(sorted(group)) for group in groups} == {tuple(sorted(group)) for group in others}:
            raise Hint(
                "the same sentences are together in every epoch. Add some noise to the lengths, or shuffle "
                "before a stable sort, so that companions change."
            )


def _call(answer, *args):
    """What an answer returns for copies of the arguments, of whatever kind."""
    if answer is ... or answer is None:
        raise NotAnswered
    if not callable(answer):
        raise Hint(f"pass the function itself, without calling it; this is {_kind(answer)}.")
    try:
        result = answer(*copy.deepcopy(args))
    except (Exception, SystemExit) as error:
        raise Hint(f"it raised {type(error).__name__}: {error}") from None
    if result is None or result is ...:
        raise NotAnswered
    return result


GRADERS = {
    "09.1": word_pieces,
    "09.2": pad,
    "09.3": masked_mean,
    "09.4": warm_up,
    "09.5": similar_batches,
}
