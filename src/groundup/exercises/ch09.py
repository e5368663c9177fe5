"""Graders for chapter 09, fine-tuning BERT."""

import numpy as np

from .engine import Case, Hint, WrongShape, ask, call, kind, near, numbers, table


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


# A function, no table: the numbers differ in scale, and each has a tolerance of its own.
def predictions(answer):
    """09.3: answer() returns six numbers that can be predicted before anything is run."""
    got = ask(answer, like=(0.0,) * 6)
    right = (np.log(8000), 96.0, 6144.0, 1.5e-4, 11.0, 0.0)
    known = {
        "a": {np.log2(8000): "these are bits. In nats it is the natural logarithm."},
        "b": {
            120: "these are the chosen places. A tenth of them show another token and a tenth their own.",
            640: "this is 80 % of all tokens. First 15 % are chosen, then 80 % of those get [MASK].",
        },
        "c": {
            147456: "this is the whole matrix. LoRA trains two thin ones in its place.",
            3072: "this is one of the two thin matrices. Both are trained.",
            12288: "the rank is 8, so the two have 384 × 8 numbers each.",
        },
        "d": {
            3e-4: "this is the peak. It is reached at the end of the warm-up, and step 9 is half-way.",
            1.35e-4: "steps are counted from 0, so step 9 is the tenth: t + 1 is 10.",
        },
        "e": {
            1100: "this is the number of sentences. One point is a hundredth of them.",
            1: "one point of accuracy is a hundredth of the sentences, whatever their number.",
        },
        "f": {1: "with B = 0 the product AB is 0, and the layer computes what the pretrained one does."},
    }
    for part, value, wanted in zip("abcdef", map(float, got), right, strict=True):
        if near(value, wanted, rtol=2e-3, atol=1e-9):
            continue
        for mistake, words in known[part].items():
            if near(value, mistake, rtol=2e-3):
                raise Hint(f"{part}: {words}")
        raise Hint(f"{part}: {value:.4g} is off; those after it may be, too. Write the question down as a formula.")


# A function, no table: the answer calls a function that it is given.
def interaction(answer):
    """09.4: answer(margin_of, row, i, j, mask) returns what i and j add together, beyond what each adds alone."""
    rng = np.random.default_rng(94)
    for length, i, j in ((7, 2, 3), (9, 1, 6)):
        row, mask = rng.integers(200, 300, length), 103
        effect, both = rng.normal(size=length), rng.normal() + 2

        def margin_of(ids, row=row, mask=mask, i=i, j=j, effect=effect, both=both):
            ids = np.asarray(ids)
            if ids.shape != row.shape:
                raise ValueError(f"margin_of takes one row of {len(row)} ids")
            there = ids == row
            if np.any(~there & (ids != mask)):
                raise ValueError("margin_of met an id that is neither of the row nor the mask's")
            return float(effect @ there + both * there[i] * there[j] + 0.5)

        def hidden(*places, row=row, mask=mask, margin_of=margin_of):
            return margin_of(np.where(np.isin(np.arange(len(row)), places), mask, row))

        got = float(ask(answer, margin_of, row, i, j, mask, like=0.0))
        whole, one, other, none = hidden(), hidden(i), hidden(j), hidden(i, j)
        right = whole - one - other + none
        if near(got, right, atol=1e-9):
            continue
        if near(got, -right, atol=1e-9):
            raise Hint(
                "the sign is reversed. Or you subtracted what each adds while the other is still there: what i adds "
                "alone is measured with j hidden."
            )
        if near(got, whole - none, atol=1e-9):
            raise Hint("this is what both add together. Subtract what each adds alone.")
        if near(got, whole - one, atol=1e-9) or near(got, whole - other, atol=1e-9):
            raise Hint("this is the effect of one word. Four margins are needed: none hidden, i, j, and both.")
        raise Hint(f"for places {i} and {j} it should be {right:.4f}; it is {got:.4f}.")


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


GRADERS = {"09.1": word_pieces, "09.2": pad, "09.3": predictions, "09.4": interaction, "09.5": similar_batches}
