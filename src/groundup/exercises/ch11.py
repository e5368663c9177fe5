"""Graders for chapter 11, scaling out."""

import numpy as np

from .engine import Case, near, table


@table
def mended_step():
    """11.1: answer(parts (N, d), tokens (N,), limit) returns the gradient (d,) of one worker, clipped."""
    rng = np.random.default_rng(111)
    for parts, tokens, limit in (
        (np.array([[3.0], [12.0]]), np.array([1, 2]), 6.0),
        (rng.normal(size=(3, 4)), np.array([7, 19, 2]), 0.2),
        (rng.normal(size=(4, 3)), np.array([5, 30, 12, 8]), 500.0),
        (rng.normal(size=(2, 5)), np.array([9, 4]), 0.7),
    ):
        mean = tokens @ parts / tokens.sum()
        right = _clipped(mean, limit)
        each = np.array([_clipped(part, limit) for part in parts])
        turned = (1 / tokens) @ parts / (1 / tokens).sum()
        yield Case(
            (parts, tokens, limit),
            right,
            [
                (each.mean(axis=0), "both mistakes are still in it: clipping before averaging, and the plain mean."),
                (tokens @ each / tokens.sum(), "each part is clipped before the mean. Clip the mean."),
                (_clipped(parts.mean(axis=0), limit), "a worker with more tokens counts for more: weight by `tokens`."),
                (mean, "it is not clipped."),
                (parts.mean(axis=0), "this is the plain mean, not clipped. Weight by `tokens`, then clip."),
                (_clipped(tokens @ parts, limit), "divide by the number of all tokens before you clip."),
                (_clipped(tokens @ parts / len(tokens), limit), "divide by the number of all tokens, not of workers."),
                (_clipped(turned, limit), "this gives the small shards the larger weight. Multiply by `tokens`."),
                (np.clip(mean, -limit, limit), "this clips each entry. Clip the norm: the direction stays."),
                (
                    mean / np.linalg.norm(mean) * limit,
                    "a gradient shorter than the limit stays as it is; this makes it longer.",
                ),
            ],
            f"for {tokens.tolist()} tokens and the limit {limit:g} it should be {right.round(4)}.",
        )


@table
def best_workers():
    """11.2: answer(seconds, numbers, latency, rate, most) returns the number of workers with the shortest step."""
    for seconds, numbers, latency, rate, most in (
        (1.0, 1_000_000, 1e-3, 1e9, 64),
        (0.1, 100_000, 1e-4, 1e9, 200),
        (5.0, 400_000_000, 2e-4, 1e9, 300),
        (0.01, 2_000_000, 1e-3, 1e8, 30),
        (10.0, 1_000, 1e-5, 1e9, 40),
    ):
        right = _fastest(seconds, numbers, latency, rate, most)
        yield Case(
            (seconds, numbers, latency, rate, most),
            right,
            [
                (_fastest(seconds, numbers, latency, rate, most, size=1), "a float32 number has 4 bytes."),
                (_fastest(seconds, numbers, latency, rate, most, halves=1), "the ring has two halves of N - 1 rounds."),
                (
                    _fastest(seconds, numbers, latency, rate, most, share=False),
                    "a message is one chunk: 1/N of the bytes.",
                ),
                (_fastest(seconds, numbers, 0, rate, most), "the latency is missing."),
                (
                    lambda got, right=right: got == right - 1,
                    "this is one too few. argmin counts from 0, workers count from 1.",
                ),
                (lambda got, most=most: got == most, "more workers send more messages: the latency counts each time."),
                (
                    lambda got, most=most: not 1 <= got <= most or got != round(float(got)),
                    "asked is a whole number from 1 to `most`.",
                ),
            ],
            f"with {seconds:g} s of work, {numbers} numbers, {latency:g} s and {rate:g} bytes/s it should be {right}, "
            "got {got:.0f}.",
        )


@table
def device_parts():
    """11.3: answer(X (n, d), W1 (d, h), W2 (h, m), devices) returns what each device finds, (devices, n, m)."""
    rng = np.random.default_rng(113)
    for n, d, h, m, devices in ((3, 4, 8, 4, 4), (2, 4, 12, 3, 3), (5, 2, 6, 2, 2)):
        X, A, B = (rng.normal(size=shape) for shape in ((n, d), (d, h), (h, m)))

        def parts(between, after, X=X, A=A, B=B, devices=devices):
            bands = zip(np.split(A, devices, axis=1), np.split(B, devices), strict=True)
            return np.array([after(between(X @ a) @ b) for a, b in bands])

        right, whole = parts(_relu, _same), _relu(X @ A) @ B
        wrong = [
            (parts(_same, _same), "the ReLU between the layers is missing."),
            (parts(_same, _relu), "the ReLU comes between the two layers, not after them."),
            (parts(_relu, _relu), "there is no ReLU after the second layer; with it the parts no longer add up."),
            (
                np.repeat(whole[None], devices, axis=0),
                "this gives the whole output to each. The *sum* of the parts "
                "should be the output, and no device may hold all of W1 and W2.",
            ),
            (
                np.repeat(whole[None] / devices, devices, axis=0),
                "the sum is right, but each device did everything. Cut W1 by columns and W2 by rows.",
            ),
            (right[::-1], "these are the right parts in the reverse order of devices."),
        ]
        if d % devices == 0:
            bands = zip(np.split(X, devices, axis=1), np.split(A, devices), strict=True)
            wrong.append(
                (
                    np.array([_relu(x @ a) @ B for x, a in bands]),
                    "W1 is cut by rows here, and ReLU of parts is not a part of ReLU. Cut it by columns.",
                )
            )
        wrong.append(
            (
                lambda got, whole=whole: near(got.sum(axis=0), whole),
                "the sum is the output, but the parts are others: device i has the i-th band of W1's columns "
                "and the same band of W2's rows.",
            )
        )
        if n == m:
            wrong.append((right.transpose(0, 2, 1), "each part is transposed."))
        yield Case(
            (X, A, B, devices),
            right,
            wrong,
            lambda got, devices=devices, whole=whole: (
                f"for {devices} devices the sum of the parts is off by {np.abs(got.sum(axis=0) - whole).max():.3f}."
            ),
        )


@table
def workers_needed():
    """11.4: answer(parameters, memory, stage) returns the smallest number of workers whose memory is enough, or 0."""
    for parameters, memory, stage in (
        (175e9, 80e9, 3),
        (175e9, 80e9, 1),
        (175e9, 80e9, 2),
        (7e9, 40e9, 1),
        (30e9, 65e9, 2),
        (1e9, 80e9, 1),
    ):
        right = _needed(parameters, memory, stage)
        case = f"{parameters:.3g} parameters, {memory:.3g} bytes and stage {stage}"
        wrong = [
            (
                lambda got: got < 0,
                "a number of workers is not negative: what if the rest alone is more than the memory?",
            ),
            (lambda got: got != round(float(got)), "asked is a whole number of workers: round up."),
        ]
        if right == 0:
            wrong.append(
                (lambda got: got > 0, "what is not sharded is more than the memory already: no number will do, so 0.")
            )
        wrong += [
            (float(np.ceil(16 * parameters / memory)), "this shares everything. What stays whole at this stage?"),
            (
                _needed(parameters, memory, stage, first=(2, 3, 1)),
                "stage 1 shares the states; the gradients come with 2.",
            ),
            (
                _needed(parameters, memory, stage, states=8),
                "the states are 12 bytes: a copy in 32 bits and two averages.",
            ),
            (right - 1, "with one worker less they do not fit: round up."),
            (right + 1, "one worker less is enough. Round up only what is not whole."),
        ]
        yield Case((parameters, memory, stage), right, wrong, f"for {case} it should be {right}, got {{got:.0f}}.")


@table
def last_bucket():
    """11.5: answer(ready, sizes, bucket, latency, rate) returns the seconds until the last bucket is sent."""
    rng = np.random.default_rng(115)
    even = np.arange(1, 17) * 1e-3, np.full(16, 1e6)
    for (ready, sizes), bucket, latency, rate in (
        (even, 4e6, 2e-3, 2e9),
        (even, 1e6, 2e-3, 2e9),
        (even, 3e6, 1e-4, 5e9),
        ((np.cumsum(rng.random(9)), rng.integers(1, 9, 9) * 1e5), 1e6, 0.05, 2e6),
        ((np.array([1.0, 2.0]), np.array([10.0, 10.0])), 1e3, 0.5, 10.0),
    ):
        case = (ready, sizes, bucket, latency, rate)
        right = _buckets(*case)
        yield Case(
            case,
            right,
            [
                (
                    _buckets(*case, rest=False),
                    "the last bucket is missing: it is sent with whatever is left, also if it is not full.",
                ),
                (_buckets(*case, wait=False), "a bucket waits until the one before it is through."),
                (
                    _buckets(*case, overlap=False),
                    "nothing is overlapped here: a bucket is sent as soon as it is closed.",
                ),
                (_buckets(ready, sizes, bucket, 0, rate), "the latency of each bucket is missing."),
                (_buckets(ready, sizes, 0, latency, rate), "each layer is sent alone here. Fill the buckets first."),
                (
                    _buckets(ready, sizes, np.inf, latency, rate),
                    "all is in one bucket here. Close it at `bucket` bytes.",
                ),
                (_buckets(*case, early=True), "a bucket waits for its *last* gradient, not for its first."),
                (float(sizes.sum() / rate), "this is the time of the bytes alone."),
            ],
            f"for buckets of {bucket:g} bytes it should be {right:.6f} s, got {{got:.6f}}.",
        )


def _relu(z):
    return np.maximum(z, 0)


def _same(z):
    return z


def _clipped(g, limit):
    return g * min(1, limit / np.linalg.norm(g))


def _fastest(seconds, numbers, latency, rate, most, size=4, halves=2, share=True):
    """Number of workers with the shortest step, with parts to get wrong."""
    N = np.arange(1, most + 1)
    talk = halves * (N - 1) * (latency + size * numbers / (N if share else 1) / rate)
    return int(N[np.argmin(seconds / N + talk)])


def _needed(parameters, memory, stage, first=(1, 2, 3), states=12):
    """Number of workers, with parts to get wrong; first: the stages that share states, gradients and weights."""
    kinds = list(zip(first, (states, 2, 2), strict=True))
    whole = sum(b for begin, b in kinds if stage < begin) * parameters
    shared = sum(b for begin, b in kinds if stage >= begin) * parameters
    return int(np.ceil(shared / (memory - whole))) if memory > whole else 0


def _buckets(ready, sizes, bucket, latency, rate, rest=True, wait=True, overlap=True, early=False):
    """When the last bucket is through, with parts to get wrong."""
    through, held, first = 0.0, 0.0, None
    for i, (at, size) in enumerate(zip(ready, sizes, strict=True)):
        held, first = held + size, at if first is None else first
        if held >= bucket or (rest and i == len(sizes) - 1):
            begin = ready[-1] if not overlap else first if early else at
            through = (max(through, begin) if wait else begin) + latency + held / rate
            held, first = 0.0, None
    return float(through)


GRADERS = {
    "11.1": mended_step,
    "11.2": best_workers,
    "11.3": device_parts,
    "11.4": workers_needed,
    "11.5": last_bucket,
}
