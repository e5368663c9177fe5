"""Numbers of docs/errata.md that chapter 02 corrects, computed anew."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def chains(rate):
    """S0 4.3.2 as two chains 2x + 1, 3z + 1: everything of one step of descent on the half-sum."""
    x, y, w1, b1, w2, b2 = np.array([1.0, 2]), np.array([2.0, 3]), 2.0, 1.0, 3.0, 1.0
    z = w1 * x + b1
    error = w2 * z + b2 - y
    hidden = error * w2
    new = {"w1": w1 - rate * hidden * x, "b1": b1 - rate * hidden, "w2": w2 - rate * error * z, "b2": b2 - rate * error}
    after = new["w2"] * (new["w1"] * x + new["b1"]) + new["b2"]
    return {"error": error, "hidden": hidden, "loss": np.sum((after - y) ** 2) / 2, **new}


X, W, B, V, C = np.array([2.0, 3]), np.array([[1.0, 2], [3, 4]]), np.array([5.0, 6]), np.array([1.0, 2]), 6.0
Z = X @ W + B  # S2 4.4, where every pre-activation is positive, so each ReLU has the slope one
OUT = Z @ V + C
HIDDEN = (OUT - 1) * V
DW = np.outer(X, HIDDEN)
PRINTED = np.outer(-2 * (1 - OUT) * X, [1, 1])

A = sigmoid(2 * 1 + 1 * -1.5 + 0.5)  # the neuron of chapter 02, section 1, whose truth is 0
DW1 = A * A * (1 - A) * 2

J2 = 4 * 3 * 2 - 20  # S3 3.2: x = 2, w1 = 3, w2 = 4, J = (z2 - 20)² / 2


# S0 4.3.2 by both of S0's formulas for δ_hidden, which agree: exact ∂L/∂a · ½, and the slope 3 of half an output error
BOTH = chains(0)["hidden"] / 2
if not np.array_equal(BOTH, 3 * (chains(0)["error"] / 2)):
    BOTH = BOTH * np.nan

ERRORS = np.array([1.0, 2, 2])
LINEAR, ONE_HOT = np.array([2.0, 1, 0]), np.array([0.0, 1, 0])


def half_sum_gradient(output, truth):
    """Of half the sum of squares, by central differences, one output at a time."""
    half = lambda y: np.sum((y - truth) ** 2) / 2  # noqa: E731
    moves = 1e-5 * np.eye(len(output))
    return np.array([(half(output + move) - half(output - move)) / 2e-5 for move in moves])


def entropy(p):
    return -(p * np.log(p) + (1 - p) * np.log(1 - p))


def steepest(f):
    """Largest slope of a function, by central differences at zero, where both have it."""
    return (f(1e-5) - f(-1e-5)) / 2e-5


RECOMPUTED = {
    "E02-1": lambda: {"2": 100 * (1 / 50), "100": 2 * 50, "50": 100 / 2, "7.07": np.sqrt(100 / 2)},
    "E02-2": lambda: {},
    "E02-3": lambda: {
        "12": BOTH[0],
        "19.5": BOTH[1],
        "24": chains(0)["hidden"][0],
        "39": chains(0)["hidden"][1],
        "512": 0.5 / 0.5**10,
    },
    "E02-4": lambda: {
        "32": chains(0)["error"][0] ** 2 / 2,
        "84.5": chains(0)["error"][1] ** 2 / 2,
        "8": chains(0)["error"][0],
        "13": chains(0)["error"][1],
        "4": chains(0)["error"][0] / 2,
        "6.5": chains(0)["error"][1] / 2,
    },
    "E02-5": lambda: {"24": chains(0)["hidden"][0], "39": chains(0)["hidden"][1]},
    "E02-6": lambda: {
        "0.6": chains(0.1)["w2"][0],
        "3.5": -chains(0.1)["w2"][1],
        "0.2": chains(0.1)["b2"][0],
        "0.3": -chains(0.1)["b2"][1],
        "1.8": 3 - 0.1 * 12,
        "0.75": 3 - 0.1 * 22.5,
    },
    "E02-7": lambda: {
        "0.4": -chains(0.1)["w1"][0],
        "5.8": -chains(0.1)["w1"][1],
        "1.4": -chains(0.1)["b1"][0],
        "2.9": -chains(0.1)["b1"][1],
        "116.5": chains(0)["loss"],
        "1129.9": chains(0.1)["loss"],
        "29.95": chains(0.01)["loss"],
    },
    "E02-8": lambda: {},
    "E02-9": lambda: {"0.2875": DW1, "0.1437": DW1 / 2},
    "E02-10": lambda: {"0.1966": A * (1 - A), "0.2194": sigmoid(A) * (1 - sigmoid(A))},
    "E02-11": lambda: {"66": OUT},
    "E02-12": lambda: {"1": LINEAR[1], **dict(zip("20", half_sum_gradient(LINEAR, ONE_HOT)[:2], strict=True))},
    "E02-13": lambda: {
        "130": DW[0, 0],
        "260": DW[0, 1] if DW[0, 1] == PRINTED[0, 0] == PRINTED[0, 1] else np.nan,
        "195": DW[1, 0],
        "390": DW[1, 1] if DW[1, 1] == PRINTED[1, 0] == PRINTED[1, 1] else np.nan,
    },
    "E02-14": lambda: {"16": Z[0], "22": Z[1], "13": (W @ X + B)[0], "24": (W @ X + B)[1]},
    "E02-15": lambda: {"66": OUT, "52": 1 * 14 + 2 * 16 + 6},
    "E02-16": lambda: {"1": 1.0 * (Z[0] > 0), "0": 0, "65": OUT - 1, "130": HIDDEN[1]},
    "E02-17": lambda: {"32": J2 * 4 * 2, "64": J2 * 4 * 2 + J2 * 4 * 2},
    "E02-18": lambda: {"6": 6, "4": 4, "3": 3},
    "E02-19": lambda: {"0.0079": entropy(0.001), "0.6931": entropy(0.5)},
    "E02-20": lambda: {
        "0.001": 0.001,
        "0.999": -(0.001 - 1),
        "0.000998": -(0.001 - 1) * 0.001 * (1 - 0.001),
    },
    "E02-21": lambda: {},
    "E02-22": lambda: {
        "2": (np.tanh(0.7) + 1) / sigmoid(1.4),
        "1": 2 * sigmoid(1.4) - np.tanh(0.7),
        "0.25": steepest(sigmoid),
    },
    "E02-25": lambda: {
        "32": chains(0)["error"][0] + chains(0)["hidden"][0],
        "52": chains(0)["error"][1] + chains(0)["hidden"][1],
    },
    "E02-26": lambda: {"0.7311": sigmoid(1.0), "0.6750": sigmoid(sigmoid(1.0))},
    "E02-27": lambda: {
        "1": ERRORS[0],
        "2": 2 * np.mean(ERRORS**2) / (np.sum(ERRORS**2) / len(ERRORS)),
        "3": np.mean(ERRORS**2),
        "4.5": np.sum(ERRORS**2) / 2,
    },
    "E02-28": lambda: {"1": OUT - (OUT - 1), "65": OUT - 1},
    "E02-29": lambda: {"65": HIDDEN[0] if HIDDEN[0] == OUT - 1 else np.nan, "130": HIDDEN[1]},
}
