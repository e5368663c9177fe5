"""Measures a record of chapter 06, two minutes a seed: make records NB=06_rate

Which learning rate suits the pretrained network that is fine-tuned whole (record 06_whole): four of them, on 50
pictures of each class. A rate is judged on the pictures of the two training folds that were not drawn. The pictures of
the test fold take no part.
"""

import keras
import numpy as np
from coursetools.recipes import record, record_06_whole

NAMES = [*record.SHARED["06"], "eye_images", "learn_head", "few", "open_upper", "to_fine_tune"]
N, RATES = 50, (0.00003, 0.0001, 0.0003, 0.001)

space, code = record_06_whole.space, record_06_whole.code
eye_images, labels = space["eye_images"], space["labels"]


def accuracy(head, rows, left, seed, rate):
    """Accuracy on the pictures that are left after fine-tuning all layers on these rows, as for the record 06_whole."""
    model = record_06_whole.opened(head)
    epochs = -(-record_06_whole.STEPS // (len(rows) // min(16, len(rows))))
    keras.utils.set_random_seed(seed)
    space["fit"](model, eye_images, rows, seed, rate=rate, epochs=epochs)
    return np.mean(space["outputs"](model, eye_images[left]).argmax(axis=1) == labels[left])


def measure(seed):
    """{rate: accuracy on the pictures of the training folds that were not drawn}."""
    train, _ = space["deal"](seed)[0]
    rows = space["few"](train, N, seed)
    left = np.setdiff1d(train, rows)
    head = space["learn_head"](record_06_whole.features(rows).reshape(-1, 1280), np.tile(labels[rows], 8))
    return {f"rate {rate:g}, {N} of each class: validation": accuracy(head, rows, left, seed, rate) for rate in RATES}


if __name__ == "__main__":
    record.rebuild("06_rate", measure, code)
