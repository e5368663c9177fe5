"""Answers to the exercises of chapter 12: solutions, and mistakes with words of the hint that each must get."""

import math

import numpy as np

PREDICTED = (-1, 0.8, 536.87, 3.5, 5.079, 0.982)


def but(**changed):
    """The right predictions, with some of them changed: but(a=1.0)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcdef", PREDICTED, strict=True))


def decode(raw, kind=np.int8, order=slice(0, 2), start=2, scaled=True):
    scale = np.ascontiguousarray(raw[:, order]).view("<f2").astype(float)
    codes = raw[:, start : start + 32].view(kind)
    return np.nan_to_num(scale) * codes if scaled else codes.astype(float)


def turn(x, positions, base, share=2, sign=1, in_place=False):
    angles = sign * positions[:, None] * base ** (-share * np.arange(x.shape[1] // 2) / x.shape[1])
    out = x.copy()
    a, b = (out if in_place else x)[:, ::2], x[:, 1::2]
    out[:, ::2] = a * np.cos(angles) - b * np.sin(angles)
    out[:, 1::2] = a * np.sin(angles) + b * np.cos(angles)
    return out


def nucleus(p, share, divide=True, less=0, back=True):
    order = np.argsort(p)[::-1]
    before = np.cumsum(p[order]) - p[order]
    count = max(int(np.sum(before < share - 1e-12)) - less, 1)
    out = np.zeros(len(p))
    out[order[:count]] = p[order[:count]]
    out = out / out.sum() if divide else out
    return out if back else out[order]


SOLUTIONS = {
    "12.1": lambda: (-1, 0.8, 2 * 32 * 8 * 128 * 2 * 4096 / 1e6, 3.5, 20e9 / (7e9 * 4.5 / 8), 1 / (1 + math.exp(-4))),
    "12.2": decode,
    "12.3": turn,
    "12.4": nucleus,
    "12.5": lambda log_p, blank: (log_p - blank).argmax(axis=1),
}

MISTAKES = [
    ("12.1", but(a=1), "keep theirs"),
    ("12.1", but(a=0), "layer normalization"),
    ("12.1", but(c=2147.5), "count groups"),
    ("12.1", but(d=3), "take room"),
    ("12.1", but(e=0.635), "in bytes"),
    ("12.1", but(f=0.881), "temperature of 1"),
    ("12.1", but(b=0.5), "b: 0.5 is off"),
    ("12.2", lambda raw: decode(raw, np.uint8), "0 to 255"),
    ("12.2", lambda raw: decode(raw, order=slice(1, None, -1)), "swapped"),
    ("12.2", lambda raw: decode(raw, scaled=False), "scale is missing"),
    ("12.2", lambda raw: decode(raw, start=0), "begin after"),
    ("12.3", lambda *given: turn(*given, in_place=True), "view of x"),
    ("12.3", lambda *given: turn(*given, share=1), "exponent is 2 i / d"),
    ("12.3", lambda *given: turn(*given, share=1, in_place=True), "both mistakes|view of x"),
    ("12.3", lambda *given: turn(*given, sign=-1), "backwards"),
    ("12.4", lambda p, share: nucleus(p, share, divide=False), "add up to 1"),
    ("12.4", lambda p, share: nucleus(p, share, less=1), "less than"),
    ("12.4", lambda p, share: nucleus(p, share, back=False), "order of p"),
    ("12.4", lambda p, share: np.where(p >= share, p, 0), "compared with the share"),
    ("12.5", lambda log_p, blank: log_p.argmax(axis=1), "has no effect"),
    ("12.5", lambda log_p, blank: (log_p - blank).argmin(axis=1), "not argmin"),
    ("12.5", lambda log_p, blank: (log_p + blank).argmax(axis=1), "Divide by it"),
    ("12.5", lambda log_p, blank: (log_p / blank).argmax(axis=1), "are logarithms"),
    ("12.5", lambda log_p, blank: (np.exp(log_p) - np.exp(blank)).argmax(axis=1), "difference of probabilities"),
    ("12.5", lambda log_p, blank: (log_p - log_p.mean(axis=0)).argmax(axis=1), "mean over the rows"),
    ("12.5", lambda log_p, blank: np.arange(len(log_p)) % 2, "the classes should be"),
]
