"""What training prints, one line per epoch without timings, and how an interrupted one goes on.

Keras is imported when first needed.
"""

import json
import os
import zipfile
from pathlib import Path

import numpy as np


class OtherPlan(ValueError):
    """A kept training that belongs to another plan than the one that wants to go on from it."""


def EpochLines(every=1):
    """A Keras callback that prints one line per epoch, without timings: `epoch  3/10  loss 0.123  accuracy 0.967`.

    Args:
        every: int, print each epoch whose number it divides, and always the last one of the plan.

    Returns:
        keras.callbacks.Callback, for `model.fit(..., verbose=0, callbacks=[EpochLines()])`. The loss comes
        first, then the metrics, then both on validation data, `val_...`; three decimals each.

    Raises:
        ValueError: `every` is not a positive whole number.
    """
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise ValueError(f"every={every!r}: a line can be printed every 1, 2, 3, ... epochs.")
    import keras

    class Lines(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            number, planned = epoch + 1, self.params["epochs"]
            if number % every == 0 or number == planned:
                print(epoch_line(number, planned, logs or {}))

    return Lines()


def epoch_line(number, planned, logs):
    """The line of one epoch, a str.

    Args:
        number: int, of this epoch, from 1.
        planned: int, how many epochs there will be; sets the width, so that lines stand under each other.
        logs: dict from metric to number, as Keras hands it to a callback.
    """
    names = sorted(logs, key=lambda name: (name.startswith("val_"), name.removeprefix("val_") != "loss"))
    values = "".join(f"  {name} {float(logs[name]):.3f}" for name in names if name != "learning_rate")
    return f"epoch {number:{len(str(planned))}}/{planned}{values}"


def write(file, **arrays):
    """Write an .npz file whole or not at all."""
    part = Path(f"{file}.part")
    with part.open("wb") as stream:
        np.savez(stream, **arrays)
    os.replace(part, file)


def keep(file, variables, plan, **progress):
    """Keep a training that may be interrupted in a file, whole or not at all.

    Args:
        file: str or Path.
        variables: list of keras.Variable, all that change: of models, optimizers and random generators.
        plan: what the training is, to be compared by `resume`; anything that JSON can hold.
        progress: how far it is, by name; anything that JSON can hold.
    """
    numbers = {f"{i:03d}": np.asarray(variable.value) for i, variable in enumerate(variables)}
    write(file, plan=json.dumps(plan), progress=json.dumps(progress), **numbers)


def resume(file, variables, plan):
    """Set the variables to what `keep` wrote and return its progress, a dict; {} where there is no whole file.

    The file is a str, a Path, or one that is open for reading bytes and has a name.

    Raises:
        OtherPlan: the file belongs to another plan; nothing is set.
    """
    try:
        with np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        seen, progress = json.loads(str(arrays["plan"])), json.loads(str(arrays["progress"]))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return {}
    if seen != json.loads(json.dumps(plan)):
        name = file.name if hasattr(file, "read") else file
        raise OtherPlan(f"{name} belongs to another plan: {seen}. Move it away to start anew.")
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"{i:03d}"])
    return progress
