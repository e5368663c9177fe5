"""Rows of tokens: ids of texts, batches of similar length, and a function's results for all of them."""

import os
import shutil
import tempfile

import numpy as np

from .weights import BertError

LONGEST = 512  # tokens: so many places have a vector
IN_MEMORY = 512e6  # bytes; larger results lie in a file
MAKE_ROOM = "make room, let TMPDIR name another folder, or give fewer or shorter texts"
MULTIPLE = 2  # of which a batch's length is one: 8 computes a tenth more tokens, 1 has twice as many different lengths


def ids(tokenizer, texts, length):
    """Each text's ids (t,) int32, [CLS] in front and [SEP] behind, cut to `length`; many in a call, which is fast.

    Raises:
        BertError: length is not a whole number from 3 to 512, as many tokens as BERT has places for.
    """
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
    """What call(values, mask) gives for each row; with `cut`, results (n, T, ...) lose their padding again.

    Results of more than 512 MB in all lie in a temporary file, read-only, and no longer than they are used.

    Raises:
        BertError: there is no room for that file; says how many rows there is room for.
    """
    results, file, places = [None] * len(rows), None, {}
    lengths = np.array([len(row) for row in rows])
    try:
        for batch in length_batches(lengths, size):
            values, mask = pad([rows[i] for i in batch], MULTIPLE)
            found = np.asarray(call(values, mask))
            if batch[0] == np.argmin(lengths):  # the first: length_batches begins with the shortest
                need = found.nbytes / found.shape[0] * (lengths.sum() / found.shape[1] if cut else len(rows))
                file = _file(need, len(rows)) if need > IN_MEMORY else None
            for i, result in zip(batch, found, strict=True):
                results[i] = result[: lengths[i]] if cut else result
                if file:
                    places[i] = file.tell() // found.itemsize, results[i].shape
                    file.write(results[i].tobytes())
                    results[i] = None
    except OSError as error:
        raise BertError(f"The results do not fit into a temporary file ({error.strerror}); {MAKE_ROOM}.") from None
    if file:
        file.flush()
        numbers = np.asarray(np.memmap(file, found.dtype, "r"))
        for i, (begin, shape) in places.items():
            results[i] = numbers[begin : begin + int(np.prod(shape))].reshape(shape)
    return results


def _file(need, rows):
    """A temporary file for so many bytes; /tmp may lie in the memory, /var/tmp does not."""
    folder = os.environ.get("TMPDIR") or ("/var/tmp" if os.path.isdir("/var/tmp") else tempfile.gettempdir())
    free = 0.9 * shutil.disk_usage(folder).free
    if need > free:
        raise BertError(
            f"The results for {rows} rows take {need / 1e9:.1f} GB, and {folder} has room for {free / 1e9:.1f} GB, "
            f"{int(rows * free / need)} rows: {MAKE_ROOM}."
        )
    return tempfile.TemporaryFile(dir=folder)
