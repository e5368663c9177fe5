"""Measures a record of chapter 09, half a minute a seed on one core: make records NB=09_masked

The tiny network of section 5, fine-tuned after its pretraining with masked words and without it, by seed. Seed 0 tries
peaks of the rate: of the pretraining, by the loss of hidden words, and of the fine-tuning, for both sides alike, by
validation accuracy.
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
    "WORDS_PEAK",
    "TINY_PEAKS",
    "half_cosine",
    "compiled",
    "pretrain",
    "loss_of_words",
    "held_out",
    "x_train",
    "fine_tune_tiny",
]
WORDS_PEAKS, PEAKS = (1e-3, 3e-3, 1e-2), (1e-3, 3e-3, 1e-2, 3e-2)  # that seed 0 tries
tokenizer, _ = bert.load()
space, code = record.definitions("09", NAMES, {"tokenizer": tokenizer})


def pretrained(peak):
    """The network for opinions before its pretraining and after it, and the loss of hidden words then."""
    words, opinion = space["tiny_networks"]()
    untrained, space["opinion"] = opinion.get_weights(), opinion
    space["pretrain"](space["compiled"](words, peak, 300), 300)
    starts = {"pretrained": [*opinion.get_weights()[:-2], *untrained[-2:]], "not pretrained": untrained}
    return starts, space["loss_of_words"](words, *space["held_out"])


def measure(seed):
    """{name: number} of one seed."""
    space["SEED"], found, words_peak = seed, {}, space["WORDS_PEAK"]
    for peak in WORDS_PEAKS if seed == 0 else [words_peak]:
        keras.utils.set_random_seed(seed)
        each, loss = pretrained(peak)
        found[f"pretraining, peak {peak:g}: loss of hidden words" if seed == 0 else "loss of hidden words"] = loss
        if peak == words_peak:
            starts, network = each, space["opinion"]
    space["opinion"] = network
    for how, chosen in space["TINY_PEAKS"].items():
        for peak in PEAKS if seed == 0 else [chosen]:
            name = f"{how}, peak {peak:g}" if seed == 0 else how
            found[f"{name}: validation accuracy"] = space["fine_tune_tiny"](starts[how], peak)
    return found


if __name__ == "__main__":
    record.rebuild("09_masked", measure, code, seeds=range(6))
