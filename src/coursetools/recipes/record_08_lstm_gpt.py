"""Measures a record of chapter 08: bits per character on *Persuasion* of the networks of sections 8 and 13, by seed.

Each seed has its own first weights and its own batches. `make records NB=08_lstm_gpt` calls this.
"""

import contextlib
import io

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
    "rung",
]
sizes = (1024,)  # of all the chapter's vocabularies the one that it trains with
chapter, code = record.definitions("08", NAMES, {"sizes": sizes})
networks = {}  # by name: compiled once, for all seeds


def fresh(name, build, seed):
    """The network as `build` makes it after the seed was set, with an optimizer that knows nothing yet."""
    keras.utils.set_random_seed(seed)
    network = build()
    if name not in networks:
        networks[name] = chapter["ready"](network)
    networks[name].set_weights(network.get_weights())
    for variable in networks[name].optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    return networks[name]


def measure(seed):
    """{name: bits per character} of one seed."""
    chapter["SEED"], context, found = seed, chapter["CONTEXT"], {}
    for width in (128, 64, 32):
        name = f"GPT, {width} wide"
        gpt = fresh(name, lambda width=width: chapter["GPT"](chapter["V"], context, chapter["LAYERS"], width, 4), seed)
        chapter["train"](gpt, chapter["STEPS"], 10, context)
        found[name] = chapter["judge"](gpt, context)
    rnn = fresh("LSTM", lambda: chapter["source_lstm"](chapter["V"]), seed)
    chapter["train"](rnn, chapter["STEPS"], 40, 32)
    found["LSTM"] = chapter["judge"](rnn, context)
    found["LSTM, twice the tokens"] = chapter["go_on"](rnn, 40, 32)
    return found


if __name__ == "__main__":
    record.rebuild("08_lstm_gpt", measure, code)
