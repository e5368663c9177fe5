"""Measures a record of chapter 05, a quarter of a minute a seed on one core: make records NB=05_searches

The comparison of section 10: all 224 networks trained twice, and each search repeated 200 times on the first run. A
seed draws the training images, the initial weights, their order and the searches anew.
"""

import numpy as np
from coursetools.recipes import record
from groundup import data

REPEATS = 200
NAMES = [
    "softmax",
    "centre",
    "shrink",
    "x_small",
    "start",
    "forward",
    "backward",
    "train",
    "MOMENTA",
    "RATES",
    "SHAPE",
    "PLACES",
    "wrong_share",
    "train_all",
    "batch_one",
    "grid_search",
    "random_search",
    "hyperband",
    "DOUBLINGS",
    "DISTANCES",
    "matern",
    "CORRELATIONS",
    "guess",
    "guided_search",
    "follow",
    "SEARCHES",
    "compare",
    "summary",
]

(x_all, y_all), (x_test, y_test) = ((x.astype("float32") / 255, y) for x, y in data.load("fashion_mnist")[:2])
given = {"x_all": x_all, "y_all": y_all, "x_test": x_test, "y_test": y_test}
space, code = record.definitions("05", NAMES, given | {"x_val": x_all[15000:], "y_val": y_all[15000:]})


def measure(seed):
    """{what: value} of a table: its searches, and the lowest validation error with each batch size and momentum."""
    with np.errstate(all="ignore"):
        first, second = (space["train_all"](seed, run) for run in range(2))
    both = (first[1] + second[1]).reshape(space["SHAPE"]) / 2
    found = {f"lowest with momentum {m:.3g}": e.min() for m, e in zip(space["MOMENTA"], both, strict=True)}
    found |= {f"lowest with batch {b}": both[:, i].min() for i, b in enumerate(space["BATCHES"])}
    single = sum(space["batch_one"](seed, run) for run in range(2)) / 2
    found |= {"batch 1, no momentum": single.min(), "batch 4, no momentum": both[0, 0, 6:11].min()}
    place = np.unravel_index(both.argmin(), both.shape)
    found |= {
        f"place of the lowest: {name}": int(i) for name, i in zip(("momentum", "batch", "rate"), place, strict=True)
    }
    return found | space["summary"](space["compare"](first, second, seed, REPEATS))


if __name__ == "__main__":
    record.rebuild("05_searches", measure, code, seeds=range(1, 11))
