"""Trains the flow-matching model in data/gan: chapter 10's own network and loss, for longer than the chapter can.

`make weights` calls this. The work is kept in build/data/flow/ at every line of the log, so every 2,000 steps; after an
interruption the same command goes on from there, to the weights of an uninterrupted run. --write puts the files into
data/ itself. The judge of data/gan says how good the samples are; that is logged and changes nothing: the weights kept
are those of the last step.
"""

import contextlib
import io
import json
import sys
import time

import numpy as np
from coursetools.recipes import packages, record
from groundup import data, session, training

PLAN = {"steps": 6_000, "batch": 32, "rate": 2e-3, "decay": 0.999, "seed": 10}
HEAD = ["step", "loss", "recognised", "distance", "precision", "recall", "seconds"]  # of the log; processor seconds
LOG_EVERY = 2_000  # steps between two lines of the log
NAMES = [
    "recognised",
    "between_gaussians",
    "frechet",
    "squares",
    "inside",
    "scores",
    "batches",
    "with_extra",
    "time_and_class",
    "flow_network",
    "Flow",
    "follow",
]


def chapter():
    """What chapter 10 defines: the network, its training, its sampling, and what its judge says of pictures."""
    import tensorflow as tf
    from groundup.models import gan

    mnist = data.load("mnist")
    X, y = mnist.train[0], mnist.train[1].astype("int32")
    with np.load(data.path("gan") / "judge.npz", allow_pickle=False) as arrays:
        judge = gan.unpack(gan.classifier(), arrays)
    given = {"X": X, "y": y, "pixels": tf.constant(X[..., None]), "labels": tf.constant(y), "judge": judge}
    given["real_features"] = gan.look(judge, gan.scaled(mnist.test[0]))[0]
    return record.definitions("10", NAMES, given)[0]


def build(space, steps, rate, decay, seed, **_):
    """The model, ready to train by an Adam whose rate falls to nothing along a half cosine."""
    import keras

    keras.utils.set_random_seed(seed)
    model = space["Flow"](space["flow_network"](), decay=decay, seed=seed)
    adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps), 0.9, 0.99)
    adam.build(model.network.trainable_variables)
    model.compile(adam, steps_per_execution=10, jit_compile=False)
    return model


def variables(model):
    """All that changes in a training, in a fixed order."""
    return [*model.variables, *model.optimizer.variables]


def train(space, model, look, folder, until=None):
    """Train to the end of the plan (or to step `until`); returns the log, a line per LOG_EVERY steps."""
    checkpoint = folder / "flow.npz"
    step, log = packages.progress(checkpoint, variables(model), PLAN)
    while step < (until or PLAN["steps"]):
        end, began = min(step + LOG_EVERY, until or PLAN["steps"]), time.process_time()
        some = space["batches"](step, end, PLAN["seed"], PLAN["batch"])
        done = model.fit(some, verbose=0, shuffle=False)
        seconds, step = time.process_time() - began + (log[-1][-1] if log else 0), end
        seen = look(model)
        log.append([step, *[round(value, 4) for value in (done.history["loss_of_velocity"][-1], *seen.values())]])
        log[-1].append(round(seconds, 1))
        training.keep(checkpoint, variables(model), PLAN, step=step, log=log)
        print(time.strftime("%H:%M:%S"), *[f"{name} {value}" for name, value in zip(HEAD, log[-1], strict=True)])
        sys.stdout.flush()
    return log


def packed(network):
    """{"00": float16 array ...}: the weights of a network, in its own order; layers have no names that last."""
    return {f"{i:02d}": weight.astype("float16") for i, weight in enumerate(network.get_weights())}


def main():
    given = packages.options("flow", __doc__)
    with contextlib.redirect_stdout(io.StringIO()):
        session.start(10)
    space = chapter()
    model = build(space, **PLAN)
    log = train(space, model, lambda model: space["scores"](space["follow"](model.average, 0)), given.out, given.until)
    if given.until:
        return 0
    files = {"gan/flow.npz": packages.npz(**packed(model.average)), "gan/flow.csv": packages.as_csv(HEAD, log)}
    files["gan/flow.json"] = json.dumps(PLAN, indent=1).encode()
    packages.write_weights(files, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
