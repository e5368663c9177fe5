"""Numbers of docs/errata.md that chapter 03 corrects, computed anew."""

import itertools

import numpy as np

PREDICTIONS = np.array(
    [0.5684332, 0.87326945, 0.20588073, 0.71181713, 0.3867986, 0.6124986, 0.9104743, 0.15990792, 0.7676112, 0.5430252]
)
EXPECTED_LOSS = np.mean((PREDICTIONS - 0.5) ** 2) + 1 / 12  # against targets that are uniform on 0..1
UNIFORM = (np.arange(1_000_000) + 0.5) / 1_000_000  # midpoints: means over them are integrals over 0..1


def layers(*widths):
    """Parameters of each dense layer."""
    return [(inputs + 1) * outputs for inputs, outputs in itertools.pairwise(widths)]


def cross_entropy(logits, right):
    return np.log(np.sum(np.exp(logits))) - logits[right]


def clipped_loss(logits):
    """Cross-entropy of the second class from single-precision probabilities that are kept above 1e-7, as Keras does."""
    logits = np.float32(logits)
    p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    return -np.log(np.clip(p[1], 1e-7, 1 - 1e-7))


def clipped_gradient(shift):
    """Change of that loss when the second logit rises by `shift`, over `shift`."""
    return float(clipped_loss([200, shift]) - clipped_loss([200, 0])) / shift


def best_constant():
    """The constant prediction of least expected loss, on a grid."""
    grid = np.linspace(0, 1, 101)
    return grid[np.argmin([np.mean((c - UNIFORM[::1000]) ** 2) for c in grid])]


RECOMPUTED = {
    "E03-1": lambda: {"784": 28 * 28},
    "E03-2": lambda: (
        dict(zip(("50,240", "4,160", "650"), layers(784, 64, 64, 10), strict=True))
        | {"55,050": sum(layers(784, 64, 64, 10))}
    ),
    "E03-4": lambda: {
        "200": cross_entropy(np.array([200.0, 0.0]), 1),
        "16.118": clipped_loss([200, 0]),
        "0": clipped_gradient(0.01),
    },
    "E03-7": lambda: {"0.5": best_constant(), "0.0833": np.mean((UNIFORM - 0.5) ** 2)},
    "E03-8": lambda: {
        "0.246": PREDICTIONS.std(),
        "0.289": UNIFORM.std(),
        "0.149": EXPECTED_LOSS,
        "1.79": EXPECTED_LOSS / UNIFORM.var(),
        "0.5": best_constant(),
    },
    "E03-10": lambda: {"41": sum(layers(2, 10, 1))},
}
