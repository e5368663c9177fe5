"""Measures a record of chapter 13, half a minute a seed on one core: make records NB=13_over

Section 6: DPO for longer, with the few pairs, the weak penalty and the large learning rate that the chapter shows. At
some steps it stops for a look: the reward that the policy gives itself, for the pairs it learns from and for fresh
ones, and what can be measured from outside, on *Persuasion*.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session

with contextlib.redirect_stdout(io.StringIO()):
    session.start(13)

NAMES = [*record.SHARED["13"], "bits", "stretch", "DPO_BETA", "DPO_RATE"]
LOOKS = (0, 10, 20, 30, 60, 120)  # steps
PAIRS, FRESH = 16, 64  # batches of prompts that pairs are made of; fresh pairs

space, code = record.definitions("13", NAMES)


def margins(pairs):
    """h of each pair: the reward that the policy gives the better answer, less that of the worse one."""
    x, better, worse = pairs
    log_p, log_ref, _ = (
        each.numpy() for each in space["scores"](np.concatenate([x, x]), np.concatenate([better, worse]))
    )
    better, worse = np.split((log_p - log_ref).sum(axis=1), 2)
    return space["DPO_BETA"] * (better - worse)


def look(pairs, fresh, seed):
    """{name: number} of the policy as it is."""
    half = space["BATCH"] // 2
    found = dict(zip(("marks", "spoken", "divergence"), space["judge_policy"](seed, space["held_out"]), strict=True))
    for name, some in (("own pairs", pairs), ("fresh pairs", fresh)):
        batches = [[each[i : i + half] for each in some] for i in range(0, len(some[0]) - half + 1, half)]
        h = np.concatenate([margins(batch) for batch in batches])
        found |= {f"h of {name}": h.mean(), f"{name} in order": np.mean(h > 0)}
    return found | {"bits": space["bits"](space["policy"], space["stretch"])}


def by_preference(x, better, worse):
    """A step of DPO."""
    space["dpo_update"](x, better, worse, space["DPO_BETA"])


def measure(seed, update=by_preference):
    """{name: number} of one seed; `update` takes a step on 16 pairs."""
    half, found = space["BATCH"] // 2, {}
    pairs = space["make_pairs"](PAIRS, seed)
    fresh = [each[:FRESH] for each in space["make_pairs"](PAIRS, seed + 1000)]
    space["restart"](space["DPO_RATE"])
    rng, order = np.random.default_rng([seed, 63]), []
    for step in range(LOOKS[-1] + 1):
        if step in LOOKS:
            found |= {f"step {step}: {what}": value for what, value in look(pairs, fresh, seed).items()}
        if len(order) < half:
            order = rng.permutation(len(pairs[0]))  # an epoch, as in train_dpo
        rows, order = order[:half], order[half:]
        update(*(each[rows] for each in pairs))
    return found


if __name__ == "__main__":
    record.rebuild("13_over", measure, code)
