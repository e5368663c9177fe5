"""Measures a record of chapter 10, thirteen minutes in all: make records NB=10_contest

Sections 5, 6 and 10: GANs and a flow-matching model, each trained for about the same processor time. Seed 0 tries the
learning rates. The one with the smallest Fréchet distance is CHOSEN, and the seeds 1 to 5 are trained with it.
"""

import time

import numpy as np
from coursetools.recipes import record
from groundup import data

NAMES = [
    "dense_generator",
    "dense_discriminator",
    "TwoNetworks",
    "GAN",
    "ready",
    "dense_gan",
    "recognised",
    "between_gaussians",
    "frechet",
    "squares",
    "inside",
    "scores",
    "batches",
    "sample",
    "noise_and_class",
    "logit_of",
    "normalized_generator",
    "leaky_discriminator",
    "conv_generator",
    "conv_discriminator",
    "new_gan",
    "KINDS",
    "BUDGET",
    "with_extra",
    "time_and_class",
    "flow_network",
    "Flow",
    "follow",
    "new_flow",
]
FLOW = "flow, told the class"
RATES = {
    "dense, as printed": [5e-4, 1e-3, 2e-3, 4e-3],
    "dense": [2.5e-4, 5e-4, 1e-3, 2e-3],
    "dense, told the class": [5e-4, 1e-3, 2e-3],
    "conv": [5e-4, 1e-3, 2e-3],
    "conv, told the class": [5e-4, 1e-3, 2e-3, 4e-3],
    FLOW: [5e-4, 1e-3, 2e-3, 4e-3],
}
CHOSEN = {
    "dense, as printed": 4e-3,
    "dense": 5e-4,
    "dense, told the class": 1e-3,
    "conv": 1e-3,
    "conv, told the class": 2e-3,
    FLOW: 2e-3,
}


def given():
    """What the chapter has when it defines these functions."""
    import tensorflow as tf
    from groundup.models import gan

    mnist = data.load("mnist")
    X, y = mnist.train[0], mnist.train[1].astype("int32")
    with np.load(data.path("gan") / "judge.npz", allow_pickle=False) as arrays:
        judge = gan.unpack(gan.classifier(), arrays)
    features = gan.look(judge, gan.scaled(mnist.test[0]))[0]
    return {
        "X": X,
        "y": y,
        "pixels": tf.constant(X[..., None]),
        "labels": tf.constant(y),
        "judge": judge,
        "real_features": features,
    }


space, code = record.definitions("10", NAMES, given=given())


def trained(name, seed, rate):
    """(what to sample from, seconds of processor time) after the training that the chapter describes."""
    begin = time.process_time()
    if name == FLOW:
        model = space["new_flow"](seed, rate)
        model.fit(space["batches"](0, space["FLOW_STEPS"], seed), verbose=0, shuffle=False)
    else:
        model = space["KINDS"][name](seed, rate)
        steps, size = space["BUDGET"][name]
        model.fit(space["batches"](0, steps, seed, size), verbose=0, shuffle=False)
    return model, time.process_time() - begin


def measure(seed):
    """{"network: what": value} of all six with the chosen rates; of seed 0, of all rates."""
    found = {}
    for name in RATES if seed == 0 else CHOSEN:
        for rate in RATES[name] if seed == 0 else [CHOSEN[name]]:
            model, seconds = trained(name, seed, rate)
            sample = space["follow"] if name == FLOW else space["sample"]
            numbers = space["scores"](sample(model.average, seed))
            if seed == 0:
                found |= {f"{name}, rate {rate:g}, seed 0: {what}": value for what, value in numbers.items()}
            else:
                numbers |= {"rate": rate, "processor seconds": seconds}
                found |= {f"{name}: {what}": value for what, value in numbers.items()}
            if seed and name == "conv, told the class":
                numbers = space["scores"](sample(model.generator, seed))
                found |= {f"{name}: {what}, without average": value for what, value in numbers.items()}
    return found


if __name__ == "__main__":
    record.rebuild("10_contest", measure, code, seeds=range(6))
