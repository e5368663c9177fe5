"""Measures a record of chapter 09, ten minutes a seed on one core: make records NB=09_pretraining

What pretraining is worth: BERT with all its blocks learning for one epoch, from the pretrained weights and from random
ones. Seed 0 tries three peaks of the rate for each, on half of the training sentences, by validation. Seeds 1 to 5
train a pair on half of the sentences and a pair on all of them, judged on the test sentences. Each seed draws its own
sentences, batches, random weights and first weights of the head; both sides of a pair get the same but for the blocks'
weights, and the half is the beginning of the whole. Of a text 32 tokens are read, to save time.

A training that is finished is kept in a file, so that an interrupted seed goes on.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(9)

NAMES = [
    *record.SHARED["09"],
    "pretrained",
    "average",
    "drop",
    "out",
    "head",
    "freeze",
    "classifier",
    "WarmUp",
    "adamw",
    "start_again",
    "pick",
    "learn",
    "random_weights",
]
PEAKS = {"pretrained": (3e-5, 1e-4, 3e-4), "from scratch": (3e-4, 1e-3, 3e-3)}  # that seed 0 tries
CHOSEN = {"pretrained": 1e-4, "from scratch": 1e-3}  # what seed 0 found
tokenizer, backbone = bert.load()
chapter, code = record.definitions("09", NAMES, {"tokenizer": tokenizer, "backbone": backbone})
once = record.Kept(session.output("09") / "pretraining.json", code)
chapter["ids"] = [np.append(row[:31], row[-1]) if len(row) > 32 else row for row in chapter["ids"]]
train, valid, test, labels = (chapter[name] for name in ("train", "valid", "test", "labels"))
chapter["freeze"](backbone, 0)
model = chapter["classifier"](backbone)


def hits(how, peak, judged, share):
    """Which sentences the whole model answers rightly, a list of 0 and 1, after a training on a share of the others."""
    chapter["start_again"](chapter["random_weights"]() if how == "from scratch" else chapter["pretrained"])
    some = np.random.default_rng(chapter["SEED"]).permutation(len(train))[: int(share * len(train))]
    chapter["learn"](model, train[some], peak)
    z = bert.logits(model, chapter["pick"](chapter["ids"], judged))
    return (z.argmax(axis=1) == labels[judged]).astype(int).tolist()


def pair(seed, of, share):
    """{name: number} of the two sides of a pair, judged on the test sentences."""
    chapter["SEED"] = seed
    sides = {how: np.array(once(f"{seed} {how}{of}", hits, how, peak, test, share)) for how, peak in CHOSEN.items()}
    one, other = sides["pretrained"], sides["from scratch"]
    return {
        **{f"{how}: test accuracy{of}": each.mean() for how, each in sides.items()},
        f"only the pretrained is right: share{of}": np.mean(one > other),
        f"only the one from scratch is right: share{of}": np.mean(one < other),
    }


def measure(seed):
    """{name: number} of one seed."""
    if seed:
        return pair(seed, "", 0.5) | pair(seed, ", all sentences", 1)
    chapter["SEED"], found = seed, {}
    for how, peaks in PEAKS.items():
        for peak in peaks:
            name = f"{how}, peak {peak:g}: validation accuracy"
            found[name] = np.mean(once(f"{seed} {name}", hits, how, peak, valid[:500], 0.5))
    return found


if __name__ == "__main__":
    record.rebuild("09_pretraining", measure, code, seeds=range(6))
