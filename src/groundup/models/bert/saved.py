"""A classifier of texts in one folder: all that a fresh process needs to answer on raw strings."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ... import files
from .learn import logits
from .rows import ids
from .weights import BertError, keras_hub

ABOUT = "classifier.json"


class Classifier(NamedTuple):
    """A saved classifier of texts; made by `restore`."""

    tokenizer: Any
    model: Any  # keras.Model of (ids, mask), gives logits
    classes: list  # of str
    length: int  # tokens that are read of each text

    def predict(self, texts):
        """Logits (n, classes) float32 of a list of n raw strings; a single one is refused (BertError)."""
        return logits(self.model, ids(self.tokenizer, texts, self.length))


def save(path, tokenizer, model, classes, length):
    """Write all that a fresh process needs to answer on raw strings into a folder: `restore` reads it.

    Each file is replaced in one step, and the JSON, written last, holds their hashes: a save cut short is noticed.

    Args:
        path: str or Path of the folder; made if missing, an older model in it is replaced.
        tokenizer: keras_hub.models.BertTokenizer.
        model: keras.Model of (ids, mask) that gives logits.
        classes: list of str, in the order of the logits.
        length: int, tokens that are read of each text.

    Raises:
        BertError: classes are not as many different str as the model has logits; nothing is written.
    """
    _fit(classes, model)
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / ABOUT).unlink(missing_ok=True)  # written last: without it a folder is no model
    with tempfile.TemporaryDirectory(dir=path) as scratch:
        tokenizer.save_assets(scratch)
        model.save(Path(scratch) / "model.keras")
        content = {name: (Path(scratch) / name).read_bytes() for name in ("vocabulary.txt", "model.keras")}
    for name, each in content.items():
        files.write(path / name, each)
    about = {
        "sha256": {name: hashlib.sha256(each).hexdigest() for name, each in content.items()},
        "classes": list(classes),
        "length": length,
        "lowercase": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
    }
    files.write(path / ABOUT, json.dumps(about, ensure_ascii=False, indent=1))


def restore(path):
    """The Classifier that `save` wrote into a folder.

    Raises:
        BertError: there is none, or a file of it is missing, unreadable or not the one that was saved.
    """
    path = Path(path)
    if not (path / ABOUT).is_file():
        raise BertError(f"{path} holds no saved model (there is no {ABOUT} in it): name the folder that was saved to.")
    hub = keras_hub()
    import keras

    try:
        about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        for name in ("vocabulary.txt", "model.keras"):
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != about["sha256"][name]:
                raise ValueError(f"{name} is not the one that was saved with it")
        tokenizer = hub.models.BertTokenizer(
            str(path / "vocabulary.txt"), lowercase=about["lowercase"], strip_accents=about["strip_accents"]
        )
        model = keras.saving.load_model(path / "model.keras", compile=False)
        _fit(about["classes"], model)
        return Classifier(tokenizer, model, about["classes"], about["length"])
    except Exception as error:  # Keras and KerasHub raise all kinds
        raise BertError(
            f"The model in {path} cannot be read ({type(error).__name__}: {str(error)[:120]}): save it again."
        ) from None


def _fit(classes, model):
    """Refuse names of classes that are not as many different str as the model has logits."""
    outputs = model.output_shape[-1]
    names = isinstance(classes, (list, tuple)) and all(isinstance(name, str) for name in classes)
    if not names or not len(set(classes)) == len(classes) == outputs:
        raise BertError(
            f"The classes are {str(classes)[:60]}: {outputs} logits need a list of {outputs} different names."
        )
