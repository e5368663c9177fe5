"""Answers to the exercises of chapter 10: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def soft(l):
    return np.logaddexp(0, l)


def sigmoid(l):
    return 1 / (1 + np.exp(-l))


def losses(real, fake, on_fake=lambda f: soft(f), generator=lambda f: soft(-f).mean()):
    """Exercise 10.1, with parts to get wrong."""
    return soft(-real).mean() + on_fake(fake).mean(), generator(fake)


def distance(a, b, ddof=1, means=1.0, spreads=lambda va, vb: (np.sqrt(va) - np.sqrt(vb)) ** 2):
    va, vb = a.var(axis=0, ddof=ddof), b.var(axis=0, ddof=ddof)
    return means * np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + np.sum(spreads(va, vb))


WORDS = ["precision", "neither", "recall", "both"]

SOLUTIONS = {
    "10.1": losses,
    "10.2": lambda: (140, 1.0, 1.0),
    "10.3": lambda: WORDS,
    "10.4": distance,
}

MISTAKES = [
    ("10.1", lambda r, f: losses(r, f, on_fake=lambda f: soft(-f)), "calling fakes real"),
    ("10.1", lambda r, f: losses(r, f, generator=lambda f: -soft(f).mean()), "slope vanishes"),
    ("10.1", lambda r, f: losses(r, f, generator=lambda f: soft(f).mean()), "pays for fakes"),
    ("10.1", lambda r, f: losses(r, f, generator=lambda f: -soft(-f).mean()), "sign is reversed"),
    ("10.1", lambda r, f: (losses(r, f)[0] / 2, soft(-f).mean()), "half of it"),
    ("10.1", lambda r, f: (soft(-r).sum() + soft(f).sum(), soft(-f).mean()), "not the sum"),
    ("10.1", lambda r, f: (np.r_[soft(-r), soft(f)].mean(), soft(-f).mean()), "half of it|mean of each kind"),
    ("10.1", lambda r, f: (soft(r).mean() + soft(-f).mean(), soft(-f).mean()), "are exchanged"),
    ("10.1", lambda r, f: (-losses(r, f)[0], soft(-f).mean()), "the other sign"),
    ("10.1", lambda r, f: (0.0, soft(-f).mean()), "the discriminator's is not"),
    ("10.1", lambda r, f: (-np.log(r).mean() - np.log(1 - f).mean(), -np.log(f).mean()), "logits, not probabilities"),
    (
        "10.1",
        lambda r, f: (-np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(), -np.log(sigmoid(f)).mean()),
        "exp overflows",
    ),
    ("10.1", lambda r, f: losses(r.clip(-30, 30), f.clip(-30, 30)), "nothing may be cut off"),
    ("10.1", lambda r, f: losses(r, f)[0], "2 values"),
    ("10.2", lambda: (70, 1.0, 1.0), "is the root of 1.01"),
    ("10.2", lambda: (139, 1.0, 1.0), "not quite doubled"),
    ("10.2", lambda: (np.log(2) / np.log(np.sqrt(1.01)), 1.0, 1.0), "a whole number"),
    ("10.2", lambda: (18, 1.0, 1.0), "h/2 = 0.1 counts"),
    ("10.2", lambda: (36, 1.0, 1.0), "both σ are 1/2"),
    ("10.2", lambda: (140, 2.0, 1.0), "off the diagonal"),
    ("10.2", lambda: (140, 0.5, 1.0), "root become real"),
    ("10.2", lambda: (140, 0.2, 1.0), "h does not matter"),
    ("10.2", lambda: (140, 1.0, np.sqrt(1.01)), "both move at once"),
    ("10.2", lambda: (140, 1.0, 1.01), "multiply the two matrices"),
    ("10.2", lambda: (10, 1.0, 1.0), "a: 10 is off"),
    ("10.3", lambda: ["both", *WORDS[1:]], "a: half of its pictures"),
    ("10.3", lambda: ["precision", "recall", "recall", "both"], "b: its pictures are real"),
    ("10.3", lambda: ["precision", "neither", "both", "both"], "c: its one picture"),
    ("10.3", lambda: [*WORDS[:3], "precision"], "d: count both"),
    ("10.3", lambda: ["precision", "none", "recall", "both"], "none of the four words"),
    ("10.3", lambda: WORDS[:3], "four words, one for each"),
    ("10.4", lambda a, b: distance(a, b, spreads=lambda va, vb: 0 * va), "spread is missing"),
    ("10.4", lambda a, b: distance(a, b, means=0), "means is missing"),
    ("10.4", lambda a, b: np.sqrt(distance(a, b)), "its root"),
    ("10.4", lambda a, b: distance(a, b, ddof=0), "ddof=1"),
    ("10.4", lambda a, b: distance(a, b, spreads=lambda va, vb: (va - vb) ** 2), "the roots of the variances"),
    ("10.4", lambda a, b: distance(a, b, spreads=lambda va, vb: va + vb), "mixed term is missing"),
    ("10.4", lambda a, b: distance(a, b, spreads=lambda va, vb: va + vb - np.sqrt(va * vb)), "counts twice"),
    ("10.4", lambda a, b: distance(a, b) / a.shape[1], "do not average"),
    ("10.4", lambda a, b: (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2, "axis=0"),
    ("10.4", lambda a, b: 0.0, "it should be"),
]
