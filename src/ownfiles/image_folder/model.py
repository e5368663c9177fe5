"""A trained model with what it takes to use it: saved, restored, and asked about new pictures."""

import hashlib
import io
import json
import os
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
from groundup.session import import_keras

from .base import Bad, FolderError, Pictures, Prediction, Saved, Scan, shown
from .decode import MAX_PIXELS, PREPROCESSING, decoded
from .files import existing, place, walk, write, write_csv


def save(model, pictures, folder):
    """Save a model with its class names and the size of its pictures: `model.keras` and `model.json` in one folder.

    Each file is replaced in one step, and the JSON holds the model's hash: a save cut short is noticed by `restore`.

    Args:
        model: keras.Model of (n, size, size, 3) pictures in 0..255, with an output a class that are probabilities
            (softmax), or one for two classes (sigmoid: the probability of the second).
        pictures: Pictures or Scan it was trained on, or a pair (classes, size).
        folder: path, made if it is not there.

    Returns:
        pathlib.Path of the folder.

    Raises:
        FolderError: the model does not fit the classes and the size, or the folder cannot be written.
    """
    if isinstance(pictures, Pictures):
        classes, size = pictures.classes, pictures.images.shape[1]
    else:
        classes, size = (pictures.classes, pictures.size) if isinstance(pictures, Scan) else pictures
    saved = Saved(model, list(map(str, classes)), int(size))
    if fault := _misfit(saved):
        raise FolderError(f"The model is not saved: {fault}.")
    folder = Path(place(folder))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "model.keras"
            model.save(file)
            content = file.read_bytes()
    except OSError as error:
        raise FolderError(
            f"The model is not saved: {tempfile.gettempdir()} cannot be written ({error.strerror}); make room, or let "
            "TMPDIR name another folder."
        ) from None
    about = {
        "classes": saved.classes,
        "size": saved.size,
        "pictures": PREPROCESSING,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write(folder / "model.keras", content)
    write(folder / "model.json", json.dumps(about, indent=1).encode())
    return folder


def restore(folder):
    """A model saved by `save`, ready to predict (not compiled).

    Args:
        folder: path given to `save`.

    Returns:
        Saved.

    Raises:
        FolderError: a file of it is missing, broken, or does not fit the other.
    """
    folder = Path(place(folder))
    again = "save the model again with image_folder.save"
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        content = (folder / "model.keras").read_bytes()
    except OSError as error:
        raise FolderError(
            f"{shown(error.filename)} cannot be read ({error.strerror}); give a folder written by image_folder.save."
        ) from None
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{shown(folder / 'model.json')} is broken ({_first_line(error)}); {again}.") from None
    fits = isinstance(about, dict) and isinstance(about.get("classes"), list) and isinstance(about.get("size"), int)
    if not fits or not all(isinstance(label, str) for label in about["classes"]):
        raise FolderError(f"{shown(folder / 'model.json')} lacks the list classes or the number size; {again}.")
    if about.get("sha256") != hashlib.sha256(content).hexdigest() or about.get("pictures") != PREPROCESSING:
        raise FolderError(f"{shown(folder)}: model.json and model.keras are not of one save; {again}.")
    keras = import_keras()
    try:
        model = keras.models.load_model(folder / "model.keras", compile=False)  # safe_mode stays on: no code is run
    except Exception as error:  # Keras raises many kinds
        raise FolderError(
            f"{shown(folder / 'model.keras')} cannot be loaded ({_first_line(error)}{_version(content)}); {again}, "
            "without Lambda layers or layers of your own."
        ) from None
    saved = Saved(model, about["classes"], about["size"])
    if fault := _misfit(saved):
        raise FolderError(f"{shown(folder)}: {fault}; {again}.")
    return saved


def _misfit(saved):
    """Why a model does not fit its classes and size, or ""."""
    model, classes, size = saved
    if len(set(classes)) != len(classes) or len(classes) < 2:
        return f"its classes are {classes}, but need to be two or more different names"
    wanted, seen = (None, size, size, 3), getattr(model, "input_shape", None)
    if seen and (len(seen) != 4 or any(a not in (None, b) for a, b in zip(seen, wanted, strict=True))):
        return f"its input is {seen}, the pictures are {wanted}"
    try:
        _probabilities(saved, np.zeros((1, size, size, 3), np.uint8))
    except FolderError as error:
        return str(error)
    except Exception as error:  # Keras raises many kinds
        return f"it fails on a black picture ({_first_line(error)})"
    return ""


def _version(content):
    """Words on the version of Keras that wrote a model, given the file's bytes, if it is another one; else ""."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            version = json.loads(archive.read("metadata.json"))["keras_version"]
    except Exception:  # whatever the file holds, the error above is what counts
        return ""
    here = metadata.version("keras")
    return f"; Keras {shown(str(version))[:20]} saved it, here is {here}" if version != here else ""


def _first_line(error):
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _probabilities(saved, images):
    """(n, classes) float64 for (n, size, size, 3) uint8 pictures, or FolderError for an output that is none."""
    result = np.asarray(saved.model.predict_on_batch(images), dtype=np.float64)
    if result.shape == (len(images), 1) and len(saved.classes) == 2:
        result = np.concatenate([1 - result, result], axis=1)
    if result.shape != (len(images), len(saved.classes)):
        raise FolderError(f"its output has shape {result.shape[1:]}, the classes are {len(saved.classes)}")
    if not (result.min() >= 0 and np.allclose(result.sum(axis=1), 1, atol=1e-3)):
        raise FolderError("its outputs are no probabilities; let it end in a softmax (or a sigmoid, for two classes)")
    return result


def predict(saved, pictures):
    """What a model says of new pictures.

    Args:
        saved: Saved.
        pictures: path of a folder, whose files are taken at any depth, or of a file, or a list of paths of files.

    Returns:
        list of Prediction, a row for each file that is not hidden: sorted by path relative to the folder, or each in
        the order of the list. A file that cannot be decoded has a row that says why.

    Raises:
        FolderError: no such folder or file, a folder without files that are not hidden, or no Pillow.
    """
    if isinstance(pictures, str | os.PathLike):
        if os.path.isfile(os.path.expanduser(pictures)):
            root, found = "", [(os.path.expanduser(pictures), "", "")]
        else:
            root = existing(pictures)
            found = sorted(item for item in walk(root) if item[1] not in ("class", "hidden"))
            if not found:
                raise FolderError(f"{shown(pictures)} has no files; give a folder with pictures in it.")
    else:
        root, found = "", [(os.fspath(path), "", "") for path in pictures]
    rows, waiting = [], []  # waiting: (number of a row, pixels)

    def answer():
        answers = _probabilities(saved, np.stack([pixels for _, pixels in waiting])) if waiting else []
        for (i, _), chances in zip(waiting, answers, strict=True):
            best = int(np.argmax(chances))
            chances = dict(zip(saved.classes, map(float, chances), strict=True))
            rows[i] = Prediction(rows[i].path, saved.classes[best], chances[saved.classes[best]], chances, "")
        waiting.clear()

    for path, status, why in found:
        if status in ("", "no class"):
            try:
                waiting.append((len(rows), decoded(os.path.join(root, path), saved.size, 1, MAX_PIXELS)[0]))
                why = ""
            except Bad as bad:
                why = bad.args[1]
        rows.append(Prediction(path, "", float("nan"), {}, why))
        if len(waiting) == 32:
            answer()
    answer()
    return rows


def write_predictions(rows, file):
    """Write predictions as CSV: path and class as `shown`, probability, why, and a column p(class) for each class.

    Args:
        rows: list of Prediction.
        file: path of the CSV, replaced in one step.

    Raises:
        FolderError: it cannot be written.
    """
    classes = next((list(row.probabilities) for row in rows if row.probabilities), [])
    lines = [["path", "class", "probability", "why", *(f"p({label})" for label in classes)]]
    for row in rows:
        chances = [f"{row.probabilities[label]:.6f}" for label in classes] if row.label else [""] * len(classes)
        lines.append([row.path, row.label, f"{row.probability:.6f}" if row.label else "", row.why, *chances])
    write_csv(file, lines)
