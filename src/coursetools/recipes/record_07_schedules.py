"""Measures a record of chapter 07, three minutes a seed: make records NB=07_schedules

The four trainings of section 6 with other initial weights, shuffling and augmentation; the pictures are the same.
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
    "flip_and_shift",
    "cosine",
    "WIDE",
    "plan",
]
KINDS = "training loss", "validation accuracy", "validation loss"  # the columns of `fit`

space, code = record.definitions("07", NAMES)


def measure(seed):
    """{"run, epoch: what": value} of the four runs."""
    found, space["SEED"] = {}, seed  # `fit` draws its augmentation from it
    for name, (epochs, rate, augment) in space["plan"].items():
        network = space["network"](space["WIDE"], 1, seed=seed)
        rows = space["fit"](network, space["x"], space["y"], epochs, rate, augment=augment)
        found |= {
            f"{name}, epoch {i}: {kind}": value
            for i, row in enumerate(rows, 1)
            for kind, value in zip(KINDS, row, strict=True)
        }
    return found


if __name__ == "__main__":
    record.rebuild("07_schedules", measure, code)
