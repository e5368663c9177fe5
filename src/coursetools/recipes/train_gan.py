"""Trains the models in data/gan: a judge of digits, a GAN, and a GAN that is told the class.

`make weights` calls this. The work is kept in build/data/gan/ at every line of the log, so every 500 steps; after an
interruption the same command goes on from there, to the weights of an uninterrupted run. At the end it prints how the
log compares with data/gan/log.csv; --write puts the files into data/ itself. The judge learns from training digits
alone and sees no generated picture; what it says is logged and changes nothing: the weights kept are those of the last
step.
"""

import contextlib
import io
import json
import sys
import time

import numpy as np
from coursetools.recipes import manifest, packages
from groundup import data, session, training

PLAN = {
    "judge": {"steps": 2_500, "batch": 64, "rate": 2e-3, "seed": 1},
    "digits": {"classes": 0, "steps": 4_000, "batch": 32, "rates": [2e-3, 1e-3], "decay": 0.999, "seed": 10},
    "classes": {"classes": 10, "steps": 5_000, "batch": 32, "rates": [2e-3, 1e-3], "decay": 0.999, "seed": 10},
}
HEAD = ["model", "step", "d_loss", "g_loss", "recognised", "least", "most", "distance"]  # of the log
LOG_EVERY = 500  # steps between two lines of the log
EARLY = 100  # a step with a line of its own, so that a minute shows whether a training goes the same way
LOOK_AT = 2_000  # pictures that the judge sees for each


def batches(x, y, first, last, size, seed):
    """tf.data.Dataset of the batches of steps first to last - 1, the same for the same step."""
    import tensorflow as tf

    chosen = np.array([np.random.default_rng([seed, step]).integers(0, len(x), size) for step in range(first, last)])
    x, y = tf.constant(x), tf.constant(y)

    def gather(rows):
        return tf.gather(x, rows), tf.gather(y, rows)

    return tf.data.Dataset.from_tensor_slices(chosen).map(gather).prefetch(2)


def train_judge(x, y, steps, batch, rate, seed):
    """The judge, trained on digits and their labels."""
    import keras
    from groundup.models import gan

    keras.utils.set_random_seed(seed)
    judge = gan.classifier()
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    judge.compile(keras.optimizers.Adam(schedule), loss, steps_per_execution=10)
    judge.fit(batches(x, y, 0, steps, batch, seed), verbose=0, shuffle=False)
    return judge


def judge_of(x, y, folder):
    """The judge that a folder keeps, or else one trained now and kept there; with weights rounded as it will be used.

    Exits with one sentence if the one that is kept belongs to another plan.
    """
    from groundup.models import gan

    file, judge, plan = folder / "judge.npz", gan.classifier(), PLAN["judge"]
    if not packages.progress(file, judge.variables, plan)[0]:
        judge = train_judge(x, y, **plan)
        training.keep(file, judge.variables, plan, step=plan["steps"])
    return gan.unpack(judge, gan.packed(judge))


def build(classes, steps, rates, decay, seed, **_):
    """The GAN, ready to train: two Adams whose rates fall linearly to nothing."""
    import keras
    from groundup.models import gan

    keras.utils.set_random_seed(seed)
    model = gan.GAN(gan.generator(classes), gan.discriminator(classes), decay=decay, seed=seed)
    adams = [
        keras.optimizers.Adam(keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0), 0.5, 0.99) for rate in rates
    ]
    model.compile(*adams, steps_per_execution=10)
    return model


def variables(model):
    """All variables of the networks, the noise and the two optimizers, in a fixed order."""
    return [*model.variables, *model.generator_optimizer.variables, *model.discriminator_optimizer.variables]


def pictures(model, n):
    """n pictures from the averaged generator, the same noise each time; classes 0 to 9 in turn."""
    z = np.random.default_rng(0).normal(size=(n, model.latent)).astype("float32")
    c = np.arange(n, dtype="int32") % 10
    return model.average.predict([z, c] if model.classes else z, batch_size=250, verbose=0)


def train(name, model, x, y, look, folder, until=None):
    """Train to the end of the plan (or to step `until`); returns its log, a line at EARLY and per LOG_EVERY steps.

    `look` turns pictures into the dict of numbers that is logged.
    """
    plan, checkpoint = PLAN[name], folder / f"{name}.npz"
    kind = [plan, PLAN["judge"]]  # whose numbers are in the log
    step, log = packages.progress(checkpoint, variables(model), kind)
    while step < (until or plan["steps"]):
        end = (step // LOG_EVERY + 1) * LOG_EVERY
        end = EARLY if step < EARLY < end else end
        done = model.fit(batches(x, y, step, end, plan["batch"], plan["seed"]), verbose=0, shuffle=False)
        step = end
        losses = {key: float(done.history[key][-1]) for key in ("d_loss", "g_loss")}
        seen = {**losses, **look(pictures(model, LOOK_AT))}
        log.append([name, step, *[round(value, 4) for value in seen.values()]])
        training.keep(checkpoint, variables(model), kind, step=step, log=log)
        print(
            time.strftime("%H:%M:%S"),
            f"{name} {step:5d}/{plan['steps']}",
            *[f"{key} {value:.3f}" for key, value in seen.items()],
            flush=True,
        )
    return log


def main():
    given = packages.options("gan", __doc__)
    with contextlib.redirect_stdout(io.StringIO()):
        session.start(10)
    from groundup.models import gan

    mnist = data.load("mnist")
    x, y = gan.scaled(mnist.train[0]), mnist.train[1].astype("int32")
    judge = judge_of(x, y, given.out)
    features, p = gan.look(judge, gan.scaled(mnist.test[0]))
    print(f"the judge: {np.mean(p.argmax(axis=1) == mnist.test[1]):.4f} right on test digits", flush=True)
    log, files = [], {"gan/judge.npz": packages.npz(**gan.packed(judge))}
    for name in ("classes", "digits"):
        model = build(**PLAN[name])
        log += train(name, model, x, y, lambda images: gan.scores(judge, images, features), given.out, given.until)
        files[f"gan/{name}.npz"] = packages.npz(**gan.packed(model.average))
    if given.until:
        return 0
    files |= {"gan/log.csv": packages.as_csv(HEAD, log), "gan/model.json": json.dumps(PLAN, indent=1).encode()}
    before = manifest.DATA / "gan" / "log.csv"
    if before.exists():  # weights differ from machine to machine, what they can do does not
        last = ",".join(map(str, log[-1]))
        print(f"last line: {last}; in data/gan/log.csv: {before.read_text().splitlines()[-1]}")
    packages.write_weights(files, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
