"""Rows of tokens: ids of texts, batches of similar length, and a function's results for all of them."""

import numpy as np

from .weights import BertError

LONGEST = 512  # tokens: so many places have a vector
MULTIPLE = 2  # of which a batch's length is one: 8 computes a tenth more tokens, 1 has twice as many different lengths


def ids(tokenizer, texts, length):
    """Each text's ids (t,) int32, [CLS] in front and [SEP] behind, cut to `length`; many in a call, which is fast.

    Raises:
        BertError: texts is a single str; or length is not a whole number from 3 to 512, as many as BERT has places for.
    """
    if isinstance(texts, str):
        raise BertError(f"{texts[:40]!r} is one text, and a list of texts is wanted: put it into [ ].")
    if not isinstance(length, (int, np.integer)) or not 3 <= length <= LONGEST:
        raise BertError(f"A length of {length} tokens: BERT reads 3 to {LONGEST} of a text, so give a number of these.")
    first, last, texts, found = tokenizer.cls_token_id, tokenizer.sep_token_id, list(texts), []
    for i in range(0, len(texts), 1000):  # of long texts, all at once take gigabytes
        rows = tokenizer(texts[i : i + 1000])
        rows = rows.to_list() if hasattr(rows, "to_list") else rows  # a ragged tensor or a list: versions differ
        found += [np.array([first, *row[: length - 2], last], dtype=np.int32) for row in rows]
    return found


def pad(rows, multiple=8):
    """Rows (t, ...) as one array (n, T, ...) and the mask (n, T) int32; T: the longest, rounded up to a multiple."""
    T = -(-max(map(len, rows)) // multiple) * multiple
    values, mask = np.zeros((len(rows), T, *rows[0].shape[1:]), rows[0].dtype), np.zeros((len(rows), T), np.int32)
    for i, row in enumerate(rows):
        values[i, : len(row)], mask[i, : len(row)] = row, 1
    return values, mask


def inputs(rows, multiple=8):
    """What a backbone takes, a dict, from rows of ids; all of segment 0."""
    tokens, mask = pad(rows, multiple)
    return {"token_ids": tokens, "segment_ids": np.zeros_like(tokens), "padding_mask": mask}


def length_batches(lengths, size, rng=None):
    """Row numbers in batches of similar length; with a generator, neighbours in length mix and batches are shuffled."""
    order = np.argsort(lengths + (rng.uniform(0, 6, len(lengths)) if rng else 0), kind="stable")
    found = [order[i : i + size] for i in range(0, len(order), size)]
    return [found[i] for i in rng.permutation(len(found))] if rng else found


def in_batches(rows, call, size=64, cut=True):
    """What call(values, mask) gives for each row; with `cut`, results (n, T, ...) lose their padding again."""
    results = [None] * len(rows)
    for batch in length_batches(np.array([len(row) for row in rows]), size):
        found = np.asarray(call(*pad([rows[i] for i in batch], MULTIPLE)))
        for i, result in zip(batch, found, strict=True):
            results[i] = result[: len(rows[i])] if cut else result
    return results
