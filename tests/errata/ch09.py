"""Numbers of docs/errata.md that chapter 09 corrects, computed anew."""


def bert_parameters(vocabulary, width, blocks, inner, positions=512, segments=2):
    """Weights of a BERT: tables, a normalization, blocks of attention and feed-forward layers, the pooling layer."""
    tables = (vocabulary + positions + segments) * width + 2 * width
    attention = 4 * (width * width + width)
    feed_forward = width * inner + inner + inner * width + width
    return tables + blocks * (attention + feed_forward + 4 * width) + width * width + width


RECOMPUTED = {
    "E09-1": lambda: {"22,713,216": bert_parameters(30522, 384, 6, 1536)},
    "E09-3": lambda: {"1e-5": 1e-5, "3e-4": 3e-4},
}
