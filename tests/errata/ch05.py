"""Numbers of docs/errata.md that chapter 05 corrects, computed anew."""

import numpy as np

TRUTH = np.arange(10) < 4
SCORES = np.array([0.9, 0.8, 0.6, 0.4, 0.7, 0.6, 0.3, 0.3, 0.2, 0.1])
YES = SCORES >= 0.5


def auc(scores):
    """Share of the pairs that the positive wins, ties half."""
    difference = scores[TRUTH][:, None] - scores[~TRUTH]
    return np.mean((difference > 0) + 0.5 * (difference == 0))


def recall(scores):
    return np.mean(scores[TRUTH] >= 0.5)


ALWAYS = np.ones(10, bool)
ONE_IN_TEN = np.arange(10) < 1

RECOMPUTED = {
    "E05-1": lambda: {"0.8542": auc(SCORES / 10), "0.5": 0.5, "0.75": recall(SCORES), "0": recall(SCORES / 10)},
    "E05-3": lambda: {"0.6": np.mean(TRUTH[YES]), "0.7": np.mean(YES == TRUTH)},
    "E05-5": lambda: {
        "1": np.mean(ALWAYS[ONE_IN_TEN]),
        "10": 1 / ONE_IN_TEN.mean(),
        "0.1": np.mean(ALWAYS == ONE_IN_TEN),
        "0.1818": 2 / (2 + 9),
    },
}
