"""Measures a record of chapter 09, half a minute a seed on one core: make records NB=09_masked

The tiny network of section 5, fine-tuned after its pretraining with masked words and without it, by seed. Seed 0 tries
the peaks of the rate of the fine-tuning, the same for both sides. Seed 6 pretrains for longer.
"""

import contextlib
import io

from coursetools.recipes import record
from groundup import session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(9)
import keras

NAMES = [
    "reviews",
    "kept",
    "texts",
    "labels",
    "divide",
    "train",
    "vocabulary",
    "ids",
    "more",
    "unlabelled",
    "seen",
    "common",
    "V",
    "place",
    "own_id",
    "as_table",
    "sentences",
    "hide",
    "tiny_networks",
    "compiled",
    "pretrain",
    "loss_of_words",
    "held_out",
    "fine_tune_tiny",
]
PEAKS = (1e-3, 3e-3, 1e-2)  # that seed 0 tries
CHOSEN = {"pretrained": 3e-3, "not pretrained": 3e-3}  # what seed 0 found
tokenizer, _ = bert.load()
space, code = record.definitions("09", NAMES, {"tokenizer": tokenizer})


def measure(seed):
    """{name: number} of one seed."""
    space["SEED"], steps, found = seed, 1200 if seed == 6 else 300, {}
    keras.utils.set_random_seed(seed)
    words, opinion = space["tiny_networks"]()
    untrained = opinion.get_weights()
    space["pretrain"](space["compiled"](words, 3e-3, steps), steps)
    found["loss of hidden words"] = space["loss_of_words"](words, *space["held_out"])
    starts = {"pretrained": [*opinion.get_weights()[:-2], *untrained[-2:]], "not pretrained": untrained}
    for how, weights in starts.items():
        for peak in PEAKS if seed == 0 else (CHOSEN[how],):
            name = f"{how}, peak {peak:g}: validation accuracy" if seed == 0 else f"{how}: validation accuracy"
            found[name] = space["fine_tune_tiny"](opinion, weights, peak)
    return found


if __name__ == "__main__":
    record.rebuild("09_masked", measure, code, seeds=range(7))
