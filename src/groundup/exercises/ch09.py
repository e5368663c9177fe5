"""Graders for chapter 09, fine-tuning BERT."""

import numpy as np

from .engine import Case, Hint, WrongShape, call, kind, numbers, table


@table
def word_pieces():
    """09.1: answer(word str, vocabulary set of str) returns the pieces, a list of str: the longest first, greedily."""
    vocabulary = set("un ##believ ##believable ##able film ##s ##m fil b ##a ##d a u ##n able s".split())
    for word, right in {
        "film": ["film"],
        "films": ["film", "##s"],
        "unbelievable": ["un", "##believable"],
        "bad": ["b", "##a", "##d"],
        "xyz": ["[UNK]"],
        "filmz": ["[UNK]"],
    }.items():
        if right == ["[UNK]"]:
            wrong = [
                (
                    lambda got: len(got) > 1 and got[-1] == "[UNK]",
                    f"{word!r}: when the rest of a word cannot be spelled, the whole word becomes one [UNK].",
                )
            ]
            otherwise = f"{word!r} cannot be spelled with this vocabulary: it should be ['[UNK]'], got {{got}}."
        else:
            wrong = [
                (
                    lambda got, word=word: "".join(got) == word and len(got) > 1,
                    f"{word!r}: every piece but the first begins with ## and is looked up with it.",
                ),
                (
                    lambda got, word=word, right=right: (
                        len(got) > len(right) and "".join(piece.removeprefix("##") for piece in got) == word
                    ),
                    f"{word!r}: take the longest piece that fits, not the shortest; got {{got}}.",
                ),
            ]
            otherwise = f"{word!r} should be {right}, got {{got}}."
        yield Case((word, vocabulary), right, wrong, otherwise)


@table
def pad():
    """09.2: answer(rows, multiple) returns (ids (n, T), mask (n, T)), T the longest row rounded up to a multiple."""
    for lengths, multiple in (((3, 5, 2), 8), ((8, 4), 8), ((9, 1, 4), 4), ((6,), 1)):
        rows = [list(range(101, 101 + n)) for n in lengths]
        T = -(-max(lengths) // multiple) * multiple
        mask = np.arange(T) < np.array(lengths)[:, None]
        ids = np.zeros(mask.shape)
        ids[mask] = np.concatenate(rows)
        wrong = [
            (WrongShape, f"for rows of {lengths} and multiple {multiple} both have shape ({len(rows)}, {T}). {{got}}"),
            ((..., ~mask), "the mask is the wrong way round: 1 where there is a token, 0 where there is padding."),
        ]
        if multiple > 1:
            wrong.append(((..., np.ones_like(mask)), "the mask is 1 everywhere, so padding would be read like words."))
        wrong += [
            (
                lambda got, mask=mask: np.array_equal(got[0][:, ::-1] != 0, mask),
                "padding goes behind the tokens: [CLS] must stay in column 0.",
            ),
            ((..., mask), "the mask is right, the ids are not. Padding is 0, tokens keep their order."),
        ]
        yield Case(
            (rows, multiple),
            (ids, mask),
            wrong,
            f"for rows of {lengths} tokens the mask should sum to {lengths} over its rows.",
        )


@table
def masked_mean():
    """09.3: answer(H (n, T, d), mask (n, T)) returns (n, d), the mean over the tokens that the mask keeps."""
    rng = np.random.default_rng(93)
    for n, T, d in ((2, 4, 3), (5, 7, 2)):
        H, lengths = rng.normal(size=(n, T, d)), rng.integers(1, T, n)
        mask = (np.arange(T) < lengths[:, None]).astype(np.int64)
        sums = (H * mask[:, :, None]).sum(axis=1)
        yield Case(
            (H, mask),
            sums / lengths[:, None],
            [
                (
                    H.mean(axis=1),
                    "padding is averaged too: multiply by the mask, and divide by the number of tokens it keeps.",
                ),
                (sums / T, "the sum is right, but divide by each sentence's own number of tokens, not by T."),
                (sums, "this is the sum over the tokens. Divide by how many there are."),
                (H[:, 0], "this is the vector of the first token. Asked is the mean over all that the mask keeps."),
            ],
            f"for H of shape ({n}, {T}, {d}) the first entry should be {sums[0, 0] / lengths[0]:.4f}.",
        )


@table
def warm_up():
    """09.4: answer(step, steps, warm, peak): rises by peak / warm a step to peak, then falls evenly to 0 at steps."""
    for steps, warm, peak in ((100, 10, 2e-4), (60, 20, 1.0)):
        for step in (0, warm // 2, warm, (warm + steps) // 2, steps):
            right = peak * min(step / warm, (steps - step) / (steps - warm))
            at = f"step {step} of {steps}, {warm} of them warm-up, peak {peak:g}"
            wrong = []
            if step < warm:
                wrong.append((peak, f"{at}: there is no warm-up. It should be {right:g}."))
            if step > warm:
                wrong += [
                    (peak, f"{at}: after the warm-up the rate should fall; it should be {right:g}."),
                    (
                        peak * (1 - step / steps),
                        f"{at}: the fall begins at the end of the warm-up, at the peak: divide by steps - warm.",
                    ),
                ]
            if peak != 1:
                wrong.append((right / peak, "the factor between 0 and 1 is right; multiply it by the peak."))
            wrong.append(
                (
                    lambda got, peak=peak: got < 0 or got > peak * (1 + 1e-9),
                    f"{at}: {{got:g}} lies outside 0 to {peak:g}. Take the smaller of the two lines.",
                )
            )
            yield Case(
                (step, steps, warm, peak), right, wrong, f"{at}: it should be {right:g}, got {{got:g}}.", atol=1e-12
            )


# A function, no table: the batches are random.
def similar_batches(answer):
    """09.5: answer(lengths (n,), size, rng) returns index arrays: each row once, like lengths together, shuffled."""
    rng = np.random.default_rng(95)
    for n, size in ((203, 16), (64, 8)):
        lengths = rng.integers(4, 60, n)
        first, second = (call(answer, lengths, size, np.random.default_rng(seed)) for seed in (1, 2))
        groups, others = _groups(first), _groups(second)
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


def _groups(result):
    """A list of arrays of whole numbers from an answer to 09.5."""
    try:
        groups = [numbers(group).ravel() for group in result]
    except (TypeError, Hint):
        raise Hint(f"it should return a list of arrays of row numbers; it returned {kind(result)}.") from None
    if any(np.any(group != np.round(group)) for group in groups):
        raise Hint("row numbers are whole numbers.")
    return [group.astype(np.int64) for group in groups]


GRADERS = {"09.1": word_pieces, "09.2": pad, "09.3": masked_mean, "09.4": warm_up, "09.5": similar_batches}
