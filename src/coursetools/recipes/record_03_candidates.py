"""Measures a record of chapter 03, a minute a seed: make records NB=03_candidates

The four candidates of section 5, the wide network with other learning rates, and the network on 5,000 images. A seed
divides the training images, and sets the initial weights and the order of the batches.
"""

import numpy as np
from coursetools.recipes import record

NAMES = [*record.SHARED["03"], "X_test", "LOSS", "train", "falling", "PLAN", "KeepLogits", "few_images", "softmax"]
OTHER_RATES = 0.00025, 0.0005, 0.001  # constant ones, beside the 0.002 of the plan; falling ones start at twice as much

code = record.definitions("03", NAMES)[1]


def measure(seed):
    """{"network: what": value}, at the end of the training where nothing else is said."""
    space, _ = record.definitions("03", NAMES, given={"SEED": seed})
    plan = dict(space["PLAN"])
    for rate in OTHER_RATES:
        plan[f"256-128, constant {rate}"] = (256, 128), rate
        plan[f"256-128, falling from {2 * rate}"] = (256, 128), space["falling"](2 * rate)
    found = {}
    for name, (widths, rate) in plan.items():
        model, history = space["train"](widths, rate)
        test = model.evaluate(space["X_test"], space["y_test"], batch_size=400, verbose=0)
        found |= {
            f"{name}: validation loss": history["val_loss"][-1],
            f"{name}: validation accuracy": history["val_accuracy"][-1],
            f"{name}: last validation loss over lowest": history["val_loss"][-1] / min(history["val_loss"]),
            f"{name}: training loss": history["loss"][-1],
            f"{name}: test accuracy": test[1],
        }
    return found | few(space)


def few(space):
    """What section 5 measures of the network on 5,000 images."""
    logits = space["few_images"]()[1].astype(float)
    p, y = space["softmax"](logits), space["y_val"]
    loss = -np.log(p[:, np.arange(len(y)), y]).mean(axis=1)
    accuracy = np.mean(logits.argmax(axis=-1) == y, axis=1)
    best, confidence = loss.argmin(), p.max(axis=-1).mean(axis=1)
    return {
        "5,000 images: epoch of the lowest validation loss": best + 1,
        "5,000 images: last validation loss over lowest": loss[-1] / loss[best],
        "5,000 images: validation accuracy gained since the lowest loss": accuracy[-1] - accuracy[best],
        "5,000 images: confidence minus accuracy": confidence[-1] - accuracy[-1],
    }


if __name__ == "__main__":
    record.rebuild("03_candidates", measure, code)
