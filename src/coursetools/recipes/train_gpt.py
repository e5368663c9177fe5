"""Trains the GPT whose weights are in data/gpt: five of Austen's novels, *Persuasion* held out.

`make weights` calls this. The work is kept in build/data/gpt/ at every line of the log, so every 250 steps; after an
interruption the same command goes on from there, to the losses of an uninterrupted run. At the end it prints how the
log compares with data/gpt/log.csv; --write puts the files into data/ itself. No step learns from *Persuasion*: the
log's last column only watches, and the weights kept are those of the last step.

`make train-gpt` runs the same in several processes, on JAX: docs/cluster.md.
"""

import contextlib
import io
import json
import os
import sys
import time

import numpy as np
from coursetools.recipes import manifest, packages
from groundup import cluster, data, session, training

HELD_OUT = "Persuasion"
MODEL = {"vocabulary": 1024, "context": 128, "layers": 5, "width": 128, "heads": 4, "dropout": 0.1}
PLAN = {"steps": 6_000, "batch": 16, "warmup": 200, "rate": 3e-3, "seed": 8}
HEAD = ["step", "training_loss_nats_per_token", "held_out_bits_per_character"]  # of the log
LOG_EVERY, LOOK_EVERY = 250, 1_000  # steps between two lines of the log, and between two looks at the novel held out
EARLY = 50  # a step with a line of its own, so that a minute shows whether a training goes the same way


def train_tokenizer(texts, vocabulary):
    """A byte-level BPE tokenizer (tokenizers.Tokenizer) of a list of texts; the same texts give the same one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def batch_of(tokens, step, size, context, seed):
    """Inputs and targets (size, context) int32 of one step: windows at random places, the same for the same step."""
    starts = np.random.default_rng([seed, step]).integers(0, len(tokens) - context, size)
    windows = tokens[starts[:, None] + np.arange(context + 1)]
    return windows[:, :-1], windows[:, 1:]


def share(size, process=0, processes=1):
    """Which rows of a batch one of several processes takes, and what they weigh in the mean.

    Args:
        size: int, rows of the batch.
        process, processes: ints, as `cluster.join` returns them.

    Returns:
        rows: (each,) int, in order; every process has equally many, as JAX wants it. Where the batch does not divide,
            its last row fills the places that are left over.
        weights: (each, 1) float32, or None for ones: 0 in those places, and so much more in the others that the mean
            over all places is that over the batch.
    """
    each = -(-size // processes)
    rows = np.arange(process * each, (process + 1) * each)
    weights = np.where(rows < size, each * processes / size, 0).astype("float32")[:, None]
    return np.minimum(rows, size - 1), None if each * processes == size else weights


def compiled(steps, rate, warmup, seed, **_):
    """The model of MODEL, ready to train: AdamW, a warm-up, then half a cosine down to a twentieth of the rate."""
    import keras
    from groundup.models import gpt

    keras.utils.set_random_seed(seed)
    model = gpt.GPT(**MODEL)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, 0.05, warmup_target=rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "embeddings"])
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True)
    return model


def nats(model, tokens, context, batch=16, part=(0, 1)):
    """Mean cross-entropy in nats per token over all of `tokens`, in windows that follow each other."""
    rows, weights = share(batch, *part)
    n = (len(tokens) - 1) // (context * batch)  # whole batches: at most one batch of the end is left out
    windows = [tokens[i : i + n * batch * context].reshape(n, batch, context)[:, rows] for i in (0, 1)]
    x, y = (each.reshape(-1, context) for each in windows)
    weights = None if weights is None else np.tile(weights, (n, 1))
    return float(model.evaluate(x, y, batch_size=len(rows), sample_weight=weights, verbose=0))


def variables(model):
    """All variables of model and optimizer, those of the random generators included."""
    return [*model.variables, *model.optimizer.variables]


def train(model, tokens, novel, folder, until=None, part=(0, 1)):
    """Train to the end of the plan (or to step `until`); returns its log, a line at EARLY and per LOG_EVERY steps.

    `part` is (process, processes); process 0 alone prints and writes.
    """
    checkpoint = folder / "checkpoint.npz"
    step, log = packages.progress(checkpoint, variables(model), [MODEL, PLAN])
    per_character = len(novel[0]) / novel[1] / np.log(2)
    rows, weights = share(PLAN["batch"], *part)
    losses = []
    while step < (until or PLAN["steps"]):
        model.reset_metrics()
        x, y = batch_of(tokens, step, PLAN["batch"], MODEL["context"], PLAN["seed"])
        losses.append(float(model.train_on_batch(x[rows], y[rows], weights)))
        step += 1
        if step % LOG_EVERY == 0 or step == EARLY:
            look = step % LOOK_EVERY == 0
            bits = nats(model, novel[0], MODEL["context"], part=part) * per_character if look else None
            log.append([step, round(float(np.mean(losses)), 4), bits and round(bits, 4)])
            losses = []
            if part[0]:
                continue
            training.keep(checkpoint, variables(model), [MODEL, PLAN], step=step, log=log)
            print(
                f"{time.strftime('%H:%M:%S')}  step {step:5d}/{PLAN['steps']}  loss {log[-1][1]:.3f}"
                + (f"  held out: {bits:.3f} bits per character" if bits else ""),
                flush=True,
            )
    return log


def finish(model, tokenizer, log, given):
    """Write the weights, the tokenizer, the log and the plan; say how the log compares with data/gpt/log.csv."""
    weights = {variable.path: np.asarray(variable.value).astype("float16") for variable in model.trainable_variables}
    files = {
        "gpt/weights.npz": packages.npz(**{name.replace("/", "."): array for name, array in weights.items()}),
        "gpt/tokenizer.json": tokenizer.to_str(pretty=False).encode(),
        "gpt/log.csv": packages.as_csv(HEAD, log),
        "gpt/model.json": json.dumps({**MODEL, "held_out": HELD_OUT, **PLAN}, indent=1).encode(),
    }
    kept = manifest.DATA / "gpt" / "log.csv"
    if kept.exists():  # weights differ from machine to machine, what they can do does not
        print(
            f"held out: {log[-1][2]:.3f} bits per character, in data/gpt/log.csv {kept.read_text().split(',')[-1]}",
            end="",
        )
    packages.write_weights(files, given)


def main():
    given = packages.options("gpt", __doc__)
    novels = data.load("austen")
    texts = [text for name, text in novels.items() if name != HELD_OUT]
    tokenizer = train_tokenizer(texts, MODEL["vocabulary"])
    tokens = np.concatenate([tokenizer.encode(text).ids for text in texts]).astype("int32")
    held_out = np.array(tokenizer.encode(novels[HELD_OUT]).ids, "int32")
    part = cluster.join(
        np.concatenate([tokens, held_out]), plan=json.dumps([MODEL, PLAN, LOG_EVERY, LOOK_EVERY, given.until])
    )
    with contextlib.redirect_stdout(io.StringIO()):
        session.start(PLAN["seed"], os.environ.get("KERAS_BACKEND", "tensorflow"))
    model = compiled(**PLAN)
    if part[0] == 0:
        seen = PLAN["steps"] * PLAN["batch"] * MODEL["context"]
        print(
            f"{model.count_params():,} parameters, {len(tokens):,} tokens, "
            f"{seen:,} of them seen in {PLAN['steps']:,} steps",
            flush=True,
        )
    log = train(model, tokens, (held_out, len(novels[HELD_OUT])), given.out, given.until, part)
    if part[0] == 0 and not given.until:
        finish(model, tokenizer, log, given)
    cluster.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
