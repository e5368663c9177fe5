"""Measures a record of chapter 13, a minute a seed on one core: make records NB=13_lora

Section 1: the fine-tuning, and its control. Section 2: all weights, and LoRA of two ranks. A seed
draws the pairs, the factors and the answers anew.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session

with contextlib.redirect_stdout(io.StringIO()):
    session.start(13)

NAMES = [
    "tokenizer",
    "folder",
    "about",
    "shape",
    "load_gpt",
    "novel",
    "bits",
    "stretch",
    "WORDS",
    "KINDS",
    "order",
    "BLANK",
    "kind_of",
    "PROMPT",
    "LENGTH",
    "SENTENCE",
    "first_sentence",
    "pairs_of",
    "four",
    "pairs",
    "tests",
    "batch_of",
    "masked_loss",
    "make_step",
    "sampler",
    "judged",
    "obedience",
    "share",
    "with_lora",
    "factors",
]
METHODS = {"all weights": 1e-3, "rank 1": 1e-2, "rank 16": 1e-2}  # with the peaks of their learning rates

space, code = record.definitions("13", NAMES)
pairs, STEPS = space["pairs"], space["STEPS"]
cached = {}  # models, steps and samplers by method: compiling takes as long as a training


def prepared(method):
    """(model, weights to train, where they start, sampler) of a method."""
    if method not in cached:
        model, _ = space["load_gpt"]()
        weights = model.trainable_variables
        if method != "all weights":
            weights = space["factors"](space["with_lora"](model, int(method.split()[1])))
        cached[method] = model, weights, [np.asarray(weight) for weight in weights], space["sampler"](model)
    return cached[method]


def restart(method, seed):
    """The weights as they were before any training; of LoRA's factors, A is drawn anew, as He and others do."""
    _, weights, start, _ = prepared(method)
    rng = np.random.default_rng([seed, 7])
    for weight, value in zip(weights, start, strict=True):
        if "lora_kernel_a" in weight.path:
            value = rng.uniform(-1, 1, value.shape) * np.sqrt(6 / len(value))
        weight.assign(value)


def train(method, rate, seed, **batches):
    """Trains from the start; a compiled step is used again, with an optimizer that knows nothing yet."""
    model, weights, *_ = prepared(method)
    if (method, rate) not in cached:
        cached[method, rate] = space["make_step"](model, weights, rate, STEPS)
    step, optimizer = cached[method, rate]
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    restart(method, seed)
    for i in range(STEPS):
        step(*space["batch_of"](pairs, i, seed=seed, **batches))


def judge(name, method, seed):
    """What a model does, under a name."""
    model, *_, draw = prepared(method)
    found, share = space["obedience"](draw, seed), space["share"]
    parts = {"ends": share(found, 0), "form": share(found, 1), "length": share(found, 2), "obeys": share(found)}
    parts["bits"] = space["bits"](model, space["stretch"])
    return {f"{name}: {part}": value for part, value in parts.items()}


def measure(seed):
    """{name: number} of one seed."""
    restart("all weights", seed)
    found = judge("start", "all weights", seed)
    train("all weights", 1e-3, seed, tell=False)
    found |= judge("not told", "all weights", seed)
    for method, rate in METHODS.items():
        train(method, rate, seed)
        found |= judge(method, method, seed)
    return found


if __name__ == "__main__":
    record.rebuild("13_lora", measure, code)
