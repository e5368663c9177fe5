"""Graders for chapter 12, a language model that answers."""

import numpy as np

from .engine import Case, first_off, table


@table
def predictions():
    """12.1: answer() returns six numbers that can be predicted before anything is run."""
    right = (-1.0, 0.8, 536.870912, 3.5, 20 / (7 * 4.5 / 8), 1 / (1 + np.exp(-4.0)))

    def but(place, value, hint):
        return (tuple(value if i == place else ... for i in range(6)), hint)

    yield Case(
        (),
        right,
        [
            but(0, 1.0, "a: the root of the mean square has no sign, but the features keep theirs."),
            but(0, 0.0, "a: that is layer normalization, which takes the mean away."),
            but(0, -3.0, "a: the mean square is 9. Divide by its root."),
            but(2, right[2] * 4, "c: the keys and values are shared: count groups, not query heads."),
            but(2, right[2] / 2, "c: there are keys and values, so twice as many numbers; or a number has two bytes."),
            but(2, right[2] * 2, "c: a number of 16 bits has two bytes."),
            but(3, 3.0, "d: the scale and the minimum take room, too."),
            but(3, 3.25, "d: there is a scale and a minimum: 32 bits for 64 weights."),
            but(3, 4.0, "d: the block has 64 weights, not 32."),
            but(4, right[4] / 8, "e: the memory's speed is in bytes, the weights are in bits."),
            but(
                5, 1 / (1 + np.exp(-2.0)), "f: that is a temperature of 1. Divide the logits by the temperature first."
            ),
            but(5, 1 / (1 + np.exp(-1.0)), "f: the logits are divided by the temperature, not multiplied."),
        ],
        first_off(right, "Write the question down as a formula.", ".3g", rtol=0.006, atol=0.006),
        rtol=0.006,
        atol=0.006,
    )


@table
def decode_q8_0():
    """12.2: answer(raw (n, 34) uint8) returns the weights (n, 32) of n blocks of Q8_0."""
    rng = np.random.default_rng(122)
    for n in (1, 5):
        d = (10.0 ** rng.uniform(-3, 1, (n, 1))).astype("<f2")
        q = rng.integers(-128, 128, (n, 32)).astype(np.int8)
        q[:, 0], q[:, 1] = -128, 127
        raw = np.concatenate([d.view(np.uint8), q.view(np.uint8)], axis=1)
        scale = d.astype(float)
        swapped = np.ascontiguousarray(raw[:, 1::-1]).view("<f2").astype(float)
        yield Case(
            (raw,),
            scale * q,
            [
                (scale * q.view(np.uint8), "the bytes are read as 0 to 255. They are signed: 255 means -1."),
                (scale * (q.view(np.uint8) - 128.0), "128 is taken off each byte. They are signed: 255 means -1."),
                (np.nan_to_num(swapped) * q, "the two bytes of the scale are swapped: the lower one comes first."),
                (q.astype(float), "the scale is missing."),
                (scale * raw[:, :32].view(np.int8), "the numbers begin after the two bytes of the scale."),
            ],
            f"the first block has the scale {scale[0, 0]:.4g} and begins with {q[0, :3]}.",
            rtol=1e-5,
        )


@table
def turn():
    """12.3: answer(x (T, d), positions (T,), base) returns x with each pair of features turned by RoPE."""
    rng = np.random.default_rng(123)
    for T, d, base in ((1, 2, 100.0), (4, 8, 100.0), (6, 12, 10_000.0)):
        x, positions = rng.normal(size=(T, d)), np.arange(3, 3 + T)
        a, b, half = x[:, ::2], x[:, 1::2], d // 2

        def turned(angles, a=a, b=b, in_place=False):
            first = a * np.cos(angles) - b * np.sin(angles)
            second = (first if in_place else a) * np.sin(angles) + b * np.cos(angles)
            return np.stack([first, second], axis=-1).reshape(len(a), -1)

        angles = positions[:, None] * base ** (-np.arange(half) / half)
        slower = positions[:, None] * base ** (-np.arange(half) / d)
        yield Case(
            (x, positions, base),
            turned(angles),
            [
                (turned(angles, in_place=True), "a is a view of x, and it is overwritten before its second use."),
                (turned(slower, in_place=True), "both mistakes are still there: a is a view of x, and the exponent."),
                (turned(slower), "the exponent is 2 i / d for pair i. This takes i / d."),
                (turned(-angles), "it turns backwards: the sines have the wrong signs."),
                (turned(angles[:, ::-1]), "the first pair turns fastest, by one radian a token. Here it is the last."),
            ],
            f"for T = {T}, d = {d} and base {base:g}, row 0 at position 3 should be {turned(angles)[0].round(2)}.",
        )


@table
def nucleus():
    """12.4: answer(p (V,), share) returns the probabilities of nucleus sampling."""
    rng = np.random.default_rng(124)
    cases = [(np.array([0.1, 0.5, 0.25, 0.15]), share) for share in (0.6, 0.75, 0.3, 1.0)]
    drawn = rng.dirichlet(np.full(50, 0.3))
    cases += [(drawn, 0.9), (drawn, 0.5)]
    for p, share in cases:
        order = np.argsort(p)[::-1]
        total = np.cumsum(p[order])
        count = int(np.sum(total - p[order] < share - 1e-12))

        def kept(count, p=p, order=order):
            out = np.zeros(len(p))
            out[order[:count]] = p[order[:count]]
            return out

        right = kept(count) / kept(count).sum()
        lower = np.zeros(len(p))
        lower[order[-count:]] = p[order[-count:]]
        fewer = kept(max(count - 1, 1))
        yield Case(
            (p, share),
            right,
            [
                (kept(count), "what is left does not add up to 1: divide by its sum."),
                (right[order], "these are in the order of their size. Asked is the order of p."),
                (fewer / fewer.sum(), f"together these have less than {share:g}: one more token belongs to them."),
                (kept(count + 1) / kept(count + 1).sum(), f"one token fewer has at least {share:g} already."),
                (
                    np.where(p >= share, p, 0),
                    "each token is compared with the share. Asked is what they have together.",
                ),
                (lower / lower.sum(), "these are the least probable ones."),
            ],
            f"for p = {p[:4].round(3)}{'…' * (len(p) > 4)} and a share of {share:g} the largest of the result is "
            f"{right.max():.3f}, and {count} are not zero.",
        )


@table
def calibrated():
    """12.5: answer(log_p (n, k), blank (k,)) returns the classes (n,), each divided by the empty input's."""
    rng = np.random.default_rng(128)
    for n, k in ((12, 3), (10, 4)):
        blank = np.log(rng.dirichlet(np.full(k, 9.0))) - rng.uniform(1, 2)
        blank[0] += 0.8  # the class that the model prefers before it has read anything
        log_p = blank + rng.normal(size=(n, k)) * 1.5 - rng.uniform(0, 2, (n, 1))
        right = (log_p - blank).argmax(axis=1)
        p, q = np.exp(log_p), np.exp(blank)
        yield Case(
            (log_p, blank),
            right,
            [
                (log_p.argmax(axis=1), "these are the classes without calibration: `blank` has no effect."),
                (
                    (log_p - blank).argmin(axis=1),
                    "this takes the class that the text speaks against: argmax, not argmin.",
                ),
                ((log_p + blank).argmax(axis=1), "this multiplies with the answer to the empty input. Divide by it."),
                (
                    (log_p / blank).argmax(axis=1),
                    "log_p and blank are logarithms: a quotient of probabilities is a difference of these.",
                ),
                (
                    (p - q).argmax(axis=1),
                    "this is a difference of probabilities. It should be a quotient, p / p of the empty input.",
                ),
                (
                    (log_p - log_p.mean(axis=0)).argmax(axis=1),
                    "this subtracts the mean over the rows. Subtract the answer to the empty input, `blank`.",
                ),
            ],
            lambda got, right=right: f"the classes should be {right.tolist()}, not {got.astype(int).tolist()}.",
        )


GRADERS = {"12.1": predictions, "12.2": decode_q8_0, "12.3": turn, "12.4": nucleus, "12.5": calibrated}
