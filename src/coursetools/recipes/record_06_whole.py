"""Measures a record of chapter 06, a minute and a half a seed: make records NB=06_whole

The pretrained network fine-tuned in all of its layers on 5, 15 and 50 pictures of each class, tested on the first fold.
A seed decides the folds, which pictures are drawn, the weights and the order; all four as for the record 06_eye, with
which this one is compared in pairs.
"""

import keras
import numpy as np
import tensorflow as tf
from coursetools.recipes import record
from groundup.models import efficientnet

NAMES = [*record.SHARED["06"], "eye_images", "learn_head", "few", "open_upper", "to_fine_tune"]
SIZES = (5, 15, 50)
STEPS, RATE = 40, 0.0001  # the steps as for the upper blocks, half as many pictures in each; the best rate of 06_rate

space, code = record.definitions("06", NAMES)
eye_images, labels = space["eye_images"], space["labels"]
VERSIONS = [(quarters, mirror) for mirror in (0, 1) for quarters in range(4)]
eye = efficientnet.load(space["EYE_SIZE"])
known, kept = {}, {}  # features by picture; the one compiled model


class Halves(space["Batches"]):
    """Batches of 16 pictures, which take half the time."""

    def __init__(self, *given):
        super().__init__(*given)
        self.size = min(16, len(self.rows))


space["Batches"] = Halves


def features(rows):
    """Frozen features of these pictures in their eight versions, (8, n, 1280)."""
    new = [row for row in rows if row not in known]
    if new:
        views = np.stack([space["turned"](eye_images[row], *version) for row in new for version in VERSIONS])
        known.update(zip(new, space["outputs"](eye, views).reshape(len(new), 8, 1280), strict=True))
    return np.stack([known[row] for row in rows], axis=1)


def opened(head):
    """The network with a frozen head's weights and all layers trainable, its optimizer at its start."""
    fresh = space["to_fine_tune"](head)
    for layer in fresh.layers[0].layers:  # one by one: setting it on the model leaves them as they are
        layer.trainable = True
    if sum(variable.numpy().size for variable in fresh.trainable_variables) != fresh.count_params():
        raise RuntimeError("some layers are frozen")
    model = kept.setdefault("model", fresh)
    values = [np.array(variable.value) for variable in fresh.variables]
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables if model.compiled else []:
        variable.assign(tf.zeros_like(variable.value))
    return model


def accuracy(seed, n, rate):
    """Test accuracy after fine-tuning all layers on n pictures of each class."""
    train, test = space["deal"](seed)[0]
    rows = space["few"](train, n, seed)
    head = space["learn_head"](features(rows).reshape(-1, 1280), np.tile(labels[rows], 8))
    model, epochs = opened(head), -(-STEPS // (len(rows) // min(16, len(rows))))
    keras.utils.set_random_seed(seed)
    space["fit"](model, eye_images, rows, seed, rate=rate, epochs=epochs)
    return np.mean(space["outputs"](model, eye_images[test]).argmax(axis=1) == labels[test])


def measure(seed):
    """{number of pictures: test accuracy}."""
    return {f"fine-tuned whole, {n} of each class": accuracy(seed, n, RATE) for n in SIZES}


if __name__ == "__main__":
    record.rebuild("06_whole", measure, code)
