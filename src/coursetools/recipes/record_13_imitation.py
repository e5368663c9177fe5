"""Measures a record of chapter 13, half a minute a seed on one core: make records NB=13_imitation

The control of 13_over: the same pairs in the same order, as many steps at the same learning rate, and the loss of
supervised fine-tuning on the better answers in place of DPO's. The worse answers are not used.
"""

import numpy as np
from coursetools.recipes import record
from coursetools.recipes.record_13_over import code, measure, space

NAMES = [*record.SHARED["13"], "bits", "stretch", "DPO_BETA", "DPO_RATE"]  # as in 13_over


def by_imitation(x, better, worse):
    """A step on -ln of the better answers' probabilities, which Adam takes with the learning rate of DPO."""
    weights = np.zeros((2 * len(x), better.shape[1]), "float32")
    weights[: len(x)] = 2.0  # the step takes the mean over better and worse
    space["weighted_step"](np.concatenate([x, x]), np.concatenate([better, worse]), weights)


if __name__ == "__main__":
    record.rebuild("13_imitation", lambda seed: measure(seed, by_imitation), code)
