"""Numbers of docs/errata.md that chapter 10 corrects, computed anew."""

import numpy as np


def printed(D):
    """The generator's loss as printed, for one picture."""
    return -np.log(D) - np.log(1 - D)


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


def printed_discriminator(real, fake):
    return 0.5 * (real + fake)


answers = np.linspace(0.001, 0.999, 999)

RECOMPUTED = {
    "E10-1": lambda: {"0.5": answers[printed(answers).argmin()], "0.9": 0.9, "1.02": printed(0.9) - printed(0.5)},
    "E10-2": lambda: {
        "0": printed_discriminator(0, 0),
        "0.5": printed_discriminator(1, 0),
        "0.01": 0.01,
        "4.615": -np.log(0.01) - np.log(0.99),
    },
    "E10-3": lambda: {
        "4": 4,
        "0.0177": sigmoid(-4) * (1 - sigmoid(-4)),
        "0.9820": 1 - sigmoid(-4),
    },
    "E10-5": lambda: {
        "784": 28 * 28,
        "60,000": 60_000,
        "0.43": 60_000 * (1024 + 512 + 256 + 1) * 4 / 1e9,
    },
    "E10-7": lambda: {"100": 100, "10,000": 100 * 100},
}
