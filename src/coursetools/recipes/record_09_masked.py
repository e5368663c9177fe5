"""Measures a record of chapter 09, half a minute a seed on one core: make records NB=09_masked

The tiny network of section 5, fine-tuned after its pretraining with masked words and without it, by seed.
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
    *record.SHARED["09"],
    "vocabulary",
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
    "x_train",
    "fine_tune_tiny",
]
tokenizer, _ = bert.load()
space, code = record.definitions("09", NAMES, {"tokenizer": tokenizer})


def measure(seed):
    """{name: number} of one seed."""
    space["SEED"] = seed
    keras.utils.set_random_seed(seed)
    words, opinion = space["tiny_networks"]()
    untrained, space["opinion"] = opinion.get_weights(), opinion
    space["pretrain"](space["compiled"](words, 3e-3, 300), 300)
    found = {"loss of hidden words": space["loss_of_words"](words, *space["held_out"])}
    space["compiled"](opinion, 3e-3, 3 * 32)
    starts = {"pretrained": [*opinion.get_weights()[:-2], *untrained[-2:]], "not pretrained": untrained}
    for how, weights in starts.items():
        found[f"{how}: validation accuracy"] = space["fine_tune_tiny"](weights)
    return found


if __name__ == "__main__":
    record.rebuild("09_masked", measure, code)
