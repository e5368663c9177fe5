"""Measures a record of chapter 07, two minutes a seed on one core: make records NB=07_rates

The networks of sections 1 and 4 at three or four learning rates, plain ones also with mirrored initial weights. What is
in the record 07_depth already, the three networks of section 1 at the rate 0.002, is left out.
"""

from coursetools.recipes import record

NAMES = [*record.SHARED["07"], "x_val", "NARROW", "fit", "few", "restart", "mirrored", "looks_linear"]

TRIALS = {
    "8 plain": (0.008, 0.032),
    "8 mirrored": (0.002, 0.008, 0.032),
    "20 plain": (0.0005, 0.008, 0.032),
    "20 mirrored": (0.0005, 0.002, 0.008, 0.032),
    "20 residual": (0.0005, 0.008, 0.032),
}

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
    """{"network, rate, epoch: what": value} of all trials."""
    found, space["SEED"] = {}, seed
    for name, rates in TRIALS.items():
        depth, kind = name.split()
        for rate in rates:
            residual = kind == "residual"
            model = space["network"](space["NARROW"], 1 if depth == "8" else 3, residual=residual, seed=seed)
            model = space["looks_linear"](model) if kind == "mirrored" else model
            rows = trained((depth, residual), model, rate, space["DEPTH_EPOCHS"], seed)
            for i, (loss, accuracy, _) in enumerate(rows, 1):
                found[f"{name}, rate {rate:g}, epoch {i}: training loss"] = loss
                found[f"{name}, rate {rate:g}, epoch {i}: validation accuracy"] = accuracy
    return found


if __name__ == "__main__":
    record.rebuild("07_rates", measure, code)
