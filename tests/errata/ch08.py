"""Numbers of docs/errata.md that chapter 08 corrects, computed anew."""

import numpy as np


def parameters_of_the_listing(vocabulary=10_000, width=256, outputs=1000):
    """Embedding, PyTorch's LSTM (four gates, two biases each) and the last layer."""
    gates = 4 * (width * width + width * width + width + width)
    return vocabulary * width + gates + width * outputs + outputs


def gpt3(layers=96, width=12288, vocabulary=50257, context=2048):
    return layers * (12 * width**2 + 13 * width) + (vocabulary + context) * width + 2 * width


def missing_entropy(size=50):
    """How far the printed formula's entropy is below guessing, in percent rounded up; softmax for σ."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(6, size))
    for _ in range(3):
        z = x @ rng.normal(size=(size, size))
        x = np.exp(z - z.max(axis=-1, keepdims=True))
        x /= x.sum(axis=-1, keepdims=True)
    return int(np.ceil(100 * (1 + (x * np.log(x)).sum(axis=-1).mean() / np.log(size))))


RECOMPUTED = {
    "E08-1": lambda: {"1": missing_entropy(), "96": 96},
    "E08-2": lambda: {"3,343,336": parameters_of_the_listing(), "175,000,000,000": round(gpt3(), -9)},
    "E08-3": lambda: {"9,000": 10_000 - 1000},
    "E08-8": lambda: {"0.0421": 0.0421, "0.0607": 0.0421 / np.log(2), "1.043": np.exp(0.0421)},
}
