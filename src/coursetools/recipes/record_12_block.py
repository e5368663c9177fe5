"""Measures a record of chapter 12, two minutes a seed on one core: make records NB=12_block

Six networks of nearly the same number of parameters, from chapter 08's block to a Llama's, each with one change more;
120 steps of training each, then bits per character on the first 40,000 tokens of the validation novel. Seed 0 tries
peaks of the learning rate for the first and the last.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session

with contextlib.redirect_stdout(io.StringIO()):
    session.start(12)
import keras

NAMES = [
    "Attention",
    "Block",
    "Decoder",
    "STEPS_HERE",
    "variant",
    "small_tokenizer",
    "novels",
    "persuasion",
    "val_text",
    "tokens",
    "val_tokens",
    "train",
    "bits_per_character",
]
chapter, code = record.definitions("12", NAMES)
part = chapter["val_tokens"][:40_000]
text = chapter["small_tokenizer"].decode(part.tolist())


def trained(number, seed, peak=0.003):
    """(losses of all steps, bits per character) of a network with the first so many changes."""
    keras.utils.set_random_seed(seed)
    network = chapter["variant"](number)
    losses = chapter["train"](network, seed, peak=peak)
    bits = chapter["bits_per_character"](network, part, text)
    keras.backend.clear_session()
    return losses, bits


def measure(seed):
    """{name: number} of one seed."""
    found, names = {}, [name for name, _ in chapter["STEPS_HERE"]]
    if seed == 0:
        for number in (0, 5):
            for peak in (0.0015, 0.003, 0.006, 0.012):
                found[f"{names[number]}, peak {peak}: validation"] = trained(number, seed, peak)[1]
        return found
    for number, name in enumerate(names):
        losses, found[f"{name}: validation"] = trained(number, seed)
        found[f"{name}: first 20"] = np.mean(losses[:20])
    return found


if __name__ == "__main__":
    record.rebuild("12_block", measure, code, seeds=range(6))
