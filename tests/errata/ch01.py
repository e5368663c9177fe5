"""Numbers of docs/errata.md that chapter 01 corrects, computed anew."""

import numpy as np

SQUARES = (np.array([1, 2.5, 4]) - np.array([2, 3, 5])) ** 2
LABEL, P = np.array([0.0, 1, 1]), np.array([0.2, 0.8, 0.9])
CROSS = -(LABEL * np.log(P) + (1 - LABEL) * np.log(1 - P))


def one_example(x, y, w=2.0, b=3.0, factor=2):
    """Gradients (dw, db) of the squared error of one example; of half of it with factor=1."""
    error = w * x + b - y
    return factor * error * x, factor * error


RECOMPUTED = {
    "E01-1": lambda: {"1.125": SQUARES.sum() / 2, "0.75": SQUARES.mean()},
    "E01-2": lambda: {"1": LABEL.max(), "0": -np.sum(LABEL * np.log(np.ones(3)))},
    "E01-3": lambda: {
        "0.3285": -np.sum(LABEL * np.log(P)),
        "0.5516": CROSS.sum(),
        "0.1839": CROSS.mean(),
        "0.7": np.exp(-0.3567),
    },
    "E01-4": lambda: {
        "2": one_example(1, 3, factor=1)[0],
        "1": one_example(1, 4)[1] / 2,
        "3": 3,
        "4": 4,
        "15": one_example(3, 4, factor=1)[0],
        "5": one_example(3, 4, factor=1)[1],
        "30": one_example(3, 4)[0],
        "10": one_example(3, 4)[1],
    },
    "E01-5": lambda: {"2": (-2 * (4.0 - 5) * 3) / ((5 - 4.0) * 3)},
    "E01-6": lambda: {"2": 2},
}
