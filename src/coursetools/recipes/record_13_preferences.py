"""Measures a record of chapter 13, two minutes a seed on one core: make records NB=13_preferences

Policy gradient, DPO and best of n on chapter 08's GPT, with the reward, the prompts and the functions of chapter 13.
Policy gradient and DPO have the same compute, counted in passes over tokens, a backward pass as two. Seed 0 tries three
learning rates with each of three penalties for either method, on prompts of *Northanger Abbey*. A method's rate is the
one with which some penalty lets it speak most while it stays within LIMIT nats of the reference. Seeds 1 to 5 are
judged on *Persuasion*, each method at its own rate, with all penalties.
"""

import contextlib
import csv
import io

from coursetools import records
from coursetools.recipes import record
from groundup import session

with contextlib.redirect_stdout(io.StringIO()):
    session.start(13)

NAMES = [*record.SHARED["13"]]
RATES = {"policy gradient": (1e-4, 3e-4, 1e-3), "DPO": (3e-5, 1e-4, 3e-4)}  # that seed 0 tries
LIMIT = 4  # nats

chapter, pairs = {}, {}


def trained(method, beta, rate, seed):
    """Trains chapter 13's policy."""
    updates, batches, steps = chapter["EQUAL"]
    if method == "policy gradient":
        chapter["pursue"](beta, rate, updates, seed)
        return
    if seed not in pairs:
        pairs[seed] = chapter["make_pairs"](batches, seed)
    chapter["train_dpo"](pairs[seed], beta, rate, steps, seed)


def judged(seed, where):
    return dict(zip(("marks", "spoken", "divergence"), chapter["judge_policy"](seed, chapter[where]), strict=True))


def chosen(method, found):
    """The rate at which a method speaks most within the limit; found: what seed 0 measured."""
    allowed = {}
    for name, share in found.items():
        if name.startswith(method) and name.endswith(": spoken"):
            if found[name.replace(": spoken", ": divergence")] <= LIMIT:
                rate = float(name.split("rate ")[1].removesuffix(": spoken"))
                allowed[rate] = max(share, allowed.get(rate, 0))
    return max(allowed, key=allowed.get)


def measured(seed):
    """What the record has of a seed."""
    with (records.DATA / "records" / "13_preferences.csv").open(encoding="utf-8", newline="") as lines:
        return {row["claim"]: float(row["value"]) for row in csv.DictReader(lines) if row["seed"] == str(seed)}


def measure(seed):
    """{name: number} of one seed; seed 0 comes first, and its record must be in data/ (--write)."""
    if not chapter:
        with contextlib.redirect_stdout(io.StringIO()):
            chapter.update(record.definitions("13", NAMES)[0])
    found, betas = {}, {"policy gradient": chapter["PENALTIES"], "DPO": chapter["DPO_BETAS"]}
    for method, rates in RATES.items():
        for rate in rates if seed == 0 else (chosen(method, measured(0)),):
            for beta in betas[method]:
                trained(method, beta, rate, seed)
                about = judged(seed, "held_out" if seed else "for_choices")
                name = f"{method}, beta {beta:g}" + ("" if seed else f", rate {rate:g}")
                found |= {f"{name}: {what}": value for what, value in about.items()}
        if seed:
            found[f"{method}: rate"] = rate
    if seed:
        chapter["restart"](0.0)
        found |= {f"reference: {what}": value for what, value in judged(seed, "held_out").items()}
        for n, about in chapter["best_of_n"](16, seed).items():
            found |= {f"best of {n}: {what}": value for what, value in zip(("marks", "spoken"), about, strict=True)}
    return found


if __name__ == "__main__":
    record.rebuild("13_preferences", measure, record.definitions("13", NAMES)[1], seeds=range(6))
