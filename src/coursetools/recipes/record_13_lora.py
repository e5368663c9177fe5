"""Measures a record of chapter 13, a minute and a half a seed on one core: make records NB=13_lora

Section 1: the fine-tuning, and two controls, one whose prompts all carry the same order and one whose loss is on all
tokens. Section 2: all weights, and LoRA of three ranks. Seed 0 tries learning rates for each of them, and the orders of
*Northanger Abbey* choose: the rate that obeys most of those that cost at most LIMIT bits per character. Seeds 1 to 5
draw the pairs, the factors and the answers anew, and are judged on *Persuasion*, each method at its own rate.
"""

import contextlib
import csv
import io

import numpy as np
import tensorflow as tf
from coursetools import records
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
    "choices",
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
ALL, FEW = (3e-4, 1e-3, 3e-3, 1e-2), (3e-3, 1e-2, 3e-2, 1e-1)
RATES = {"all weights": ALL, "all tokens": ALL, "rank 1": FEW, "rank 4": FEW, "rank 16": FEW}  # that seed 0 tries
LIMIT = 0.25  # bits per character that a training may cost

space, code = record.definitions("13", NAMES)
pairs, STEPS = space["pairs"], space["STEPS"]
novels = {"choices": space["choices"], "tests": space["tests"]}
cached = {}  # models, steps and samplers by what is trained: compiling takes as long as a training


def prepared(method):
    """(what is trained, model, its weights, where they start, sampler, loss) of a method."""
    what = method if method.startswith("rank") else "all weights"
    if what not in cached:
        model, _ = space["load_gpt"]()
        weights = model.trainable_variables
        if what != "all weights":
            weights = space["factors"](space["with_lora"](model, int(what.split()[1])))
        loss = tf.function(lambda x, y, mask: space["masked_loss"](model(x), y, mask), autograph=False)
        start = [np.asarray(weight) for weight in weights]
        cached[what] = what, model, weights, start, space["sampler"](model), loss
    return cached[what]


def restart(method, seed):
    """The weights as they were before any training; of LoRA's factors, A is drawn anew, as He and others do."""
    _, _, weights, start, *_ = prepared(method)
    rng = np.random.default_rng([seed, 7])
    for weight, value in zip(weights, start, strict=True):
        if "lora_kernel_a" in weight.path:
            value = rng.uniform(-1, 1, value.shape) * np.sqrt(6 / len(value))
        weight.assign(value)


def train(method, rate, seed):
    """Trains from the start; a compiled step is used again, with an optimizer that knows nothing yet."""
    what, model, weights, *_ = prepared(method)
    if (what, rate) not in cached:
        cached[what, rate] = space["make_step"](model, weights, rate, STEPS)
    step, optimizer = cached[what, rate]
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    restart(method, seed)
    for i in range(STEPS):
        x, y, mask = space["batch_of"](pairs, i, seed=seed, tell=method != "not told")
        if method == "all tokens":  # whatever is not padding
            mask = np.float32(mask[:, ::-1].cumsum(axis=1)[:, ::-1] > 0)
        step(x, y, mask)


def judge(method, seed, novel):
    """What a model does on the prompts of a novel, and forgets on *Persuasion*."""
    _, model, *_, draw, loss = prepared(method)
    space["tests"] = novels[novel]  # which `obedience` takes its prompts from
    n = min(25, *map(len, novels[novel].values()))  # Northanger Abbey has few short sentences without speech
    repeated = range(1 if seed else 4)  # for a choice, four times as many answers
    found = [each for k in repeated for each in space["obedience"](draw, seed + 100 * k, n)]
    share = space["share"]
    answers = [float(loss(*space["batch_of"](novels[novel], 10_000 + i, seed=seed))) for i in range(24)]
    parts = {"ends": share(found, 0), "form": share(found, 1), "length": share(found, 2), "obeys": share(found)}
    return parts | {"nats": np.mean(answers), "bits": space["bits"](model, space["stretch"])}


def chosen():
    """The rate of each method, from what seed 0 measured."""
    with (records.DATA / "records" / "13_lora.csv").open(encoding="utf-8", newline="") as lines:
        tried = {row["claim"]: float(row["value"]) for row in csv.DictReader(lines) if row["seed"] == "0"}
    most, best = tried["start, Northanger Abbey: bits"] + LIMIT, {}
    for method, rates in RATES.items():
        allowed = [rate for rate in rates if tried[f"{method}, rate {rate:g}: bits"] <= most]
        # Of rates that obey alike the lower one.
        best[method] = max(allowed, key=lambda rate: tried[f"{method}, rate {rate:g}: obeys"])
    return best | {"not told": best["all weights"]}


def measure(seed):
    """{name: number} of one seed; seed 0 comes first, and its record must be in data/ (--write)."""
    found = {}

    def note(name, method):
        measured = judge(method, seed, "tests" if seed else "choices")
        found.update({f"{name}: {part}": value for part, value in measured.items()})

    restart("all weights", seed)
    note("start" if seed else "start, Northanger Abbey", "all weights")
    if seed == 0:
        for method, rates in RATES.items():
            for rate in rates:
                train(method, rate, seed)
                note(f"{method}, rate {rate:g}", method)
        return found
    for method, rate in chosen().items():
        train(method, rate, seed)
        note(method, method)
        found[f"{method}: rate"] = rate
    return found


if __name__ == "__main__":
    record.rebuild("13_lora", measure, code, seeds=range(6))
