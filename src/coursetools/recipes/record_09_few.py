"""Measures a record of chapter 09, by seed: its small trainings, on few sentences, those of Break it included.

Each seed has its own sentences out of the training set, its own first weights of the head and its own batches; the
trainings of a seed have the same. The loss is the mean of the epoch, in nats. `make records NB=09_few` calls this.
"""

import contextlib
import io

from coursetools.recipes import record
from groundup import session
from groundup.models import bert

with contextlib.redirect_stdout(io.StringIO()):
    session.start(9)
import keras

NAMES = [
    "reviews",
    "kept",
    "texts",
    "labels",
    "divide",
    "train",
    "pretrained",
    "ids",
    "inside",
    "lower",
    "hidden",
    "average",
    "out",
    "head",
    "upper_part",
    "whole",
    "WarmUp",
    "model",
    "first",
    "start_again",
    "gentle",
    "accuracy",
    "pick",
    "learn_from_few",
    "part",
    "few",
    "trial",
    "random_weights",
]
tokenizer, backbone = bert.load()
chapter, code = record.definitions("09", NAMES, {"tokenizer": tokenizer, "backbone": backbone})


def measure(seed):
    """{name: number} of one seed."""
    chapter["SEED"], train, test, labels = seed, chapter["train"], chapter["test"], chapter["labels"]
    pick, ids, hidden = chapter["pick"], chapter["ids"], chapter["hidden"]
    part = train[chapter["np"].random.default_rng(seed).permutation(len(train))[: chapter["FEW"]]]
    kernel = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)(chapter["first"][0].shape)
    chapter["first"] = [keras.ops.convert_to_numpy(kernel), chapter["first"][1]]
    found = {}
    for name, model, values in (("all blocks", "everything", ids), ("upper blocks", "model", hidden)):
        chapter["learn_from_few"](chapter[model], values, part)
        found[name] = chapter["accuracy"](chapter[model], pick(values, test), labels[test])
    rows, sides, rng = pick(hidden, part), labels[part], chapter["np"].random.default_rng(seed)
    blank = chapter["random_weights"](rng)
    backbone.set_weights(blank)
    below = bert.in_batches(pick(ids, [*part, *chapter["valid"][:400]]), chapter["lower"])
    ways = {
        "as it should be": {"rows": rows, "sides": sides},
        "Adam's default rate": {"optimizer": keras.optimizers.Adam(), "rows": rows, "sides": sides},
        "random weights": {"rows": below[: len(part)], "sides": sides, "weights": blank, "tested": below[len(part) :]},
        "shuffled labels": {"rows": rows, "sides": rng.permutation(sides)},
    }
    for name, way in ways.items():
        found[f"{name}: validation accuracy"], losses = chapter["trial"](**way)
        found[f"{name}: loss"] = losses[-1]
        found[f"{name}: highest loss"] = max(losses)
    return found


if __name__ == "__main__":
    record.rebuild("09_few", measure, code)
