"""Numbers of docs/errata.md that chapter 11 corrects, computed anew."""

LATENCY = 1e-4  # seconds


def bfloat16(number):
    """A small whole number rounded to 8 significant bits, ties to even."""
    bits = max(int(number).bit_length() - 8, 0)
    return round(number / 2**bits) * 2**bits


def efficiency(workers, seconds=1.0, size=678_912, latency=LATENCY, rate=1e9 / 8):
    """Of a second of work shared by so many workers, with a ring all-reduce after it."""
    talk = 2 * (workers - 1) * (latency + size / workers / rate)
    return seconds / (workers * (seconds / workers + talk))


RECOMPUTED = {
    "E11-1": lambda: {
        "678,912": 4 * (2 * (12 * 64**2 + 13 * 64) + (1024 + 64) * 64 + 2 * 64),
        "0.1": 1e3 * LATENCY,  # milliseconds
        "0.99": efficiency(2),
        "0.40": efficiency(64),
    },
    "E11-3": lambda: {"256": bfloat16(256 + 1)},
    "E11-4": lambda: {"16": 4 * (1 + 1 + 2), "8": 4 * (1 + 1)},
}
