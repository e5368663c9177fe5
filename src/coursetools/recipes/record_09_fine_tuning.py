"""Measures a record of chapter 09, up to ten minutes a seed on one core: make records NB=09_fine_tuning

Accuracies of trainings of one epoch. Seeds 1 to 5 train the upper blocks on 800 sentences, with warm-up and without, at
two peaks of the rate, judged on validation sentences. Seeds 1 to 3 also train the whole model on all training
sentences: from the pretrained weights, from random ones, and with LoRA; these are judged on the test sentences. Seed 0
tries peaks of the rate for the three on half of the sentences, by validation, and measures frozen vectors, which have
no chance in them. Of a text the trainings on many sentences read 32 tokens, to save time.

A training that is finished is kept in a file until its seed is, so that an interrupted seed goes on.
"""

import contextlib
import io
import json

import numpy as np
from coursetools.recipes import record
from groundup import files, session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(9)
import keras
from sklearn.linear_model import LogisticRegression

NAMES = [
    "reviews",
    "kept",
    "texts",
    "labels",
    "divide",
    "train",
    "pretrained",
    "ids",
    "average",
    "out",
    "head",
    "freeze",
    "classifier",
    "WarmUp",
    "adamw",
    "start_again",
    "pick",
    "learn",
    "accuracy",
    "random_weights",
    "with_lora",
]
PEAKS = {"pretrained": (3e-5, 1e-4, 3e-4), "from scratch": (3e-4, 1e-3, 3e-3), "LoRA": (1e-3, 3e-3, 1e-2)}
CHOSEN = {"pretrained": 3e-4, "from scratch": 3e-4, "LoRA": 3e-3}  # what seed 0 found
models = {}  # whose graphs serve several trainings
KEPT = session.output("09") / "fine_tuning.json"
tokenizer, backbone = bert.load()
chapter, code = record.definitions("09", NAMES, {"tokenizer": tokenizer, "backbone": backbone})
chapter["classifier"](backbone)  # gives the linear layer its weights
long, short = chapter["ids"], [np.append(row[:31], row[-1]) if len(row) > 32 else row for row in chapter["ids"]]
train, valid, test, labels = (chapter[name] for name in ("train", "valid", "test", "labels"))


def once(name, make):
    """make(), or what it gave before an interruption."""
    known = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    key = f"{code} {name}"
    if key not in known:
        known[key] = float(make())
        files.write(KEPT, json.dumps(known))
    return known[key]


def many(how, rows, peak, judged):
    """Accuracy after a training on many sentences."""
    chapter["ids"] = short
    chapter["start_again"](chapter["random_weights"]() if how == "from scratch" else chapter["pretrained"])
    if how == "LoRA":
        model = chapter["classifier"](chapter["with_lora"](chapter["RANK"]))
    else:
        if "all" not in models:
            chapter["freeze"](backbone, 0)
            models["all"] = chapter["classifier"](backbone)
        model = models["all"]
    chapter["learn"](model, rows, peak)
    return chapter["accuracy"](model, judged)


def few(peak, warm):
    """Accuracy after a training of the upper blocks on few sentences."""
    chapter["ids"] = long
    if "few" not in models:
        chapter["freeze"](backbone, chapter["FROZEN"])
        models["few"] = chapter["classifier"](backbone)
    chapter["start_again"]()
    part = train[np.random.default_rng(chapter["SEED"]).permutation(len(train))[: chapter["FEW"]]]
    chapter["learn"](models["few"], part, peak, warm, batch=8)
    return chapter["accuracy"](models["few"], valid[:500])


def frozen():
    """Test accuracy of a linear classifier of the sentence vectors of the pretrained model."""
    chapter["start_again"]()
    whole = chapter["classifier"](backbone)
    vectors = keras.Model(whole.inputs, whole.layers[-2].input)
    E = bert.logits(vectors, chapter["pick"](long, [*train, *test]))
    E = E / np.linalg.norm(E, axis=1, keepdims=True)
    linear = LogisticRegression(C=30, max_iter=1000).fit(E[: len(train)], labels[train])
    return linear.score(E[len(train) :], labels[test])


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], found, half = seed, {}, train[: len(train) // 2]
    if seed == 0:
        found["frozen vectors: test accuracy"] = once("frozen", frozen)
        for how, peaks in PEAKS.items():
            for peak in peaks:
                name = f"{how}, peak {peak:g}: validation accuracy"
                found[name] = once(f"0 {name}", lambda how=how, peak=peak: many(how, half, peak, valid[:500]))
    else:
        for peak in (3e-4, 1e-3):
            for warm in (0.1, 0):
                name = f"peak {peak:g}, {'with' if warm else 'without'} warm-up: validation accuracy"
                found[name] = once(f"{seed} {name}", lambda peak=peak, warm=warm: few(peak, warm))
    if 1 <= seed <= 3:
        for how, peak in CHOSEN.items():
            name = f"{how}: test accuracy"
            found[name] = once(f"{seed} {name}", lambda how=how, peak=peak: many(how, train, peak, test))
    KEPT.unlink(missing_ok=True)
    return found


if __name__ == "__main__":
    record.rebuild("09_fine_tuning", measure, code, seeds=range(6))
