"""Answers to the exercises of chapter 07: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def parameters(before, after, norm=2, projection=None, bias=0, always=False, second=None):
    """Trainable parameters of a residual block, with parts to get wrong."""
    kernels = 9 * before * after + 9 * (second or (lambda before, after: after))(before, after) * after
    short = before * after + norm * after + bias * after if projection is None else projection(before, after)
    return kernels + 2 * norm * after + 2 * bias * after + (short if always or before != after else 0)


def fold(W, gamma, beta, mean, var, epsilon):
    scale = gamma / np.sqrt(var + epsilon)
    return W * scale, beta - mean * scale


FAULTS = ["overfitting", "degradation", "moving averages", "learning rate", "scaling"]


def faults(*, a=0, b=1, c=2, d=3, e=4):
    return lambda: [FAULTS[i] for i in (a, b, c, d, e)]


def scale(blocks, growth):
    return np.sqrt(growth ** (1 / blocks) - 1)


def mirrored(k1, k2, h):
    """The product of the three mirrored matrices, as if there were no ReLU between them."""
    return np.hstack([k1, -k1]) @ np.block([[k2, -k2], [-k2, k2]]) @ np.vstack([h, -h])


SOLUTIONS = {"07.1": parameters, "07.2": fold, "07.3": faults(), "07.4": scale, "07.5": lambda k1, k2, h: k1 @ k2 @ h}

MISTAKES = [
    ("07.1", lambda b, a: parameters(b, a, norm=4), "not trained"),
    ("07.1", lambda b, a: parameters(b, a, norm=0), "convolutions alone"),
    ("07.1", lambda b, a: parameters(b, a, projection=lambda b, a: 0), "needs a projection"),
    ("07.1", lambda b, a: parameters(b, a, projection=lambda b, a: b * a), "projection has a batch normalization too"),
    ("07.1", lambda b, a: parameters(b, a, always=True), "needs no projection"),
    ("07.1", lambda b, a: parameters(b, a, bias=1), "no bias"),
    ("07.1", lambda b, a: parameters(b, a, second=lambda b, a: b), "that the first one made"),
    ("07.1", lambda b, a: 0, "it should be"),
    ("07.2", lambda W, g, b, m, v, e: (W * g / (v + e), b), "square root"),
    ("07.2", lambda W, g, b, m, v, e: fold(W, g, b, m, v, 0), "epsilon"),
    ("07.2", lambda W, g, b, m, v, e: fold(W, 1, b, m, v, e), "gamma is missing"),
    ("07.2", lambda W, g, b, m, v, e: (fold(W, g, b, m, v, e)[0], b), "taken off too"),
    ("07.2", lambda W, g, b, m, v, e: (fold(W, g, b, m, v, e)[0], b - m), "scaled as the weights"),
    ("07.2", lambda W, g, b, m, v, e: (fold(W, g, b, m, v, e)[0], fold(W, g, b, -m, v, e)[1]), "subtracted"),
    (
        "07.2",
        lambda W, *rest: (
            W * (fold(W, *rest)[0] / W)[0][:, None] if len(W) == W.shape[1] else fold(W, *rest)[0],
            fold(W, *rest)[1],
        ),
        "columns of W",
    ),
    ("07.2", lambda W, g, b, m, v, e: (W, b), "collect what multiplies X"),
    ("07.2", lambda W, g, b, m, v, e: W, "2 values"),
    ("07.3", faults(c=0), "C is not overfitting"),
    ("07.3", faults(e=0), "E is not overfitting"),
    ("07.3", faults(e=2), "E's moving averages are fine"),
    ("07.3", faults(a=1), "A is very good"),
    ("07.3", faults(b=3), "with that of the reference"),
    ("07.3", faults(c=4), "differs between the modes"),
    ("07.3", faults(d=1), "guesses"),
    ("07.3", faults(e=3), "the mode makes no difference"),
    ("07.3", lambda: FAULTS[:4], "five words"),
    ("07.3", lambda: ["dropout", *FAULTS[1:]], "none of the six"),
    ("07.3", lambda: ["leak", *FAULTS[1:]], "learned from"),
    ("07.3", lambda: 3, "it returned"),
    ("07.4", lambda blocks, growth: growth ** (1 / blocks) - 1 if blocks > 1 else scale(blocks, growth), "this is c²"),
    ("07.4", lambda blocks, growth: 1 / blocks, "too small"),
    ("07.4", lambda blocks, growth: np.sqrt((growth - 1) / blocks), "multiplies, it does not add"),
    ("07.4", lambda blocks, growth: (growth - 1) / blocks if blocks > 1 else 1.0, "multiplies, and c²"),
    ("07.4", lambda blocks, growth: growth ** (1 / blocks), "what a block may multiply"),
    ("07.4", lambda blocks, growth: np.sqrt(growth ** (1 / blocks)), "identity path is there"),
    ("07.4", lambda blocks, growth: np.sqrt(np.log(growth) / blocks) if blocks > 1 else 1.0, "exactly"),
    ("07.4", lambda blocks, growth: np.sqrt(1 / blocks), "by about e"),
    ("07.4", lambda blocks, growth: 7.0, "it should be"),
    ("07.5", lambda k1, k2, h: mirrored(k1, k2, h), "without the ReLUs"),
    ("07.5", lambda k1, k2, h: 2 * k1 @ k2 @ h, "once, not twice"),
    ("07.5", lambda k1, k2, h: k1 @ k2 @ h / 2, "not half"),
    ("07.5", lambda k1, k2, h: -k1 @ k2 @ h, "the sign"),
    ("07.5", lambda k1, k2, h: 0 * (k1 @ k2 @ h), "does not cancel"),
    ("07.5", lambda k1, k2, h: np.maximum(np.maximum(k1, 0) @ k2, 0) @ h, "does not act on the weights"),
    ("07.5", lambda k1, k2, h: k1 @ k2.T @ h, "from the left"),
    ("07.5", lambda k1, k2, h: k1 @ k2, "head h is missing"),
    ("07.5", lambda k1, k2, h: k1 @ k2 @ h + 1, "Write u = x k1"),
]
