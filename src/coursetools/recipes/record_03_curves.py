"""Measures a record of chapter 03, ten seconds a seed: make records NB=03_curves

The six trainings of exercise 03.4, by their panels. This file says what was done in each: solve the exercise first.
"""

import keras
import numpy as np
from coursetools.recipes import record

NAMES = [*record.SHARED["03"]]

code = record.definitions("03", NAMES)[1]


def measure(seed):
    """{"panel, epoch: part loss": value} of the six trainings."""
    space, _ = record.definitions("03", NAMES, given={"SEED": seed})
    X, y, val = space["X"][:5000], space["y"][:5000], (space["X_val"], space["y_val"])
    permuted = np.random.default_rng(seed).permutation(y)
    plan = {  # training images, labels, batch size, validation, learning rate, layers of softmax
        "A": (X, y, 100, val, 0.001, 2),
        "B": (X[:300], y[:300], 10, val, 0.001, 0),
        "C": (X, y, 100, val, 0.001, 0),
        "D": (X, permuted, 100, val, 0.001, 0),
        "E": (X, y, 100, (255 * val[0], val[1]), 0.001, 0),
        "F": (X, y, 100, val, 0.00002, 0),
    }
    found = {}
    for panel, (some, labels, size, validation, rate, softmaxes) in plan.items():
        keras.utils.set_random_seed(seed)
        network = keras.Sequential([space["mlp"](64, 64), *[keras.layers.Softmax() for _ in range(softmaxes)]])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not softmaxes)
        network.compile(keras.optimizers.Adam(rate), loss)
        history = network.fit(some, labels, size, 15, verbose=0, validation_data=validation).history
        for part, name in (("training", "loss"), ("validation", "val_loss")):
            found |= {f"{panel}, epoch {e}: {part} loss": value for e, value in enumerate(history[name], 1)}
    return found


if __name__ == "__main__":
    record.rebuild("03_curves", measure, code)
