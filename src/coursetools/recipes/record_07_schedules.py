"""Measures a record of chapter 07, two minutes a seed on one core: make records NB=07_schedules

The six trainings of section 6 with other initial weights, shuffling and augmentation; the pictures are the same.
"""

from coursetools.recipes import record

NAMES = [
    "load_pictures",
    "x_all",
    "order",
    "train_rows",
    "mean",
    "std",
    "scaled",
    "x",
    "x_val",
    "SHAPE",
    "conv",
    "block",
    "network",
    "LOSS",
    "fit",
    "few",
    "restart",
    "flip_and_shift",
    "cosine",
    "WIDE",
    "short",
    "plan",
    "clean_loss",
]

KINDS = "training loss", "validation accuracy", "validation loss"  # the columns of `fit`

space, code = record.definitions("07", NAMES, given={"train_whole": True})
x, y = space["x"][space["few"]], space["y"][space["few"]]
compiled = {}  # networks by their schedule: compiling takes as long as a training


def measure(seed):
    """{"run, epoch: what": value} of the six runs, and {"run: loss on clean training images": value}."""
    found, space["SEED"] = {}, seed  # `fit` draws its augmentation from it
    for name, (epochs, rate, augment) in space["plan"].items():
        model, constant = space["network"](space["WIDE"], 1, seed=seed), isinstance(rate, float)
        schedule, weights = "constant" if constant else epochs, model.get_weights()
        if schedule not in compiled:
            compiled[schedule] = model
            space["fit"](model, x[:1000], y[:1000], 1, rate, batch=50)
        model = space["restart"](compiled[schedule], weights, rate if constant else None, seed)
        rows = space["fit"](model, x, y, epochs, batch=50, augment=augment)
        for i, row in enumerate(rows, 1):
            found |= {f"{name}, epoch {i}: {kind}": value for kind, value in zip(KINDS, row, strict=True)}
        found[f"{name}: loss on clean training images"] = space["clean_loss"](model)
    return found


if __name__ == "__main__":
    record.rebuild("07_schedules", measure, code)
