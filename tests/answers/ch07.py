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


def gradient(g, z, gamma, epsilon, mean=True, along=True, average=lambda a: a.mean(axis=0), s=True):
    root = np.sqrt(z.var(axis=0) + epsilon)
    hat = (z - z.mean(axis=0)) / root
    return gamma / (root if s else 1) * (g - mean * average(g) - along * hat * average(g * hat))


def rate(t, peak, warm, steps, fall=lambda s: (1 + np.cos(np.pi * s)) / 2):
    return peak * t / warm if t < warm else peak * fall((t - warm) / (steps - warm))


SOLUTIONS = {"07.1": parameters, "07.2": fold, "07.3": gradient, "07.4": rate}

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
    ("07.3", lambda *a: gradient(*a, mean=False, along=False), "constants"),
    ("07.3", lambda *a: gradient(*a, along=False), "variance is missing"),
    ("07.3", lambda *a: gradient(*a, mean=False), "term of the mean"),
    ("07.3", lambda g, z, gamma, e: gradient(g, z, 1, e), "gamma"),
    ("07.3", lambda *a: gradient(*a, s=False), "standard deviation"),
    ("07.3", lambda *a: gradient(*a, average=lambda a: a.sum(axis=0)), "not sums"),
    ("07.3", lambda *a: gradient(*a, average=lambda a: a.mean()), "axis 0"),
    ("07.3", lambda g, z, gamma, e: gradient(g, z, gamma, 0), "epsilon is missing"),
    ("07.3", lambda g, z, gamma, e: g, "finite differences"),
    ("07.3", lambda g, z, gamma, e: g.sum(axis=0), "shape"),
    ("07.4", lambda t, peak, warm, steps: peak / 2 * (1 + np.cos(np.pi * t / steps)), "warm-up is missing"),
    (
        "07.4",
        lambda t, peak, warm, steps: (
            rate(t, peak, warm, steps) if t < warm else peak / 2 * (1 + np.cos(np.pi * t / steps))
        ),
        "starts after the warm-up",
    ),
    ("07.4", lambda *a: rate(*a, fall=lambda s: 1 + np.cos(np.pi * s)), "halve it"),
    ("07.4", lambda *a: rate(*a, fall=lambda s: 1 - s), "straight line"),
    ("07.4", lambda *a: rate(*a, fall=lambda s: (1 - np.cos(np.pi * s)) / 2), "rises after"),
    ("07.4", lambda *a: rate(*a, fall=lambda s: np.cos(np.pi / 2 * s)), "quarter"),
    ("07.4", lambda t, peak, warm, steps: rate(t + 1 if t < warm else t, peak, warm, steps), "at step 0"),
    ("07.4", lambda t, peak, warm, steps: 7.0, "it should be"),
]
