"""Measures a record of chapter 09, up to five minutes a seed on one core: make records NB=09_fine_tuning

Accuracies of trainings of one epoch. Seeds 1 to 5 train on 800 sentences, judged on validation sentences: the upper
blocks with warm-up and without, and LoRA. Seed 1 also trains the whole model on half of the training sentences, from
the pretrained weights and from random ones; these are judged on the test sentences. Seed 0 tries peaks of the
rate, by validation, and measures frozen vectors, which have no chance in them. Of a text the trainings of the whole
model read 32 tokens, to save time.

A training that is finished is kept in a file until its seed is, so that an interrupted seed goes on.
"""

import contextlib
import io
import json
from functools import partial

import numpy as np
from coursetools.recipes import record
from groundup import files, session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(9)
import keras
from sklearn.linear_model import LogisticRegression

NAMES = [
    *record.SHARED["09"],
    "pretrained",
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
PEAKS = {"pretrained": (1e-4, 3e-4), "from scratch": (3e-4, 1e-3)}  # that seed 0 tries
CHOSEN = {"pretrained": 1e-4, "from scratch": 1e-3}  # what seed 0 found
LORA_PEAK = 3e-3  # not tuned
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


def network(name, frozen):
    """The classifier that a kind of training uses, made once; LoRA's begins as it was made."""
    if name == "LoRA":
        if name not in models:
            model = chapter["classifier"](chapter["with_lora"](chapter["RANK"]))
            models[name] = model, model.get_weights()
        models[name][0].set_weights(models[name][1])
        return models[name][0]
    if name not in models:
        chapter["freeze"](backbone, frozen)
        models[name] = chapter["classifier"](backbone)
    return models[name]


def many(how, peak, judged):
    """Accuracy of the whole model after a training on half of the sentences."""
    chapter["ids"], model = short, network("all", 0)
    chapter["start_again"](chapter["random_weights"]() if how == "from scratch" else chapter["pretrained"])
    chapter["learn"](model, train[: len(train) // 2], peak)
    return chapter["accuracy"](model, judged)


def few(peak, warm=0.1, lora=False):
    """Accuracy of the upper blocks, or of LoRA, after a training on few sentences."""
    chapter["ids"], model = long, network("LoRA" if lora else "few", chapter["FROZEN"])
    chapter["start_again"]()
    part = train[np.random.default_rng(chapter["SEED"]).permutation(len(train))[: chapter["FEW"]]]
    chapter["learn"](model, part, peak, warm, batch=8)
    return chapter["accuracy"](model, valid[:500])


def frozen():
    """Test accuracy of a linear classifier of the sentence vectors of the pretrained model."""
    backbone.set_weights(chapter["pretrained"])
    head = chapter["head"]
    chapter["head"] = lambda x, mask: chapter["average"](x, mask=keras.ops.cast(mask, "bool"))
    vectors, chapter["head"] = chapter["classifier"](backbone), head
    E = bert.logits(vectors, chapter["pick"](long, [*train, *test]))
    E = E / np.linalg.norm(E, axis=1, keepdims=True)
    linear = LogisticRegression(C=30, max_iter=1000).fit(E[: len(train)], labels[train])
    return linear.score(E[len(train) :], labels[test])


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], todo = seed, {}
    if seed == 0:
        todo["frozen vectors: test accuracy"] = frozen
        for how, peaks in PEAKS.items():
            for peak in peaks:
                todo[f"{how}, peak {peak:g}: validation accuracy"] = partial(many, how, peak, valid[:500])
    else:
        for how, warm in (("with", 0.1), ("without", 0)):
            todo[f"{how} warm-up: validation accuracy"] = partial(few, chapter["RATE"], warm)
        todo["LoRA: validation accuracy"] = partial(few, LORA_PEAK, lora=True)
    if seed == 1:
        for how in PEAKS:
            todo[f"{how}: test accuracy"] = partial(many, how, CHOSEN[how], test)
    found = {name: once(f"{seed} {name}", make) for name, make in todo.items()}
    KEPT.unlink(missing_ok=True)
    return found


if __name__ == "__main__":
    record.rebuild("09_fine_tuning", measure, code, seeds=range(6))
