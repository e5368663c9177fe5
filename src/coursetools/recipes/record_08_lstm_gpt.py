"""Measures a record of chapter 08: the trainings of its sections 8 and 13, whole, by seed.

Each seed has its own first weights and its own batches. Bits per character are those on *Persuasion*; a loss up to a
step is the mean of the 20 steps that end there, in nats per token. `make records NB=08_lstm_gpt` calls this.
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
    "train_text",
    "train_tokenizer",
    "texts",
    "tokenizers",
    "encoded",
    "tokenizer",
    "V",
    "tokens",
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
    "go_on",
    "twenties",
]
sizes = (1024,)  # of all the chapter's vocabularies the one that it trains with
chapter, code = record.definitions("08", NAMES, {"sizes": sizes})
networks = {}  # by name: compiled once, for all seeds


def fresh(name, build, seed):
    """The network as `build` makes it after the seed was set, with an optimizer that knows nothing yet."""
    keras.utils.set_random_seed(seed)
    network = build()
    if name not in networks:
        networks[name] = chapter["ready"](network, xla=name.startswith("GPT"))
    networks[name].set_weights(network.get_weights())
    for variable in networks[name].optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    return networks[name]


def training(name, network, windows, length):
    """{name: number} of one training: losses on its way, bits after the steps that run in the chapter and after all."""
    here, parts, found = chapter["HERE"], [], {}
    for steps, after in ((range(here), f", after {here} steps"), (range(here, chapter["STEPS"]), "")):
        parts.append(chapter["train"](network, windows, length, steps)[0])
        found[name + after] = chapter["judge"](network)
    for i, loss in enumerate(chapter["twenties"](np.concatenate(parts))):
        found[f"{name.split(',')[0]}: loss up to step {20 * (i + 1)}"] = loss
    return found


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], context = seed, chapter["CONTEXT"]
    found = {}
    for width in (128, 64, 32):
        name = f"GPT, {width} wide"
        gpt = fresh(name, lambda width=width: chapter["GPT"](chapter["V"], context, chapter["LAYERS"], width, 4), seed)
        if width == 128:
            found |= training(name, gpt, 10, context)
        else:
            chapter["train"](gpt, 10, context, range(chapter["STEPS"]))
            found[name] = chapter["judge"](gpt)
    rnn = fresh("LSTM", lambda: chapter["source_lstm"](chapter["V"]), seed)
    found |= training("LSTM", rnn, 40, 32)
    found["LSTM, twice the tokens"] = chapter["go_on"](rnn)
    return found


if __name__ == "__main__":
    record.rebuild("08_lstm_gpt", measure, code)
