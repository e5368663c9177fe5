"""Measures a record of chapter 12, two minutes a seed on one core: make records NB=12_blocks

Chapter 08's GPT, two blocks of width 96, and the same with one part exchanged for that of a Llama-style block, and
with all of them exchanged. The hidden width of the MLP is chosen so that all have as many parameters as the first, as
nearly as a whole number allows. Data, batches, schedule and optimizer are those of chapter 08. Seed 0 tries peaks of
the learning rate for each network, by bits on the validation novel; seeds 1 to 5 are compared, each network at its own
best peak, with the same batches. Bits are per character, on a quarter of the validation novel. The
course comes without this record.
"""

import contextlib
import io
import math

from coursetools.recipes import record
from groundup import session
from groundup.models import gpt

with contextlib.redirect_stdout(io.StringIO()):
    session.start(12)
import keras
from keras import layers, ops

NAMES = []  # of chapter 12: nothing, the networks are below
CONTEXT, WIDTH, HEADS, KEYS, BLOCKS, STEPS = 128, 96, 6, 2, 2, 400
PEAKS = (0.003, 0.006, 0.012)  # that seed 0 tries
CHANGES = {
    "chapter 08's block": {},
    "RMSNorm": {"rms": True},
    "RoPE": {"rope": True},
    "SwiGLU": {"gated": True},
    "GQA": {"keys": KEYS},
    "all four": {"rms": True, "rope": True, "gated": True, "keys": KEYS},
}
CHOSEN = {
    "chapter 08's block": 0.003,
    "RMSNorm": 0.003,
    "RoPE": 0.006,
    "SwiGLU": 0.006,
    "GQA": 0.003,
    "all four": 0.003,
}  # what seed 0 found


def dense(units, deviation):
    return layers.Dense(units, kernel_initializer=gpt.normal(deviation))


def norm(rms):
    return layers.RMSNormalization(epsilon=1e-5) if rms else layers.LayerNormalization(epsilon=1e-5)


def rotated(x):
    """x (B, heads, T, d), its pairs of neighbours turned by position times 10000 ** (-2 i / d)."""
    T, d = x.shape[2:]
    angles = ops.arange(T, dtype="float32")[:, None] * 10000.0 ** (-ops.arange(0, d, 2, dtype="float32") / d)
    c, s, a, b = ops.cos(angles), ops.sin(angles), x[..., ::2], x[..., 1::2]
    return ops.reshape(ops.stack([a * c - b * s, a * s + b * c], axis=-1), ops.shape(x))


class Attention(layers.Layer):
    """Causal attention of `HEADS` query heads, which share `keys` heads of keys and values."""

    def __init__(self, deviation, rope=False, keys=HEADS):
        super().__init__()
        self.keys, self.rope, self.d = keys, rope, WIDTH // HEADS
        self.qkv, self.out = dense((HEADS + 2 * keys) * self.d, 0.02), dense(WIDTH, deviation)

    def call(self, x):
        T = x.shape[1]
        parts = ops.transpose(ops.reshape(self.qkv(x), (-1, T, HEADS + 2 * self.keys, self.d)), (0, 2, 1, 3))
        q, k, v = ops.split(parts, (HEADS, HEADS + self.keys), axis=1)
        if self.rope:
            q, k = rotated(q), rotated(k)
        k, v = (ops.repeat(each, HEADS // self.keys, axis=1) for each in (k, v))
        S = ops.matmul(q, ops.swapaxes(k, 2, 3)) / math.sqrt(self.d)
        S = ops.where(ops.arange(T) <= ops.arange(T)[:, None], S, -1e9)
        mixed = ops.transpose(ops.matmul(ops.softmax(S), v), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (-1, T, WIDTH)))


class Block(layers.Layer):
    def __init__(self, hidden, deviation, rms=False, gated=False, **attention):
        super().__init__()
        self.norm1, self.attention = norm(rms), Attention(deviation, **attention)
        self.norm2, self.up, self.down = norm(rms), dense(hidden, 0.02), dense(WIDTH, deviation)
        self.gate = dense(hidden, 0.02) if gated else None

    def call(self, x):
        x = x + self.attention(self.norm1(x))
        h = self.norm2(x)
        if self.gate:
            return x + self.down(ops.silu(self.gate(h)) * self.up(h))
        return x + self.down(keras.activations.gelu(self.up(h), approximate=True))


class Network(keras.Model):
    """Tokens (B, T) to logits; without changes it is the GPT of chapter 08."""

    def __init__(self, vocabulary, hidden, rope=False, rms=False, **changes):
        super().__init__()
        deviation = 0.02 / math.sqrt(2 * BLOCKS)
        self.tokens = layers.Embedding(vocabulary, WIDTH, gpt.normal(0.02))
        self.positions = None if rope else layers.Embedding(CONTEXT, WIDTH, gpt.normal(0.02))
        self.blocks = [Block(hidden, deviation, rms, rope=rope, **changes) for _ in range(BLOCKS)]
        self.norm = norm(rms)
        self(ops.zeros((1, CONTEXT), "int32"))

    def call(self, tokens):
        x = self.tokens(tokens)
        if self.positions:
            x = x + self.positions(ops.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return ops.matmul(self.norm(x), ops.transpose(self.tokens.embeddings))


def hidden_width(vocabulary, changes):
    """The MLP's hidden width that brings a network with these changes nearest to chapter 08's parameters."""
    wanted = gpt.parameters(BLOCKS, WIDTH, vocabulary, CONTEXT)
    one, two = (Network(vocabulary, hidden, **changes).count_params() for hidden in (1, 2))
    return 1 + round((wanted - one) / (two - one))


chapter, networks = None, None


def prepare():
    """Chapter 08's data and functions, and the networks by name, which are compiled once."""
    global chapter, networks
    names = ["novels", "novel", "val_text", "train_text", "train_tokenizer", "texts", "tokenizers", "tokenizer", "V"]
    names += ["tokens", "val_tokens", "bits_per_character", "batch_of", "rate_at", "ready", "train", "surprise"]
    names += ["judge", "val_part", "CONTEXT"]
    chapter, _ = record.definitions("08", names, {"sizes": (1024,)})
    networks = {}


def fresh(name, seed):
    """The network as it is made after the seed was set, with an optimizer that knows nothing yet."""
    keras.utils.set_random_seed(seed)
    network = Network(chapter["V"], hidden_width(chapter["V"], CHANGES[name]), **CHANGES[name])
    if name not in networks:
        networks[name] = chapter["ready"](network, xla=True)
    networks[name].set_weights(network.get_weights())
    for variable in networks[name].optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    return networks[name]


def measure(seed):
    """{name: number} of one seed."""
    if not networks:
        prepare()
    chapter["SEED"], found = seed, {}
    for name in CHANGES:
        for peak in PEAKS if seed == 0 else (CHOSEN[name],):
            network = fresh(name, seed)
            losses, _ = chapter["train"](network, STEPS, peak)
            bits = chapter["judge"](network, chapter["val_part"])
            if seed == 0:
                found[f"{name}, peak {peak}: validation"] = bits
                continue
            found[f"{name}: validation"] = bits
            for i, loss in enumerate(losses.reshape(-1, 40).mean(axis=1), 1):
                found[f"{name}: loss up to step {40 * i}"] = loss
        if seed == 0:
            found[f"{name}: parameters"] = network.count_params()
    return found


if __name__ == "__main__":
    record.rebuild("12_blocks", measure, record.definitions("12", NAMES)[1], seeds=range(6))
