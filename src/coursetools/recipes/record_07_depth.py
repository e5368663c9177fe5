"""Measures a record of chapter 07, a minute and a half a seed: make records NB=07_depth

The three networks of sections 1 and 5 and the two of section 8 with other initial weights and shuffling; the pictures
are the same.
"""

from coursetools.recipes import record

NAMES = [
    *record.SHARED["07"],
    "x_val",
    "NARROW",
    "fit",
    "few",
    "without",
    "share_left",
    "WIDE",
    "inception",
    "inception_network",
    "losses_of",
]
DEPTHS = {"8 plain": (1, False), "20 plain": (3, False), "20 residual": (3, True)}

space, code = record.definitions("07", NAMES, given={"train_whole": True})


def after_each(name, **columns):
    """{"name, epoch i: what": value} of lists of numbers, one for each epoch."""
    return {f"{name}, epoch {i}: {what}": v for what, values in columns.items() for i, v in enumerate(values, 1)}


def measure(seed):
    """{"network, epoch: what": value} of the five networks."""
    found, space["SEED"] = {}, seed
    x, y = space["x"][space["few"]], space["y"][space["few"]]
    judged = space["x_val"][:1000], space["y_val"][:1000]
    for name, (blocks, residual) in DEPTHS.items():
        network, rows = space["network"](space["NARROW"], blocks, residual=residual, seed=seed), []
        for i in range(1, space["DEPTH_EPOCHS"] + 1):
            rows += [*space["fit"](network, x, y, 1, 0.002 if i == 1 else None, batch=50)]
            if blocks == 3 and i in (1, space["DEPTH_EPOCHS"]):
                found[f"{name}: share left after epoch {i}"] = space["share_left"](network, *judged)
        loss, accuracy, _ = zip(*rows, strict=True)
        found |= after_each(name, **{"training loss": loss, "validation accuracy": accuracy})
    pair = {"Inception": space["inception_network"](seed), "ResNet": space["network"](space["WIDE"], 1, seed=seed)}
    for name, network in pair.items():
        found |= after_each(name, **{"training loss": space["losses_of"](network, space["DEPTH_EPOCHS"])})
    return found


if __name__ == "__main__":
    record.rebuild("07_depth", measure, code)
