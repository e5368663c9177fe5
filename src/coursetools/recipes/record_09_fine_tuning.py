"""Measures a record of chapter 09, four minutes a seed on one core: make records NB=09_fine_tuning

Accuracies of trainings of one epoch. Seeds 1 to 5 train on 800 sentences, judged on validation sentences: the upper
blocks with warm-up and without, and LoRA. Seeds 1 to 3 also train the whole model on half of the training sentences,
from the pretrained weights and from random ones; these are judged on the test sentences. Each seed draws its own
sentences, batches, random weights and first weights of the head, and the trainings of a pair share them. Seed 0 tries
three peaks of the rate for both sides of the pairs, by validation, and measures frozen vectors, which have no chance
in them. Of a text the trainings of the whole model read 32 tokens, to save time.

A training that is finished is kept in a file, so that an interrupted seed goes on.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session
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
PEAKS = {"pretrained": (3e-5, 1e-4, 3e-4), "from scratch": (3e-4, 1e-3, 3e-3)}  # that seed 0 tries
CHOSEN = {"pretrained": 1e-4, "from scratch": 1e-3}  # what seed 0 found
PAIRS = (1, 2, 3)  # seeds that train the whole model
LORA_PEAK = 3e-3  # not tuned
models = {}  # whose graphs serve several trainings
tokenizer, backbone = bert.load()
chapter, code = record.definitions("09", NAMES, {"tokenizer": tokenizer, "backbone": backbone})
once = record.Kept(session.output("09") / "fine_tuning.json", code)
chapter["classifier"](backbone)  # gives the linear layer its weights
long, short = chapter["ids"], [np.append(row[:31], row[-1]) if len(row) > 32 else row for row in chapter["ids"]]
train, valid, test, labels = (chapter[name] for name in ("train", "valid", "test", "labels"))


def network(name, frozen):
    """The classifier that a kind of training uses, made once; LoRA's begins as it was made, the same for all seeds."""
    if name == "LoRA":
        if name not in models:
            seed, chapter["SEED"] = chapter["SEED"], 1
            model = chapter["classifier"](chapter["with_lora"](chapter["RANK"]))
            models[name], chapter["SEED"] = (model, model.get_weights()), seed
        models[name][0].set_weights(models[name][1])
        return models[name][0]
    if name not in models:
        chapter["freeze"](backbone, frozen)
        models[name] = chapter["classifier"](backbone)
    return models[name]


def many(how, peak, judged):
    """Which sentences the whole model answers rightly (0 or 1), after a training on half of the training sentences."""
    chapter["ids"], model = short, network("all", 0)
    chapter["start_again"](chapter["random_weights"]() if how == "from scratch" else chapter["pretrained"])
    some = np.random.default_rng(chapter["SEED"]).permutation(len(train))[: len(train) // 2]
    chapter["learn"](model, train[some], peak)
    z = bert.logits(model, chapter["pick"](short, judged))
    return (z.argmax(axis=1) == labels[judged]).astype(int).tolist()


def few(peak, warm=0.1, lora=False):
    """Accuracy of the upper blocks, or of LoRA, after a training on few sentences."""
    chapter["ids"], model = long, network("LoRA" if lora else "few", chapter["FROZEN"])
    chapter["start_again"]()
    part = train[np.random.default_rng(chapter["SEED"]).permutation(len(train))[: chapter["FEW"]]]
    chapter["learn"](model, part, peak, warm, batch=8)
    return float(chapter["accuracy"](model, valid[:500]))


def frozen():
    """Test accuracy of a linear classifier of the sentence vectors of the pretrained model."""
    backbone.set_weights(chapter["pretrained"])
    head = chapter["head"]
    chapter["head"] = lambda x, mask: chapter["average"](x, mask=keras.ops.cast(mask, "bool"))
    vectors, chapter["head"] = chapter["classifier"](backbone), head
    E = bert.logits(vectors, chapter["pick"](long, [*train, *test]))
    E = E / np.linalg.norm(E, axis=1, keepdims=True)
    linear = LogisticRegression(C=30, max_iter=1000).fit(E[: len(train)], labels[train])
    return float(linear.score(E[len(train) :], labels[test]))


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], what, found = seed, "validation accuracy", {}
    if seed == 0:
        found["frozen vectors: test accuracy"] = once("0 frozen", frozen)
        for how, peaks in PEAKS.items():
            for peak in peaks:
                name = f"{how}, peak {peak:g}: {what}"
                found[name] = np.mean(once(f"0 {name}", many, how, peak, valid[:500]))
        return found
    for how, warm in (("with", 0.1), ("without", 0)):
        found[f"{how} warm-up: {what}"] = once(f"{seed} {how}", few, chapter["RATE"], warm)
    found[f"LoRA: {what}"] = once(f"{seed} LoRA", few, LORA_PEAK, 0.1, True)
    if seed in PAIRS:
        right = {how: np.array(once(f"{seed} {how}", many, how, peak, test)) for how, peak in CHOSEN.items()}
        for how, each in right.items():
            found[f"{how}: test accuracy"] = each.mean()
        found["only the pretrained is right: share"] = np.mean(right["pretrained"] > right["from scratch"])
        found["only the one from scratch is right: share"] = np.mean(right["pretrained"] < right["from scratch"])
    return found


if __name__ == "__main__":
    record.rebuild("09_fine_tuning", measure, code, seeds=range(6))
