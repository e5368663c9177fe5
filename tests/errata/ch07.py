"""Numbers of docs/errata.md that chapter 07 corrects, computed anew."""

import itertools


def paths(blocks):
    """How many ways lead through so many residual blocks: around each of them, or through."""
    return sum(1 for _ in itertools.product((False, True), repeat=blocks))


def inception(before, single, three, five, pooled):
    """Weights of the four branches; three and five are (reduced, channels), reduced None for no reduction."""
    total = before * single + before * pooled
    for size, (reduced, channels) in ((3, three), (5, five)):
        total += before * reduced + size**2 * reduced * channels if reduced else size**2 * before * channels
    return total


RECOMPUTED = {
    "E07-7": lambda: {"20": 20, "1,048,576": paths(20)},
    "E07-8": lambda: {
        "163,328": inception(192, 64, (96, 128), (16, 32), 32),
        "387,072": inception(192, 64, (None, 128), (None, 32), 0),
    },
}
