"""Measures a record of chapter 08, two minutes a seed on one core: make records NB=08_lstm_gpt

Trainings of the GPT and of the LSTM of section 11, each budget of steps with a schedule of its own. Seeds 1 to 5 are
compared: 80 and 320 steps. Seed 0 tries peaks of the learning rate, by bits on the validation novel, and seed 6 trains
longer. Bits are per character. A loss up to a step is the mean of the 20 steps that end there, in nats per token.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session

with contextlib.redirect_stdout(io.StringIO()):
    session.start(8)
import keras

NAMES = [
    "novels",
    "novel",
    "val_text",
    "train_text",
    "train_tokenizer",
    "texts",
    "tokenizers",
    "tokenizer",
    "V",
    "tokens",
    "val_tokens",
    "bits_per_character",
    "source_lstm",
    "dense",
    "Attention",
    "Block",
    "GPT",
    "CONTEXT",
    "batch_of",
    "rate_at",
    "ready",
    "train",
    "surprise",
    "judge",
    "val_part",
]
PEAKS = {"GPT": (0.001, 0.003, 0.01, 0.03), "LSTM": (0.001, 0.003, 0.01, 0.03, 0.1)}  # that seed 0 tries
CHOSEN = {"GPT": 0.003, "LSTM": 0.03}  # what seed 0 found
sizes = (1024,)  # of all the chapter's vocabularies the one that it trains with
chapter, code = record.definitions("08", NAMES, {"sizes": sizes})
networks = {}  # by name: compiled once, for all trainings
BUILD = {
    "GPT": lambda: chapter["GPT"](
        chapter["V"], chapter["CONTEXT"], chapter["LAYERS"], chapter["WIDTH"], chapter["HEADS"]
    ),
    "LSTM": lambda: chapter["source_lstm"](chapter["V"]),
}


def fresh(name, seed):
    """The network as it is made after the seed was set, with an optimizer that knows nothing yet."""
    keras.utils.set_random_seed(seed)
    network = BUILD[name]()
    if name not in networks:
        networks[name] = chapter["ready"](network, xla=name == "GPT")
    networks[name].set_weights(network.get_weights())
    for variable in networks[name].optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    return networks[name]


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], found = seed, {}
    for name in BUILD:
        if seed == 0:
            for peak in PEAKS[name]:
                network = fresh(name, seed)
                chapter["train"](network, 320, peak)
                found[f"{name}, peak {peak}: validation"] = chapter["judge"](network, chapter["val_part"])
            continue
        for steps in (80, 320) if seed < 6 else (960,):
            network, what = fresh(name, seed), f"{name}, {steps} steps"
            losses, _ = chapter["train"](network, steps, CHOSEN[name])
            for i, loss in enumerate(losses.reshape(-1, 20).mean(axis=1), 1):
                found[f"{what}: loss up to step {20 * i}"] = loss
            found[f"{what}: validation"] = chapter["judge"](network, chapter["val_part"])
            if steps > 80:
                found[f"{what}: Persuasion"] = chapter["judge"](network, chapter["test_tokens"])
        if name == "LSTM" and seed == 6:
            places = chapter["surprise"](network, chapter["test_tokens"], 1024).mean(axis=0)
            gain = (places[:128].mean() - places[128:].mean()) / np.log(2)
            found[f"{what}: bits a token saved beyond place 128, in windows of 1,024 of Persuasion"] = gain
    return found


if __name__ == "__main__":
    record.rebuild("08_lstm_gpt", measure, code, seeds=range(7))
