"""Measures a record of chapter 14, a quarter of a minute a seed on one core: make records NB=14_distillation

Section 3: students of the ResNet and of the film classifier, alone and taught. A seed draws which pictures have labels,
the first weights and the batches. The classifier's answers on its training sentences are computed once.
"""

import contextlib
import io

import numpy as np
from coursetools.recipes import record
from groundup import session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(14)
import keras

NAMES = [
    "x_all",
    "x_test",
    "order",
    "train_rows",
    "mean",
    "scaled",
    "x_train",
    "y_train",
    "conv",
    "network",
    "resnet",
    "logits_of",
    "accuracy",
    "x_val",
    "softmax",
    "small_student",
    "drawn",
    "learn",
    "students",
    "reviews",
    "first_seen",
    "texts",
    "labels",
    "tokenizer",
    "ids",
    "divide",
    "train",
    "classifier",
    "reader",
    "learned",
    "LENGTH",
    "as_rows",
    "small_reader",
]
space, code = record.definitions("14", NAMES)
teacher = {}  # the answers of the classifier, when they are first needed


def measure(seed):
    """{name: number} of one seed."""
    names = "alone", "class means", "taught", "taught, more pictures"
    found = {f"ResNet: {name}": value for name, value in space["students"](names, seed)[0].items()}
    ids, labels, train, test = (space[name] for name in ("ids", "labels", "train", "test"))
    if not teacher:
        with np.load(space["data"].path("bert") / "weights.npz") as file:
            for i, variable in enumerate(space["learned"]):
                variable.assign(file[f"weights_{i}"])
        teacher["logits"] = bert.logits(space["reader"], [ids[i] for i in train])
        teacher["rows"] = space["as_rows"]([ids[i] for i in train]), space["as_rows"]([ids[i] for i in test])
    seen, unseen = teacher["rows"]
    for name, v in (("alone", None), ("taught", teacher["logits"])):
        keras.utils.set_random_seed(seed)
        student = space["small_reader"]()
        space["learn"](student, seen, labels[train], v, steps=700, batch=64, seed=seed)
        found[f"BERT: {name}"] = space["accuracy"](student, unseen, labels[test])
    return found


if __name__ == "__main__":
    record.rebuild("14_distillation", measure, code)
