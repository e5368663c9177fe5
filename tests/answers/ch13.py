"""Answers to the exercises of chapter 13: solutions, and mistakes with words of the hint that each must get."""

import itertools
import math

import numpy as np

PREDICTED = (40_960, 416, 12, 10, 0.6931, 0.7311)


def but(**changed):
    """The right predictions, with some of them changed: but(a=1.0)."""
    return lambda: tuple(changed.get(name, value) for name, value in zip("abcdef", PREDICTED, strict=True))


def answer_loss(log_p, ids, begins, ends, shift=-1, first=0, last=0, sign=-1, rows=False):
    nats = [
        [sign * log_p[row, t + shift, ids[row, t]] for t in range(begin + first, end + last)]
        for row, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]
    return np.mean([np.mean(each) for each in nats]) if rows else np.mean(np.concatenate(nats))


SOLUTIONS_A = {
    "13.1": lambda: (8 * (1024 + 4096), (4 * 100e6 + 16 * 1e6) / 1e6, 4 + 8, 10, math.log(2), 1 / (1 + math.exp(-1))),
    "13.2": answer_loss,
}

MISTAKES_A = [
    ("13.1", but(a=4_194_304), "whole matrix"),
    ("13.1", but(b=1600), "need no gradient"),
    ("13.1", but(b=404), "16 bytes each"),
    ("13.1", but(c=8), "can add up"),
    ("13.1", but(d=64), "fills the row"),
    ("13.1", but(e=0.5), "minus its logarithm"),
    ("13.1", but(f=2 / 3), "exponents"),
    ("13.1", but(d=20), "d: 20 is off"),
    ("13.2", lambda *given: answer_loss(*given, shift=0), "place before it"),
    ("13.2", lambda *given: answer_loss(*given, first=1), "first token of the answer"),
    ("13.2", lambda *given: answer_loss(*given, last=-1), "ends it"),
    ("13.2", lambda *given: answer_loss(*given, rows=True), "mean of the rows' means"),
    ("13.2", lambda *given: answer_loss(*given, sign=1), "sign"),
]


# For tests/answers/ch13.py, which imports itertools, math and numpy as np.


def group_advantages(marks, log_p, log_ref, beta, prompt, sign=1, own=False, same=True):
    R = (marks - sign * beta * (log_p - log_ref)).sum(axis=1)
    out = np.zeros(len(R))
    for i in range(len(R)):
        others = [R[j] for j in range(len(R)) if (own or j != i) and (prompt[j] == prompt[i] or not same)]
        out[i] = R[i] - np.mean(others) if others else 0
    return out


def dpo_losses(policy_w, policy_l, ref_w, ref_l, mask_w, mask_l, beta, sign=1, mean=False):
    w, l_ = ((policy_w - ref_w) * mask_w).sum(axis=1), ((policy_l - ref_l) * mask_l).sum(axis=1)
    if mean:
        w, l_ = w / mask_w.sum(axis=1), l_ / mask_l.sum(axis=1)
    return np.logaddexp(0, -sign * beta * (w - l_))


def overflowing(policy_w, policy_l, ref_w, ref_l, mask_w, mask_l, beta):
    with np.errstate(over="ignore"):
        return np.log1p(np.exp(-beta * (((policy_w - ref_w) * mask_w).sum(1) - ((policy_l - ref_l) * mask_l).sum(1))))


def best_of(rewards, n):
    return np.mean([max(chosen) for chosen in itertools.combinations(rewards, n)])


def best_of_again(rewards, n):
    share = np.arange(len(rewards) + 1) / len(rewards)
    return np.diff(share**n) @ np.sort(rewards)


SOLUTIONS_B = {
    "13.3": group_advantages,
    "13.4": dpo_losses,
    "13.5": best_of,
}

MISTAKES_B = [
    ("13.3", lambda *given: group_advantages(*given, own=True), "contains the continuation"),
    ("13.3", lambda *given: group_advantages(*given, same=False), "of the same prompt"),
    ("13.3", lambda *given: group_advantages(*given, sign=-1), "wrong sign"),
    ("13.3", lambda *given: group_advantages(*given, sign=0), "penalty is missing"),
    ("13.3", lambda *given: group_advantages(*given) / given[0].shape[1], "sum over the tokens"),
    ("13.3", lambda marks, *_: 7.7 + 0 * marks[:, 0], "it should be"),
    ("13.4", lambda *given: dpo_losses(*given, sign=-1), "sign is wrong"),
    ("13.4", lambda *given: dpo_losses(*given, mean=True), "This is their mean"),
    (
        "13.4",
        lambda *given: dpo_losses(*given[:4], np.ones_like(given[4]), np.ones_like(given[5]), given[6]),
        "padding",
    ),
    ("13.4", lambda *given: dpo_losses(*given[:6], 1.0), "beta has no effect"),
    ("13.4", overflowing, "overflows"),
    ("13.5", lambda rewards, n: rewards.max(), "largest of all"),
    ("13.5", lambda rewards, n: rewards.mean(), "n = 1 only"),
    ("13.5", best_of_again, "with replacement"),
    ("13.5", lambda rewards, n: 7.7, "it should be"),
]


SOLUTIONS = SOLUTIONS_A | SOLUTIONS_B
MISTAKES = MISTAKES_A + MISTAKES_B
