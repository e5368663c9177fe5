"""Measures a record of chapter 07, half a minute a seed: make records NB=07_sky

The three accuracies of section 10 on five splits, with other splits and other initial weights; the trained body is that
of data/resnet.
"""

import numpy as np
from coursetools.recipes import record

NAMES = [
    *record.SHARED["07"],
    "restart",
    "settle",
    "WIDE",
    "sky",
    "resized",
    "small",
    "sky_splits",
    "frozen",
    "from_scratch",
]

space, code = record.definitions("07", NAMES)


def measure(seed):
    """{"body, split i": accuracy} of the three bodies."""
    splits, network = space["sky_splits"](seed), space["network"]
    with np.load(space["data"].path("resnet") / "weights.npz") as file:
        trained, weights = network(space["WIDE"], 1), [file[f"weights_{i}"] for i in range(len(file.files) - 2)]
    trained.set_weights(weights)
    scores = {
        "frozen, trained on clothes": space["frozen"](trained, splits),
        "frozen, random weights": space["frozen"](
            space["settle"](network(space["WIDE"], 1, seed=seed), space["small"]), splits
        ),
        "from scratch": space["from_scratch"](splits, seed),
    }
    return {f"{name}, split {i}": score for name, values in scores.items() for i, score in enumerate(values, 1)}


if __name__ == "__main__":
    record.rebuild("07_sky", measure, code)
