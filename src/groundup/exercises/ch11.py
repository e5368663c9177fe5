"""Graders for chapter 11, scaling out."""

import numpy as np

from .engine import Case, near, table


@table
def combine():
    """11.1: answer(parts (N, d), sizes (N,)) returns the gradient (d,) of the whole batch."""
    rng = np.random.default_rng(111)
    for parts, sizes in (
        (np.array([[1.0], [19 / 3]]), np.array([1, 3])),
        (rng.normal(size=(5, 3)), rng.integers(2, 60, 5)),
        (rng.normal(size=(3, 4)), np.array([7, 7, 9])),
    ):
        right = sizes @ parts / sizes.sum()
        turned = 1 / sizes
        yield Case(
            (parts, sizes),
            right,
            [
                (parts.mean(axis=0), "this is the plain mean. A shard with more examples counts for more."),
                (parts.sum(axis=0), "this is the sum. Each part is a mean; the batch's gradient is one, too."),
                (sizes @ parts, "this is the sum over all examples. Divide by how many there are in all."),
                (sizes @ parts / len(sizes), "divide by the number of all examples, not by the number of workers."),
                (parts.sum(axis=0) / sizes.sum(), "multiply each part by its size: a part is a mean, not a sum."),
                (
                    turned @ parts / turned.sum(),
                    "this gives the small shards the larger weight. Multiply by the sizes.",
                ),
                (np.median(parts, axis=0), "this is the median. Asked is a weighted mean."),
            ],
            f"for shards of {sizes.tolist()} examples it should be {right.round(4)}.",
        )


@table
def ring_time():
    """11.2: answer(numbers, workers, latency, rate) returns the seconds of a ring all-reduce of float32 numbers."""
    for numbers, workers, latency, rate in (
        (1_000_000, 4, 1e-4, 1e9),
        (64, 8, 5e-5, 2e9),
        (3_000_000, 2, 2e-3, 1e8),
        (1_000, 1, 1e-3, 1e9),
    ):
        rounds, size = 2 * (workers - 1), 4 * numbers
        chunk = size / workers
        right = rounds * (latency + chunk / rate)
        if workers == 1:
            otherwise = "one worker alone has nothing to send: 0 seconds."
        else:
            otherwise = f"for {numbers} numbers and {workers} workers it should be {right:.6f} s, got {{got:.6f}}."
        yield Case(
            (numbers, workers, latency, rate),
            right,
            [
                (rounds * (latency + chunk / 4 / rate), "a float32 number has 4 bytes."),
                (rounds * (latency + 2 * chunk / rate), "a float32 number has 4 bytes, not 8."),
                (rounds * (latency + 8 * chunk / rate), "the rate is in bytes per second, not in bits."),
                (right / 2, "this is one half of the ring. After adding, the finished chunks go round as well."),
                (rounds * (latency + size / rate), "a message is one chunk, the workers' share of the gradient."),
                (rounds * latency + chunk / rate, "every round sends a chunk: the bytes count in each of them."),
                (latency + rounds * chunk / rate, "every round has its latency."),
                (rounds * chunk / rate, "the latency is missing."),
                (rounds * latency, "the bytes are missing."),
                (2 * workers * (latency + chunk / rate), "there are N - 1 rounds in each half, not N."),
                (rounds * (latency + chunk * rate), "divide the bytes by the rate."),
                (rounds * (latency + size / rate) * workers, "all workers send at the same time."),
            ],
            otherwise,
            atol=1e-15,
        )


@table
def device_parts():
    """11.3: answer(X (n, d), A (d, h), B (h, m), devices) returns what each device finds, (devices, n, m)."""
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
                "should be the output, and no device may hold all of A and B.",
            ),
            (
                np.repeat(whole[None] / devices, devices, axis=0),
                "the sum is right, but each device did everything. Cut A by columns and B by rows.",
            ),
            (right[::-1], "these are the right parts in the reverse order of devices."),
        ]
        if d % devices == 0:
            bands = zip(np.split(X, devices, axis=1), np.split(A, devices), strict=True)
            wrong.append(
                (
                    np.array([_relu(x @ a) @ B for x, a in bands]),
                    "A is cut by rows here, and ReLU of parts is not a part of ReLU. Cut it by columns.",
                )
            )
        wrong.append(
            (
                lambda got, whole=whole: near(got.sum(axis=0), whole),
                "the sum is the output, but the parts are others: device i has the i-th band of A's columns "
                "and the same band of B's rows.",
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
def bytes_on_a_device():
    """11.4: answer(parameters, workers, gradients) returns the bytes on a device, states sharded."""
    for parameters, workers, gradients in ((7.5e9, 64, False), (7.5e9, 64, True), (1e6, 3, True), (1e9, 1, False)):
        shared, other = (2 / workers, 2) if gradients else (2, 2 / workers)
        right = parameters * (2 + shared + 12 / workers)
        case = f"{parameters:.3g} parameters, {workers} workers, gradients={gradients}"
        yield Case(
            (parameters, workers, gradients),
            right,
            [
                (parameters * 16, "nothing is sharded here."),
                (parameters * 16 / workers, "the weights stay whole on every device."),
                (parameters * (2 + other + 12 / workers), "the gradients are sharded only if `gradients` is true."),
                (parameters * (2 + shared + 12), "the states are always sharded: 12 / workers."),
                (parameters * (2 + shared), "the states are missing: 12 bytes each, over all workers."),
                (parameters * (2 + 12 / workers), "the gradients are missing."),
                (parameters * (shared + 12 / workers), "the weights are missing."),
                (
                    parameters * (2 + shared + 8 / workers),
                    "the states are the copy in 32 bits as well as Adam's two averages: 12 bytes.",
                ),
                (right * workers, "this is for all devices together."),
                (right / 1e9, "these are gigabytes. Asked are bytes."),
                (parameters * (4 + shared + 12 / workers), "a weight has 2 bytes here."),
            ],
            f"for {case} it should be {right:.4g}, got {{got:.4g}}.",
        )


@table
def reduce_scatter():
    """11.5: answer(parts (N, N, m)) returns the workers' chunks (N, N, m) after N - 1 rounds of the ring."""
    rng = np.random.default_rng(115)
    for N, m in ((2, 1), (3, 2), (5, 4)):
        parts = rng.normal(size=(N, N, m))
        right = _rounds(parts, N - 1)
        yield Case(
            (parts,),
            right,
            [
                (parts, "nothing was sent: this is what the workers began with."),
                (
                    np.repeat(parts.sum(axis=0)[None], N, axis=0),
                    "this is the whole all-reduce. After the first half each "
                    "worker has one finished chunk, the others are partly added.",
                ),
                (_rounds(parts, N), "this is one round too many: N - 1 rounds."),
                (_rounds(parts, N - 2), "one round is missing: N - 1 rounds."),
                (_rounds(parts, N - 1, keep=False), "the packet replaces the worker's own chunk here. Add it."),
                (
                    _rounds(parts, N - 1, to=-1),
                    "the packets go to the worker on the left. The right neighbour is k + 1.",
                ),
                (
                    _rounds(parts, N - 1, forward=True),
                    "in round t worker k sends chunk k - t, which it has just added to; this sends k + t.",
                ),
            ],
            f"with {N} workers, worker 0 should end with chunk {1 % N} finished: {right[0, 1 % N].round(3)}.",
        )


def _relu(z):
    return np.maximum(z, 0)


def _same(z):
    return z


def _rounds(parts, rounds, keep=True, to=1, forward=False):
    """The first rounds of a ring, with parts to get wrong."""
    N, held = len(parts), parts.copy()
    for t in range(rounds):
        chunk = [(k + t if forward else k - t) % N for k in range(N)]
        packets = [held[k, chunk[k]].copy() for k in range(N)]
        for k in range(N):
            held[(k + to) % N, chunk[k]] = packets[k] + (held[(k + to) % N, chunk[k]] if keep else 0)
    return held


GRADERS = {"11.1": combine, "11.2": ring_time, "11.3": device_parts, "11.4": bytes_on_a_device, "11.5": reduce_scatter}
