"""Measures a record of chapter 06, three minutes a seed: make records NB=06_ablation

The small network whole and with one part of its recipe changed, each on the same three folds; the same on folds that
mix the photographers; and the source's network on the first fold. A seed decides the folds, the weights and the order.
"""

import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import StratifiedKFold
from coursetools.recipes import record

NAMES = [*record.SHARED["06"], "source_images", "source_network", "fit_source"]
VARIANTS = {  # name: (how the network is made, how it is trained)
    "whole": ({}, {}),
    "no augmentation": ({}, {"augment": False}),
    "no dropout": ({"dropout": 0.0}, {}),
    "flattened": ({"average": False}, {}),
    "no batch normalization": ({"normalize": False}, {}),
    "no batch normalization, rate 0.001": ({"normalize": False}, {"rate": 0.001}),
    "half the epochs": ({}, {"epochs": 10}),
}

space, code = record.definitions("06", NAMES)
kept = {}  # one compiled network for each way to make it: it serves all trainings


def renewed(made, seed):
    """A network as if it had just been made with this seed, with an optimizer at its start."""
    model = kept.setdefault(str(made), space["small_network"](**made))
    keras.utils.set_random_seed(seed)
    fresh = [variable.value for variable in space["small_network"](**made).variables]
    used = model.optimizer.variables if model.compiled else []
    for variable, value in zip([*model.variables, *used], [*fresh, *map(tf.zeros_like, used)], strict=True):
        variable.assign(value)
    return model


def answers(folds, seed, made, trained):
    """Right or wrong for each picture, tested in its fold."""
    right = np.empty(len(space["labels"]), bool)
    for train, test in folds:
        model = space["fit"](renewed(made, seed), space["images"], train, seed, **trained)
        right[test] = space["outputs"](model, space["images"][test]).argmax(axis=1) == space["labels"][test]
    return right


def measure(seed):
    """{name: accuracy} over the three folds, and on the first alone."""
    folds, found = space["deal"](seed), {}
    for name, (made, trained) in VARIANTS.items():
        right = answers(folds, seed, made, trained)
        found |= {name: right.mean(), f"{name}, fold 1": right[folds[0][1]].mean()}
    found["whole, photographers mixed"] = answers(space["deal"](seed, StratifiedKFold), seed, {}, {}).mean()
    _, diary = space["fit_source"](*folds[0], seed)
    return found | {
        "the source's, fold 1": diary["val_accuracy"][-1],
        "the source's, fold 1, training": diary["accuracy"][-1],
    }


if __name__ == "__main__":
    record.rebuild("06_ablation", measure, code)
