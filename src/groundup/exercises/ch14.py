"""Graders for chapter 14, smaller and served."""

import math

import numpy as np

from .engine import Case, first_off, table


@table
def predictions():
    """14.1: answer() returns six numbers that can be predicted before anything is run."""
    right = (0.02, 576_000.0, 0.06 / math.sqrt(12), 320.0, 2 * (0.5 - 1 / (1 + math.exp(-2))), 0.5)

    def but(place, value, hint):
        return (tuple(value if i == place else ... for i in range(6)), hint)

    yield Case(
        (),
        right,
        [
            but(0, 2.54 / 128, "a: the symmetric grid leaves out the code −128. The largest is 127."),
            but(0, 2 * 2.54 / 255, "a: that is close. A symmetric grid has 127 steps up and 127 down."),
            but(0, 2.54 / 255, "a: the codes have both signs, so 127 steps lead up to the largest magnitude."),
            but(1, 512_000.0, "b: the scales are missing: two bytes for each 32 weights."),
            but(1, 544_000.0, "b: a scale has two bytes, not one."),
            but(1, 1_088_000.0, "b: two weights of four bits share a byte."),
            but(2, 0.06, "c: that is the step. The error is uniform within half a step on both sides."),
            but(2, 0.03, "c: that is the largest error, not its root mean square."),
            but(2, 0.06**2 / 12, "c: that is the mean square. Take the root."),
            but(2, 0.06 / math.sqrt(3), "c: the error goes from −s/2 to s/2, not from −s to s."),
            but(3, 400.0, "d: that is the largest rank that the matrix can have. When is r (m + n) = m n?"),
            but(3, 200.0, "d: half the width is right for a square matrix only."),
            but(4, 0.5 - 1 / (1 + math.exp(-2)), "e: the factor T is missing: T² · 1/T."),
            but(4, 4 * (0.5 - 1 / (1 + math.exp(-2))), "e: the chain rule gives 1/T."),
            but(4, -2 * (0.5 - 1 / (1 + math.exp(-2))), "e: the sign: the gradient is T (q − p), q the student's."),
            but(4, 2 * (0.5 - 1 / (1 + math.exp(-4))), "e: the teacher's logits have to be divided by T, too."),
            but(5, 0.25, "f: each weight that is left needs its column as well."),
            but(5, 1.5, "f: a quarter of the weights is left, not three quarters."),
        ],
        first_off(right, "Write the question down as a formula.", ".4g", rtol=0.002, atol=1e-9),
        rtol=0.002,
        atol=1e-9,
    )


@table
def integer_product():
    """14.2: answer(codes_x, step_x, zero, codes_w, steps_w) returns what the product of codes stands for."""
    rng = np.random.default_rng(142)
    for n, k, m, step_x, zero in ((2, 3, 2, 0.5, 10), (3, 200, 4, 0.02, 128), (1, 64, 5, 0.1, 0)):
        codes_x = rng.integers(0, 256, (n, k)).astype(np.uint8)
        codes_w = rng.integers(-127, 128, (k, m)).astype(np.int8)
        steps_w = rng.uniform(0.001, 0.01, m)
        x, w = codes_x.astype(float), codes_w.astype(float)
        scale = step_x * steps_w
        right = scale * ((x - zero) @ w)
        small = (codes_x @ codes_w).astype(float)  # uint8 by int8 gives int16
        wrong = [
            (scale * (small - zero * w.sum(axis=0)), "this overflows: small integers stay small integers."),
            (
                scale * ((codes_x - np.uint8(zero)).astype(float) @ w),
                "code minus zero point is below 0, and uint8 wraps around: widen the codes first.",
            ),
            (step_x * ((x - zero) @ w), "the weights' steps are missing."),
            (steps_w * ((x - zero) @ w), "the inputs' step is missing."),
            ((x - zero) @ w, "this is the sum of codes. It has to be multiplied by both steps."),
            (step_x * steps_w.mean() * ((x - zero) @ w), "each output has a step of its own."),
        ]
        if zero:
            wrong += [
                (scale * (x @ w), "the zero point is missing: the code `zero` stands for 0."),
                (scale * ((x + zero) @ w), "the zero point has the wrong sign."),
                (scale * (x @ w - zero), "the zero point counts once for each weight: subtract zero times their sum."),
            ]
        yield Case(
            (codes_x, step_x, zero, codes_w, steps_w),
            right,
            wrong,
            f"for {k} inputs and the zero point {zero}, the first number should be {right[0, 0]:.4f}.",
            rtol=1e-6,
            atol=1e-9,
        )


@table
def copies():
    """14.3: answer(rate, D, limit) returns the least number of copies with a mean latency of at most limit."""

    def least(rate, D, limit, square=1.0, waiting=False, whole=False):
        if limit <= D and not waiting:
            return 0
        for c in range(1, 10_000):
            load, share = rate * D / c, rate if whole else rate / c
            if load < 1 and (not waiting) * D + square * share * D**2 / (2 * (1 - load)) <= limit:
                return c
        return 0

    for rate, D, limit in ((90, 0.01, 0.02), (300, 0.012, 0.015), (50, 0.1, 0.3), (10, 0.05, 0.06), (40, 0.1, 0.1)):
        right = least(rate, D, limit)
        found = [
            (least(rate, D, limit, waiting=True), "this bounds the waiting time. The service counts, too."),
            (least(rate, D, limit, square=2.0), "this is for exponential services. All of these take the same time."),
            (least(rate, D, limit, whole=True), "each copy gets only its share of the rate, also in the numerator."),
            (math.ceil(rate * D), "this only brings the load to 1, or below it. Is the latency below the limit?"),
        ]
        if right == 0:
            hint = "the service alone takes D. No number of copies makes it shorter."
            found.insert(0, (lambda got: float(got) > 0, hint))
        yield Case(
            (rate, D, limit),
            right,
            [(value, hint) for value, hint in found if callable(value) or value != right],
            f"for a rate of {rate}, D = {D} and a limit of {limit} it should be {right}.",
        )


@table
def felt():
    """14.4: answer(due, took (n,)) returns the seconds from the time each was due to its answer."""
    rng = np.random.default_rng(144)
    for due, took in (
        (np.array([0.0, 1.0, 2.0, 3.0, 9.0]), np.array([0.5, 4.0, 0.5, 0.5, 0.5])),
        (5 + np.cumsum(rng.exponential(1.0, 8)), rng.exponential(0.9, 8)),
    ):
        start, end = [], -np.inf
        for at, seconds in zip(due, took, strict=True):
            start.append(max(at, end))
            end = start[-1] + seconds
        start = np.array(start)
        before = np.r_[-np.inf, (due + took)[:-1]]
        yield Case(
            (due, took),
            start + took - due,
            [
                (took, "this is what the client noted. Count from the time at which each was due."),
                (start - due, "this is how late each was sent. The answer took time as well."),
                (start + took, "these are the times of the answers. Count from the time at which each was due."),
                (
                    np.maximum(due, before) + took - due,
                    "the one before may itself have been sent late. Carry the time of its answer along.",
                ),
                (np.cumsum(took) + due[0] - due, "nothing is sent before its time. The client waits."),
            ],
            lambda got, right=start + took - due: f"it should be {np.round(right, 3).tolist()}.",
        )


@table
def alarm():
    """14.5: answer(held_out (n,), rate, new (m,)) returns (threshold, share of new above it)."""
    rng = np.random.default_rng(145)
    for n, rate in ((19, 0.1), (99, 0.05), (50, 0.2)):
        held_out, new = rng.exponential(size=n).round(3), rng.exponential(1.5, 40)
        order = np.sort(held_out)
        k = math.ceil((n + 1) * (1 - rate) - 1e-9)
        new = np.r_[new, order[k - 1]]  # one that is equal does not ring

        def pair(threshold, new=new):
            return (threshold, np.mean(new > threshold))

        right = pair(order[k - 1])
        low = math.ceil(n * (1 - rate) - 1e-9)
        wrong = [
            (pair(np.quantile(held_out, 1 - rate)), "np.quantile lies between two values, and promises less."),
            ((right[0], np.mean(new >= right[0])), "a value equal to the threshold does not ring."),
            ((right[0], 1 - right[1]), "that is the share which does not ring."),
            (pair(np.quantile(new, 1 - rate)), "the threshold is set on the held-out values and kept."),
            (pair(order[min(k, n - 1)]), "one smaller value keeps the promise, too."),
            (pair(order[low - 1]), "the new value makes one more: there are n + 1 places, not n."),
            (pair(order[max(low - 2, 0)]), "count the places from 1: the k-th smallest stands at k - 1."),
        ]
        yield Case(
            (held_out, rate, new),
            right,
            [each for each in wrong if each[0] != right],
            f"for n = {n} and a rate of {rate} the threshold is {right[0]:.3f} and the share {right[1]:.3f}.",
        )


GRADERS_B = {"14.3": copies, "14.4": felt, "14.5": alarm}


GRADERS = {"14.1": predictions, "14.2": integer_product} | GRADERS_B
