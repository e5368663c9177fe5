"""Measures a record of chapter 09: test accuracy after an epoch on few sentences, of upper blocks and of all, by seed.

Each seed has its own sentences out of the training set, its own first weights of the head and its own batches; the two
trainings of a seed have the same. `make records NB=09_few` calls this.
"""

import contextlib
import io

import record  # before groundup: it finds the package
from groundup import session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(9)
import keras

NAMES = [
    "reviews",
    "kept",
    "texts",
    "labels",
    "divide",
    "train",
    "pretrained",
    "ids",
    "inside",
    "lower",
    "hidden",
    "average",
    "out",
    "head",
    "upper_part",
    "whole",
    "WarmUp",
    "model",
    "first",
    "start_again",
    "gentle",
    "accuracy",
    "pick",
    "learn_from_few",
    "part",
]
tokenizer, backbone = bert.load()
chapter, code = record.definitions("09", NAMES, {"tokenizer": tokenizer, "backbone": backbone})


def measure(seed):
    """{name: test accuracy} of one seed."""
    chapter["SEED"], train, test, labels = seed, chapter["train"], chapter["test"], chapter["labels"]
    part = train[chapter["np"].random.default_rng(seed).permutation(len(train))[: chapter["FEW"]]]
    kernel = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)(chapter["first"][0].shape)
    chapter["first"] = [keras.ops.convert_to_numpy(kernel), chapter["first"][1]]
    found = {}
    for name, model, values in (("all blocks", "everything", "ids"), ("upper blocks", "model", "hidden")):
        model, values = chapter[model], chapter[values]
        chapter["learn_from_few"](model, values, part)
        found[name] = chapter["accuracy"](model, chapter["pick"](values, test), labels[test])
    return found


if __name__ == "__main__":
    record.rebuild("09_few", measure, code)
