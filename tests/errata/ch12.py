"""Numbers of docs/errata.md that chapter 12 corrects, computed anew."""

MATRICES = 2 * 576**2 + 2 * 576**2 * 3 // 9 + 3 * 576 * 1536  # of a block
NORMS = 2 * 576 * 30 + 576
EMBEDDING = 49_152 * 576
PARAMETERS = 30 * MATRICES + EMBEDDING + NORMS
FACTS = 1_785_664  # bytes before the first tensor: the tokenizer's lists, and what the file says of itself

RECOMPUTED = {
    "E12-1": lambda: {
        "134,515,008": PARAMETERS,
        "538,060,032": 4 * PARAMETERS,
        "98,362,432": FACTS + 30 * MATRICES * 20 // 32 + EMBEDDING * 34 // 32 + 4 * NORMS,
        "32": 32,
        "20": 2 + 2 + 32 * 4 // 8,
        "128": 32 * 4,
    },
}
