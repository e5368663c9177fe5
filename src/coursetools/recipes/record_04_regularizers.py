"""Measures a record of chapter 04, three minutes a seed on one core: make records NB=04_regularizers

The comparison of sections 10 and 11: every method is tuned on validation images, all trials of its grid, and its best
trial is judged on the test images. A seed draws the images, the initial weights, the order and the masks anew.
"""

import numpy as np
from coursetools.recipes import record

NAMES = [
    "pictures",
    "x_all",
    "deal",
    "fresh",
    "judge",
    "Adam",
    "batches",
    "set_mode",
    "train",
    "l2",
    "l1",
    "decay",
    "Dropout",
    "shifted",
    "EarlyStopping",
    "build",
    "HOOKS",
    "run",
    "RATES",
    "METHODS",
    "trials_of",
    "label",
]

space, code = record.definitions("04", NAMES)
judge, label = space["judge"], space["label"]


def trial(settings):
    """A trained network's accuracy and loss in training, and in validation, (2, 2)."""
    network, size = space["run"](**settings), settings.get("images", 2000)
    training = judge(network, space["x_pool"][:size], space["y_pool"][:size])
    return np.array([training, judge(network, space["x_val"], space["y_val"])])


def measure(seed):
    """{"method, settings: what": value} of all trials, and {"method: what": value} of each method's best."""
    found, space["SEED"] = {}, seed
    (space["x_pool"], space["y_pool"]), (space["x_val"], space["y_val"]) = space["deal"](seed)
    best = {}
    for method in space["METHODS"]:
        trials = space["trials_of"](method)
        results = np.array([trial(settings) for settings in trials])
        for settings, (training, validation) in zip(trials, results, strict=True):
            found[f"{method}, {label(settings)}: validation loss"] = validation[1]
            if method in ("none", "smaller network"):
                found[f"{method}, {label(settings)}: gap"] = training[0] - validation[0]
                found[f"{method}, {label(settings)}: validation accuracy"] = validation[0]
        best[method] = trials[results[:, 1, 1].argmin()], results[results[:, 1, 1].argmin(), 0]
    return found | tested(best)


def tested(best):
    """The chosen networks on the test images, which no choice has seen; best: {method: (settings, in training)}."""
    pictures, labels = space["data"].load("fashion_mnist").test
    x = (pictures.reshape(-1, 784) / 255).astype(np.float32)
    found = {}
    for method, (settings, training) in best.items():
        accuracy, loss = judge(space["run"](**settings), x, labels)
        found |= {f"{method}: test accuracy": accuracy, f"{method}: test loss": loss}
        found |= {f"{method}: training accuracy": training[0], f"{method}: training loss": training[1]}
    return found


if __name__ == "__main__":
    record.rebuild("04_regularizers", measure, code)
