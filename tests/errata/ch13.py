"""Numbers of docs/errata.md that chapter 13 corrects, computed anew."""

WIDTH, BLOCKS, VOCABULARY, CONTEXT, RANK = 128, 5, 1024, 128, 4
MATRICES = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))  # of a block

RECOMPUTED = {
    "E13-3": lambda: {
        "4": RANK,
        "40,960": BLOCKS * RANK * sum(m + n for m, n in MATRICES),
        "1,139,072": BLOCKS * (12 * WIDTH**2 + 13 * WIDTH) + (VOCABULARY + CONTEXT) * WIDTH + 2 * WIDTH,
    },
}
