"""Measures a record of chapter 09, a minute a seed on one core: make records NB=09_fine_tuning

Accuracies on validation sentences after one epoch on 800 training sentences. Seeds 1 to 5: the upper blocks with
warm-up and without, and LoRA. Seed 0 tries peaks of the rate for the upper blocks and for LoRA, and measures frozen
vectors on the test sentences, which have no chance in them.
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
    "drop",
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
    "with_lora",
]
PEAKS = {"upper blocks": (1e-4, 3e-4, 1e-3), "LoRA": (1e-3, 3e-3, 1e-2)}  # that seed 0 tries
LORA_PEAK = 3e-3  # what seed 0 found; for the upper blocks it is the chapter's RATE
networks, first = {}, {}  # whose graphs serve several trainings, and their first weights
tokenizer, backbone = bert.load()
chapter, code = record.definitions("09", NAMES, {"tokenizer": tokenizer, "backbone": backbone})
once = record.Kept(session.output("09") / "fine_tuning.json", code)
chapter["classifier"](backbone)  # gives the linear layer its weights
train, valid, test, labels = (chapter[name] for name in ("train", "valid", "test", "labels"))


def network(name):
    """The classifier of a kind of training, made once; LoRA's gets products as `enable_lora` begins them, by seed."""
    if name not in networks:
        chapter["freeze"](backbone, chapter["FROZEN"])
        networks[name] = chapter["classifier"](chapter["with_lora"](chapter["RANK"]) if name == "LoRA" else backbone)
        first[name] = networks[name].get_weights()
    if name == "LoRA":
        networks[name].set_weights(first[name])
        rng = np.random.default_rng(chapter["SEED"])
        for variable in networks[name].trainable_variables:
            if "lora_kernel_a" in variable.path:
                variable.assign(keras.initializers.HeUniform(int(rng.integers(1 << 30)))(variable.shape))
    return networks[name]


def few(name, peak, warm=0.1):
    """Validation accuracy of the upper blocks, or of LoRA, after a training on few sentences."""
    model = network(name)
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
    E = bert.logits(vectors, chapter["pick"](chapter["ids"], [*train, *test]))
    E = E / np.linalg.norm(E, axis=1, keepdims=True)
    linear = LogisticRegression(C=30, max_iter=1000).fit(E[: len(train)], labels[train])
    return float(linear.score(E[len(train) :], labels[test]))


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], rate, what = seed, chapter["RATE"], "validation accuracy"
    if seed == 0:
        found = {"frozen vectors: test accuracy": once("frozen", frozen)}
        for name, peaks in PEAKS.items():
            for peak in peaks:
                found[f"{name}, peak {peak:g}: {what}"] = once(f"{seed} {name} {peak}", few, name, peak)
        return found
    return {
        f"with warm-up: {what}": once(f"{seed} with", few, "upper blocks", rate),
        f"without warm-up: {what}": once(f"{seed} without", few, "upper blocks", rate, 0),
        f"LoRA: {what}": once(f"{seed} LoRA {LORA_PEAK}", few, "LoRA", LORA_PEAK),
    }


if __name__ == "__main__":
    record.rebuild("09_fine_tuning", measure, code, seeds=range(6))
