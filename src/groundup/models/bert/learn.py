"""Training on batches of similar length, which goes on where it was interrupted, and the logits of a model."""

import gc
import hashlib

import numpy as np

from ... import training
from .rows import MULTIPLE, in_batches, length_batches, pad

BATCH = 32


def logits(model, rows, size=128):
    """(n, classes), for rows of ids (t,) or of vectors (t, d), by a model of values and mask."""
    import tensorflow as tf

    def forward(values, mask):
        values, mask = tf.cast(values, model.inputs[0].dtype), tf.convert_to_tensor(mask)
        return model([values, mask], training=False)

    call = forward
    if len(rows) > size:  # a graph, which takes a second to build, pays for many rows
        call = _graph(model, ("forward", rows[0].dtype), lambda: tf.function(forward, _specs(rows), autograph=False))
    return np.stack(in_batches(rows, call, size, cut=False))


def fit(model, rows, labels, optimizer, epochs, seed, state=None, callbacks=(), batch=BATCH):
    """Train a model of (values, mask) on batches of similar length; an interrupted training goes on.

    The graph of a step is built in a model's first training, which takes seconds, and serves all others of the model.

    Args:
        model: keras.Model that gives logits.
        rows: arrays (t,) int32 of ids, or (t, d) of vectors.
        labels: (n,) int64.
        optimizer: keras.optimizers.Adam or AdamW, not used before; of its settings the rate, fixed or a schedule,
            weight_decay and clipnorm, the betas and epsilon.
        epochs: int; each is shuffled by its own number, so that it can be repeated.
        seed: int, of shuffling and dropout.
        state: path of a file that keeps all numbers after each epoch and is deleted after the last. If it is there,
            from the same training (its content says so), the epochs it knows are not repeated; that of another one is
            replaced, and a line says so. None: no file.
        callbacks: of Keras, told of each batch and epoch.
        batch: int, rows in a batch, 32.

    Returns:
        list of float: the mean loss so far in its epoch, after each batch.
    """
    import keras

    keras.utils.set_random_seed(seed)
    key = _key(model, rows, labels, optimizer, epochs, seed, batch) if state else None
    made = ("training", rows[0].dtype, labels.dtype)
    adam = _graph(model, made, lambda: _Adam(model, rows, labels))
    adam.start(optimizer)
    known = {id(variable) for variable in model.weights}
    for i, variable in enumerate(v for v in model.variables if id(v) not in known):
        variable.assign(np.array([seed + i, 0], dtype=np.uint32))  # where dropout's random numbers begin
    losses, done, logs, lengths = [], 0, {}, np.array([len(row) for row in rows])
    numbers = [*model.variables, *adam.averages, optimizer.iterations]
    if state:
        try:
            done = training.resume(state, numbers, key).get("epochs", 0)
        except training.OtherPlan:
            print("begun anew: what was kept is of another training")
        if done:
            print(f"resumed after epoch {done}")
    told = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=-(-len(rows) // batch))
    told.on_train_begin()
    for epoch in range(done, epochs):
        told.on_epoch_begin(epoch)
        total = np.zeros(3)  # loss, right answers, rows
        for i, some in enumerate(length_batches(lengths, batch, np.random.default_rng([seed, epoch]))):
            told.on_train_batch_begin(i)
            loss, right = adam.step(*pad([rows[j] for j in some], MULTIPLE), labels[some])
            total += float(loss) * len(some), float(right), len(some)
            logs = {"loss": total[0] / total[2], "accuracy": total[1] / total[2]}
            losses.append(logs["loss"])
            told.on_train_batch_end(i, logs)
        if state:
            training.keep(state, numbers, key, epochs=epoch + 1)
        told.on_epoch_end(epoch, logs)
    told.on_train_end(logs)
    if state:
        training.forget(state)
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
        specs = [*_specs(rows), tf.TensorSpec((None,), labels.dtype), tf.TensorSpec((8,), tf.float32)]
        self.graph = tf.function(self._step, specs, autograph=False)

    def start(self, optimizer):
        """Begin a training with the settings of a Keras optimizer.

        Raises:
            ValueError: it is not Adam or AdamW, or has settings that are not known here.
        """
        config = optimizer.get_config()
        odd = "amsgrad global_clipnorm clipvalue use_ema gradient_accumulation_steps loss_scale_factor".split()
        odd = [name for name in odd if config.get(name)]
        if type(optimizer).__name__ not in ("Adam", "AdamW") or odd:
            raise ValueError(f"{type(optimizer).__name__} {' '.join(odd)}: bert.fit takes Adam or AdamW without these.")
        self.optimizer, self.config = optimizer, config
        for average in self.averages:
            average.assign(average.value * 0)

    def step(self, values, mask, labels):
        """Train on one batch; returns its mean loss and how many answers were right."""
        config, t = self.config, int(self.optimizer.iterations) + 1
        beta_1, beta_2 = config["beta_1"], config["beta_2"]
        settings = [float(self.optimizer.learning_rate), config["weight_decay"] or 0, config["clipnorm"] or np.inf]
        settings += [beta_1, beta_2, beta_1**t, beta_2**t, config["epsilon"]]
        result = self.graph(values, mask, labels, np.array(settings, np.float32))
        self.optimizer.iterations.assign(t)
        return result

    def _step(self, values, mask, labels, settings):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            z = self.model([tf.cast(values, self.model.inputs[0].dtype), mask], training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z))
        rate, decay, clip, beta_1, beta_2, power_1, power_2, epsilon = tf.unstack(settings)
        half, gradients = len(self.weights), tape.gradient(loss, self.weights)
        for w, m, v, g in zip(self.weights, self.averages[:half], self.averages[half:], gradients, strict=True):
            g = tf.convert_to_tensor(g)
            g *= tf.minimum(1.0, clip / tf.norm(g))
            w.assign_sub(w * (rate * decay))
            powers = {"beta1_power": power_1, "beta2_power": power_2}
            betas = {"beta1": beta_1, "beta2": beta_2, "epsilon": epsilon}
            averages = {"m": m.value.handle, "v": v.value.handle}
            tf.raw_ops.ResourceApplyAdam(var=w.handle, lr=rate, grad=g, **averages, **powers, **betas)
        return loss, tf.math.count_nonzero(tf.argmax(z, axis=1) == labels)


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


def _key(model, rows, labels, optimizer, epochs, seed, batch):
    """A hash of all that goes into a training, its first weights included."""
    settings = {k: v for k, v in optimizer.get_config().items() if k != "name"}  # Keras numbers the names
    key = hashlib.sha256(f"{epochs} {seed} {batch} {settings}".encode())
    for array in [*model.get_weights(), *rows, labels]:
        key.update(np.ascontiguousarray(array))
    return key.hexdigest()
