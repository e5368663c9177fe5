"""Measures a record of chapter 06, one minute a seed: make records NB=06_eye

5, 15 and 50 pictures of each class, four ways to learn from them, tested on the first fold. A seed decides the folds,
which pictures are drawn, the weights and the order.
"""

import keras
import numpy as np
import tensorflow as tf
from coursetools.recipes import record
from groundup.models import efficientnet

NAMES = [*record.SHARED["06"], "eye_images", "learn_head", "few", "open_upper", "to_fine_tune"]
SIZES = (5, 15, 50)
SCRATCH_STEPS, TUNING_STEPS, TUNING_RATE = 140, 40, 0.0003  # 140: as in the chapter with all of two folds

space, code = record.definitions("06", NAMES)
images, eye_images, labels = space["images"], space["eye_images"], space["labels"]
VERSIONS = [(quarters, mirror) for mirror in (0, 1) for quarters in range(4)]
kept = {}


def features_of(network):
    """Features of all pictures in their eight versions, (8, n, 1280)."""
    views = ([space["turned"](image, *version) for image in eye_images] for version in VERSIONS)
    return np.stack([space["outputs"](network, np.stack(view)) for view in views])


def as_varied(features, others):
    """Features, each divided by its standard deviation, that vary as much in all as these others do.

    Those of random weights are tiny: with the same penalty a head could not use them.
    """
    return features / (features.std(axis=(0, 1)) + 1e-12) * np.sqrt(others.var(axis=(0, 1)).mean())


def random_features(seed):
    """Features of the network with random weights, scaled to be of use: (8, n, 1280)."""
    keras.utils.set_random_seed(seed)
    return as_varied(features_of(efficientnet.network(space["EYE_SIZE"])), kept["eye"])


def renewed(model, fresh):
    """The model with these values of its variables, and with an optimizer at its start."""
    for variable, value in zip(model.variables, fresh, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables if model.compiled else []:
        variable.assign(tf.zeros_like(variable.value))
    return model


def trained(name, made, x, rows, seed, rate, steps):
    """A network of this kind, trained for about as many steps; one compiled model serves all."""
    model = kept.setdefault(name, made)
    fresh = [np.array(variable.value) for variable in made.variables]
    epochs = -(-steps // max(1, len(rows) // 32))
    return space["fit"](renewed(model, fresh), x, rows, seed, rate=rate, epochs=epochs)


def measure(seed):
    """{way and number of pictures: test accuracy}."""
    train, test = space["deal"](seed)[0]
    if "eye" not in kept:
        kept["eye"] = features_of(efficientnet.load(space["EYE_SIZE"]))
    seen = {"frozen": kept["eye"], "random weights, frozen": random_features(seed)}
    found = {}
    for n in SIZES:
        rows, answers = space["few"](train, n, seed), {}
        for name, features in seen.items():
            head = space["learn_head"](features[:, rows].reshape(-1, 1280), np.tile(labels[rows], 8))
            answers[name] = head.predict(features[0, test])
            if name == "frozen":
                start = space["to_fine_tune"](head)
        answers["frozen, not augmented"] = space["learn_head"](kept["eye"][0, rows], labels[rows]).predict(
            kept["eye"][0, test]
        )
        model = trained("fine-tuned", start, eye_images, rows, seed, TUNING_RATE, TUNING_STEPS)
        answers["fine-tuned"] = space["outputs"](model, eye_images[test]).argmax(axis=1)
        keras.utils.set_random_seed(seed)
        model = trained("from scratch", space["small_network"](), images, rows, seed, 0.003, SCRATCH_STEPS)
        answers["from scratch"] = space["outputs"](model, images[test]).argmax(axis=1)
        found |= {f"{name}, {n} of each class": np.mean(said == labels[test]) for name, said in answers.items()}
    return found


if __name__ == "__main__":
    record.rebuild("06_eye", measure, code)
