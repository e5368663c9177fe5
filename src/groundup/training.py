"""What training prints, one line per epoch without timings, and how an interrupted one goes on.

Keras is imported when first needed.
"""

import json
import os
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from . import files

# What numpy, zipfile and zlib raise for bytes that were changed; which of these depends on the byte.
DAMAGE = (ValueError, TypeError, AttributeError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Damaged(ValueError):
    """A kept training whose file is not what `keep` wrote; the one before it is still there."""


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
    with files.whole(file) as stream:
        np.savez(stream, **arrays)


def keep(file, variables, plan, **progress):
    """Keep a training that may be interrupted in a file, whole or not at all; the one before stays beside it.

    Args:
        file: str or Path.
        variables: list of keras.Variable, all that change: of models, optimizers and random generators.
        plan: what the training is, to be compared by `resume`; anything that JSON can hold.
        progress: how far it is, by name; anything that JSON can hold.
    """
    numbers = {f"{i:03d}": np.asarray(variable.value) for i, variable in enumerate(variables)}
    if os.path.exists(file):
        old = before(file)
        old.unlink(missing_ok=True)
        try:
            os.link(file, old)
        except OSError:  # a file system without hard links
            shutil.copyfile(file, old)
    write(file, plan=json.dumps(plan), progress=json.dumps(progress), **numbers)


def before(file):
    """Path of the training that was kept before the last one: state.npz -> state.before.npz"""
    return Path(file).with_suffix(".before.npz")


def forget(file):
    """Remove what `keep` wrote, when a training is finished."""
    for path in (Path(file), before(file)):
        path.unlink(missing_ok=True)


def resume(file, variables, plan):
    """Set the variables to what `keep` wrote and return its progress, a dict; {} where there is no file.

    The file is a str, a Path, or one that is open for reading bytes and has a name.

    Raises:
        Damaged: the file is not whole, and to start anew would replace it; nothing is set.
        OtherPlan: the file belongs to another plan, or to a model with other variables; nothing is set.
        OSError: the file is there and cannot be read; nothing is set, and to start anew would replace it.
    """
    name = file.name if hasattr(file, "read") else file
    try:
        with np.load(file, allow_pickle=False) as kept:
            arrays = {key: kept[key] for key in kept.files}
        seen, progress = json.loads(str(arrays.pop("plan"))), json.loads(str(arrays.pop("progress")))
        if not isinstance(progress, dict) or any(array.dtype.kind in "US" for array in arrays.values()):
            raise ValueError("another program's file")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OSError(
            f"{name} is there, but cannot be read ({error.strerror or error}): "
            "make it readable to go on, or move it away to start anew."
        ) from error
    except DAMAGE as error:
        old = before(name)
        way = "Move it away to start anew."
        if old.exists():
            way = f"Move {old.name} to its place to go on from the one before, or both away to start anew."
        raise Damaged(f"{name} is damaged ({type(error).__name__}). {way}") from None
    if seen != json.loads(json.dumps(plan)):
        raise OtherPlan(f"{name} belongs to another plan: {seen}. Move it away to start anew.")
    ours = {f"{i:03d}": variable for i, variable in enumerate(variables)}
    other = next((key for key in ours if key not in arrays or arrays[key].shape != tuple(ours[key].shape)), None)
    if other or len(arrays) != len(ours):
        raise OtherPlan(
            f"{name} belongs to a model with other variables: it holds {len(arrays)}, here are {len(ours)}"
            + (f", of which number {int(other)} does not fit" if other in arrays else "")
            + ". Move it away to start anew."
        )
    for key, variable in ours.items():
        variable.assign(arrays[key])
    return progress
