"""Measures a record of chapter 12, two minutes a seed on one core: make records NB=12_blocks

A GPT of two of chapter 12's blocks, of width 96: with all switches off, which makes them chapter 08's, with one of them
on, and with all four. The hidden width of the MLP is chosen so that all have as many parameters as the first, as nearly
as a whole number allows. Data, batches, schedule and optimizer are those of chapter 08. Seed 0 tries peaks of the
learning rate for each network: 0.0015, 0.003 and 0.006, and then twice or half the best until it has both neighbours.
Seeds 1 to 5 are compared, each network at its own best peak, with the same batches. Bits are per character, on a
quarter of the validation novel.
"""

import contextlib
import io

from coursetools.recipes import record
from groundup import session
from groundup.models import gpt

with contextlib.redirect_stdout(io.StringIO()):
    session.start(12)
import keras
from keras import layers, ops

NAMES = ["Attention", "Block"]
CONTEXT, WIDTH, HEADS, GROUPS, BLOCKS, STEPS = 128, 96, 6, 2, 2, 300
CHANGES = {
    "chapter 08's block": {},
    "RMSNorm": {"rms": True},
    "RoPE": {"rotary": True},
    "SwiGLU": {"gated": True},
    "GQA": {"groups": GROUPS},
    "all four": {"rms": True, "rotary": True, "gated": True, "groups": GROUPS},
}
CHOSEN = {
    "chapter 08's block": 0.0015,
    "RMSNorm": 0.0015,
    "RoPE": 0.006,
    "SwiGLU": 0.003,
    "GQA": 0.0015,
    "all four": 0.003,
}  # what seed 0 found
blocks, code = record.definitions("12", NAMES)


class Network(keras.Model):
    """Tokens (B, T) to logits, by blocks of chapter 12 with the named switches on."""

    def __init__(self, vocabulary, hidden, **switches):
        super().__init__()
        given = {"rms": False, "rotary": False, "gated": False, "groups": HEADS, "bias": True, **switches}
        self.tokens = layers.Embedding(vocabulary, WIDTH, gpt.normal(0.02))
        self.positions = None if given["rotary"] else layers.Embedding(CONTEXT, WIDTH, gpt.normal(0.02))
        self.blocks = [blocks["Block"](WIDTH, HEADS, hidden, **given) for _ in range(BLOCKS)]
        self.norm = (layers.RMSNormalization if given["rms"] else layers.LayerNormalization)(epsilon=1e-5)
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
        kept = ["bias", "gamma", "beta", "scale", "embeddings"]  # chapter 08's, and the gain of RMSNorm
        network.optimizer.exclude_from_weight_decay(var_names=kept)
    networks[name].set_weights(network.get_weights())
    for variable in networks[name].optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    return networks[name]


def bits(name, seed, peak):
    """Bits per character of one training."""
    network = fresh(name, seed)
    chapter["train"](network, STEPS, peak)
    print(f"{name}, seed {seed}, peak {peak}", flush=True)
    return chapter["judge"](network, chapter["val_part"])


def tuned(name):
    """{peak: bits} of seed 0: the best of them has been tried with half and with twice its value, too."""
    tried, wanted = {}, [0.0015, 0.003, 0.006]
    while wanted:
        tried |= {peak: bits(name, 0, peak) for peak in wanted}
        best = min(tried, key=tried.get)
        wanted = [peak for peak in (best / 2, best * 2) if peak not in tried]
    return tried


def measure(seed):
    """{name: number} of one seed."""
    if not networks:
        prepare()
    chapter["SEED"], found = seed, {}
    for name in CHANGES:
        if seed:
            found[f"{name}: validation"] = bits(name, seed, CHOSEN[name])
            continue
        found |= {f"{name}, peak {peak}: validation": value for peak, value in tuned(name).items()}
        found[f"{name}: parameters"] = networks[name].count_params()
    return found


if __name__ == "__main__":
    record.rebuild("12_blocks", measure, code, seeds=range(6))
