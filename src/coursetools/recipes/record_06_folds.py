"""Measures a record of chapter 06, two minutes a seed: make records NB=06_folds

A line for each wrong answer in five folds, named "model: path of the picture"; its value is the class answered.
"""

import numpy as np
from coursetools.recipes import record
from groundup import data
from groundup.inputs import image_folder

FOLDER = data.path("deep_sky")
NAMES = [
    "Turned",
    "small_network",
    "source_network",
    "fit",
    "logits",
    "renewed",
    "ours_answer",
    "source_answer",
    "cross_validate",
    "sky_object",
    "trial",
]


def pictures(size):
    return image_folder.load(image_folder.scan(FOLDER, size=size))


sky = pictures(50)
space, code = record.definitions("06", NAMES, {"pictures": sky, "sky": sky, "middle": pictures(75)})
photographers = dict(zip(data.load("deep_sky").paths, data.load("deep_sky").photographers, strict=True))
by_object = image_folder.folds(sky, 5, group=space["sky_object"], seed=6)
by_photographer = image_folder.folds(sky, 5, group=photographers.get, seed=6)
RUNS = {
    "the source's": (by_object, "source_answer"),
    "ours": (by_object, "ours_answer"),
    "ours, unseen photographers": (by_photographer, "ours_answer"),
}


def measure(seed):
    """{"model: path": the class answered} of all that this seed answers wrongly."""
    found = {}
    for name, (folds, answer) in RUNS.items():
        answers = space["cross_validate"](folds, space[answer], seed)
        found |= {f"{name}: {sky.paths[i]}": answers[i] for i in np.flatnonzero(answers != sky.labels)}
    return found


if __name__ == "__main__":
    record.rebuild("06_folds", measure, code)
