"""How fast this machine is, and how long chapters take on it, judged by the machines that were measured before.

docs/budget.json holds those: for each kind of machine, named by its widest vector instructions, the speed of a matrix
product and the seconds and megabytes of each chapter. `make budget` writes it.
"""

import json
import math
import os
import time

SIDE = 2048  # of the square matrices that are multiplied, float32
INSTRUCTIONS = {
    "AVX512F": "AVX-512",
    "AVX512_SKX": "AVX-512",
    "X86_V4": "AVX-512",
    "AVX2": "AVX2",
    "X86_V3": "AVX2",
    "AVX": "AVX",
    "NEON": "NEON",
    "ASIMD": "NEON",
}  # NumPy's names, widest first


def gflops(seconds=0.5):
    """Speed of a float32 matrix product in NumPy, in 10**9 operations a second: the best of `seconds` of trying."""
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.random((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    a @ b  # the first one starts the threads
    best, end = math.inf, time.perf_counter() + seconds
    while best == math.inf or time.perf_counter() < end:
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2 * SIDE**3 / best / 1e9


def instructions():
    """The widest vector instructions that NumPy finds on this processor: "AVX-512", "AVX2", "AVX", "NEON" or "none"."""
    import numpy as np

    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    present = {*simd.get("baseline", []), *simd.get("found", [])}
    return next((name for flag, name in INSTRUCTIONS.items() if flag in present), "none")


def read(file):
    """The budget of a file: {instructions: {"gflops": number, "chapters": {stem: [seconds, MB]}}}; {} if unreadable."""
    try:
        budget = json.loads(file.read_text(encoding="utf-8"))
        for about in budget.values():
            _ = float(about["gflops"]), [(float(s), float(mb)) for s, mb in about["chapters"].values()]
        return budget
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def expect(budget, stems, speed):
    """Seconds that chapters will take on a machine of this speed, or None if one of them was never measured.

    Args:
        budget: as `read` gives it.
        stems: names of the chapters, such as "01_gradient_descent".
        speed: GFLOP/s of this machine.

    Of one machine measured before, time is taken to go with 1/speed. Of two or more, with the power of the speed that
    joins the fastest and the slowest (not all work is multiplication), kept between 0 and 1.
    """
    known = sorted(
        (about["gflops"], sum(about["chapters"][stem][0] for stem in stems))
        for about in budget.values()
        if all(stem in about["chapters"] for stem in stems)
    )
    if not known or not stems:
        return None
    (low, long), (high, short) = known[0], known[-1]
    power = math.log(long / short) / math.log(high / low) if high > low else 1.0
    near, seconds = min(known, key=lambda pair: abs(math.log(pair[0] / speed)))
    return seconds * (near / speed) ** min(max(power, 0.0), 1.0)


def words(budget, stems, speed):
    """One or two sentences: this machine, those of the budget, and how long the chapters will take here."""
    lines = [f"This machine: {os.cpu_count()} cores, {instructions()}, {speed:.0f} GFLOP/s ({SIDE}² float32 product)."]
    if budget:
        table = ", ".join(f"{about['gflops']:.0f} with {name}" for name, about in sorted(budget.items()))
        lines[0] = f"{lines[0][:-1]}; the README's table: {table}."
    seconds = expect(budget, stems, speed)
    if seconds is not None:
        time_ = f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
        lines.append(f"{len(stems)} chapter{'s' * (len(stems) > 1)} will take about {time_} here.")
    return "\n".join(lines)
