"""The GPT of chapter 08, for what comes after it: the recipe of its longer-trained weights, and chapter 11.

Chapter 08 derives every part and writes it out; a test holds the two equal. Pre-norm decoder blocks, learned positions
and tied embeddings: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019). Written in keras.ops,
so that it runs on every backend of Keras. Importing this module imports Keras.
"""

import math

import keras
from keras import ops


def normal(stddev):
    """Initializer of mean zero; the width of GPT-2's start is 0.02."""
    return keras.initializers.RandomNormal(stddev=stddev)


@keras.saving.register_keras_serializable("groundup")
class Attention(keras.layers.Layer):
    """Causal self-attention with several heads: token t sees tokens 0 to t.

    Args:
        width: int, features of a token, a multiple of heads.
        heads: int.
        stddev: float, of the output projection's initial weights.
    """

    def __init__(self, width, heads, stddev, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.qkv = keras.layers.Dense(3 * width, kernel_initializer=normal(0.02), name="qkv")
        self.out = keras.layers.Dense(width, kernel_initializer=normal(stddev), name="out")

    def call(self, x, cache=None, at=None):
        """(batch, T, width) -> the same; with a cache (2, batch, heads, context, width / heads): also the new one.

        The cache holds the keys and values of the tokens before position `at`, where x's first token stands.
        """
        T, width = x.shape[1], x.shape[2]
        parts = ops.reshape(self.qkv(x), (-1, T, 3, self.heads, width // self.heads))
        q, k, v = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), 3)  # each (batch, heads, T, width / heads)
        rows = ops.arange(T)[:, None]
        if cache is not None:
            cache = ops.slice_update(cache, (0, 0, 0, at, 0), ops.stack([k, v]))
            k, v = ops.unstack(cache, 2)
            rows = rows + at
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / math.sqrt(width // self.heads)
        scores = ops.where(ops.arange(k.shape[2]) <= rows, scores, -1e9)
        mixed = ops.matmul(ops.softmax(scores), v)
        y = self.out(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, T, width)))
        return y if cache is None else (y, cache)


@keras.saving.register_keras_serializable("groundup")
class Block(keras.layers.Layer):
    """A decoder block: x + attention(norm(x)), then x + mlp(norm(x)); arguments as for Attention, and a dropout."""

    def __init__(self, width, heads, stddev, dropout, **kwargs):
        super().__init__(**kwargs)
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-5, name="norm1")
        self.attention = Attention(width, heads, stddev, name="attention")
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5, name="norm2")
        self.up = keras.layers.Dense(4 * width, kernel_initializer=normal(0.02), name="up")
        self.down = keras.layers.Dense(width, kernel_initializer=normal(stddev), name="down")
        self.dropout = keras.layers.Dropout(dropout)

    def call(self, x, cache=None, at=None):
        y = self.attention(self.norm1(x), cache=cache, at=at)
        y, cache = (y, None) if cache is None else y
        x = x + self.dropout(y)
        y = self.down(keras.activations.gelu(self.up(self.norm2(x)), approximate=True))
        x = x + self.dropout(y)
        return x if cache is None else (x, cache)


@keras.saving.register_keras_serializable("groundup")
class GPT(keras.Model):
    """Tokens (batch, T) int -> logits (batch, T, vocabulary) of each next token; T is at most the context.

    Args:
        vocabulary: int, number of different tokens.
        context: int, the longest input.
        layers, width, heads: ints, the size; width is a multiple of heads.
        dropout: float, rate on the embeddings and on what each block adds.
    """

    def __init__(self, vocabulary, context, layers, width, heads, dropout=0.0, name="gpt", **kwargs):
        super().__init__(name=name, **kwargs)
        if width % heads:
            raise ValueError(f"width={width} cannot be shared among heads={heads}: take a multiple of {heads}.")
        self.config = {"vocabulary": vocabulary, "context": context, "layers": layers, "width": width, "heads": heads}
        stddev = 0.02 / math.sqrt(2 * layers)  # so that the sum of all that the blocks add starts at one scale
        self.tokens = keras.layers.Embedding(vocabulary, width, normal(0.02), name="tokens")
        self.positions = keras.layers.Embedding(context, width, normal(0.02), name="positions")
        self.dropout = keras.layers.Dropout(dropout)
        self.blocks = [Block(width, heads, stddev, dropout, name=f"block_{i}") for i in range(layers)]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")
        self(keras.KerasTensor((1, context), "int32"))  # makes the weights, and computes nothing

    def call(self, tokens, cache=None, at=0):
        """Logits; with a cache, `empty_cache(batch)` at first, also the new one: see `Attention.call`.

        Raises:
            ValueError: the last token stands beyond the context. Where `at` is a tensor, its value is known too late
                for that. Then the logits are NaN, because compiled code (XLA, JAX) would take the last place instead,
                without a word; TensorFlow without XLA refuses by itself.
        """
        end, context = at + tokens.shape[1], self.config["context"]
        if isinstance(end, int) and end > context:
            raise ValueError(f"{end} tokens do not fit into a context of {context}: pass the last {context}.")
        x = self.tokens(tokens) + self.positions(ops.arange(tokens.shape[1]) + at)
        x = self.dropout(x)
        kept = []
        for i, block in enumerate(self.blocks):
            x = block(x) if cache is None else block(x, cache=cache[i], at=at)
            if cache is not None:
                x, new = x
                kept.append(new)
        logits = ops.matmul(self.norm(x), ops.transpose(self.tokens.embeddings))
        if not isinstance(end, int):
            logits = ops.where(end <= context, logits, float("nan"))
        return logits if cache is None else (logits, ops.stack(kept))

    def empty_cache(self, batch):
        """Zeros (layers, 2, batch, heads, context, width / heads): the keys and values of no token yet."""
        c = self.config
        return ops.zeros((c["layers"], 2, batch, c["heads"], c["context"], c["width"] // c["heads"]))

    def get_config(self):
        return {**self.config, "dropout": self.dropout.rate}


def parameters(layers, width, vocabulary, context):
    """How many parameters such a GPT has, an int, biases and norms included; derived in chapter 08."""
    block = 12 * width**2 + 13 * width
    return layers * block + (vocabulary + context) * width + 2 * width
