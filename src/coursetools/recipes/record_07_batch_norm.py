"""Measures a record of chapter 07, half a minute a seed on one core: make records NB=07_batch_norm

Eight plain layers with and without batch normalization at five learning rates (section 2), from the same initial
weights; the pictures are the same for every seed.
"""

import numpy as np
from coursetools.recipes import record

NAMES = [
    *record.SHARED["07"],
    "x_val",
    "NARROW",
    "fit",
    "few",
    "ScaleAndShift",
    "without_norm",
    "restart",
    "NORM_RATES",
]

space, code = record.definitions("07", NAMES, given={"train_whole": True})
x, y = space["x"][space["few"]], space["y"][space["few"]]
compiled = {}  # networks by their kind: compiling takes as long as a training


def trained(kind, model, rate, epochs, seed):
    """What `fit` returns for a network from its weights; of each kind the first one is compiled and used again."""
    weights = model.get_weights()
    if kind not in compiled:
        compiled[kind] = model
        space["fit"](model, x[:1000], y[:1000], 1, rate, batch=50)
    return space["fit"](space["restart"](compiled[kind], weights, rate, seed), x, y, epochs, batch=50)


def measure(seed):
    """{"network, rate, epoch: what": value}; a loss that is not finite or above 99 counts as 99."""
    found, space["SEED"] = {}, seed
    for rate in space["NORM_RATES"]:
        normalized = space["network"](space["NARROW"], 1, residual=False, seed=seed)
        for name, model in {"normalized": normalized, "not normalized": space["without_norm"](normalized)}.items():
            rows = np.nan_to_num(trained(name, model, rate, space["NORM_EPOCHS"], seed), nan=99, posinf=99).clip(max=99)
            for i, (loss, accuracy, _) in enumerate(rows, 1):
                found[f"{name}, rate {rate:g}, epoch {i}: training loss"] = loss
                found[f"{name}, rate {rate:g}, epoch {i}: validation accuracy"] = accuracy
    return found


if __name__ == "__main__":
    record.rebuild("07_batch_norm", measure, code)
