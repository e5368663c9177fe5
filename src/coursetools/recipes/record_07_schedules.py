"""Measures a record of chapter 07, a minute and a half a seed on one core: make records NB=07_schedules

The five trainings of section 6 with other initial weights, shuffling and augmentation; the pictures are the same.
"""

from coursetools.recipes import record

NAMES = [
    *record.SHARED["07"],
    "x_val",
    "fit",
    "few",
    "restart",
    "flip_and_shift",
    "cosine",
    "WIDE",
    "short",
    "plan",
    "judged",
]

KINDS = "clean training loss", "clean training accuracy", "validation loss", "validation accuracy"

space, code = record.definitions("07", NAMES, given={"train_whole": True})
x, y = space["x"][space["few"]], space["y"][space["few"]]
x_val, y_val = space["x_val"], space["y_val"]
space["x_val"], space["y_val"] = x_val[:500], y_val[:500]  # what `fit` looks at after each epoch, and is not kept
compiled = {}  # networks by their schedule: compiling takes as long as a training


def measure(seed):
    """{"run: what": value} of the runs at their ends, and their training losses in the first epoch."""
    found, space["SEED"] = {}, seed  # `fit` draws its augmentation from it
    for name, (epochs, rate, augment) in space["plan"].items():
        model, constant = space["network"](space["WIDE"], 1, seed=seed), isinstance(rate, float)
        schedule, weights = "constant" if constant else epochs, model.get_weights()
        if schedule not in compiled:
            compiled[schedule] = model
            space["fit"](model, x[:1000], y[:1000], 1, rate, batch=50)
        model = space["restart"](compiled[schedule], weights, rate if constant else None, seed)
        rows = space["fit"](model, x, y, epochs, batch=50, augment=augment)
        found[f"{name}, epoch 1: training loss"] = rows[0, 0]
        numbers = *space["judged"](model, x, y), *space["judged"](model, x_val, y_val)
        found |= {f"{name}: {kind}": value for kind, value in zip(KINDS, numbers, strict=True)}
    return found


if __name__ == "__main__":
    record.rebuild("07_schedules", measure, code)
