"""Trains the GPT whose weights are in data/gpt: five of Austen's novels, *Persuasion* held out.

`make weights` calls this. The work is kept in build/data/gpt/ every 250 steps; after an interruption the same command
goes on from there, to the losses of an uninterrupted run. At the end it prints how the log compares with
data/gpt/log.csv; --write puts the files into data/ itself. No step learns from *Persuasion*: the log's last column only
watches, and the weights kept are those of the last step.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import sys
import time
from pathlib import Path

import manifest
import numpy as np
import source

sys.path.insert(0, str(manifest.DATA.parent / "src"))
from groundup import data, session

HELD_OUT = "Persuasion"
MODEL = {"vocabulary": 1024, "context": 128, "layers": 5, "width": 128, "heads": 4, "dropout": 0.1}
PLAN = {"steps": 6_000, "batch": 16, "warmup": 200, "rate": 3e-3, "seed": 8}
LOG_EVERY, LOOK_EVERY = 250, 1_000  # steps between two lines of the log, and between two looks at the novel held out


def train_tokenizer(texts, vocabulary):
    """A byte-level BPE tokenizer (tokenizers.Tokenizer) of a list of texts; the same texts give the same one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def batch_of(tokens, step, size, context, seed):
    """Inputs and targets (size, context) int32 of one step: windows at random places, the same for the same step."""
    starts = np.random.default_rng([seed, step]).integers(0, len(tokens) - context, size)
    windows = tokens[starts[:, None] + np.arange(context + 1)]
    return windows[:, :-1], windows[:, 1:]


def compiled(steps, rate, warmup, seed, **_):
    """The model of MODEL, ready to train: AdamW, a warm-up, then half a cosine down to a twentieth of the rate."""
    import keras
    from groundup import gpt

    keras.utils.set_random_seed(seed)
    model = gpt.GPT(**MODEL)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, 0.05, warmup_target=rate,
                                                      warmup_steps=warmup)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "embeddings"])
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True)
    return model


def nats(model, tokens, context, batch=16):
    """Mean cross-entropy in nats per token over all of `tokens`, in windows that follow each other."""
    n = (len(tokens) - 1) // (context * batch) * batch  # whole batches: at most one batch of the end is left out
    x = tokens[: n * context].reshape(n, context)
    y = tokens[1 : n * context + 1].reshape(n, context)
    return float(model.evaluate(x, y, batch_size=batch, verbose=0))


def state_of(model):
    """All variables of model and optimizer, those of the random generators included, as {name: array}."""
    variables = [*model.variables, *model.optimizer.variables]
    return {f"{i:03d}": np.asarray(variable.value) for i, variable in enumerate(variables)}


def save(file, **arrays):
    """Write an .npz file whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, **arrays)
    os.replace(part, file)


def restore(file, model):
    """Steps done and lines of the log, from a checkpoint (0 and [] where there is none); sets all variables."""
    if not file.exists():
        return 0, []
    with np.load(file, allow_pickle=False) as kept:
        plan = json.loads(str(kept["plan"]))
        if plan != json.loads(json.dumps([MODEL, PLAN])):
            raise SystemExit(f"{file} belongs to another plan: {plan}. Move it away to start anew.")
        for name, variable in zip(state_of(model), [*model.variables, *model.optimizer.variables], strict=True):
            variable.assign(kept[name])
        return int(kept["step"]), json.loads(str(kept["log"]))


def train(model, tokens, novel, folder, until=None):
    """Train to the end of the plan (or to step `until`), a line per LOG_EVERY steps; returns the log's lines."""
    checkpoint = folder / "checkpoint.npz"
    step, log = restore(checkpoint, model)
    per_character = len(novel[0]) / novel[1] / np.log(2)
    losses = []
    while step < (until or PLAN["steps"]):
        model.reset_metrics()
        batch = batch_of(tokens, step, PLAN["batch"], MODEL["context"], PLAN["seed"])
        losses.append(float(model.train_on_batch(*batch)))
        step += 1
        if step % LOG_EVERY == 0:
            bits = nats(model, novel[0], MODEL["context"]) * per_character if step % LOOK_EVERY == 0 else None
            log.append([step, round(float(np.mean(losses)), 4), bits and round(bits, 4)])
            losses = []
            save(checkpoint, step=step, log=json.dumps(log), plan=json.dumps([MODEL, PLAN]), **state_of(model))
            print(f"{time.strftime('%H:%M:%S')}  step {step:5d}/{PLAN['steps']}  loss {log[-1][1]:.3f}"
                  + (f"  held out: {bits:.3f} bits per character" if bits else ""), flush=True)
    return log


def as_csv(log):
    """The log as text: step, mean training loss of the last 250 steps, bits per character of the novel held out."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["step", "training_loss_nats_per_token", "held_out_bits_per_character"])
    lines.writerows([step, loss, "" if bits is None else bits] for step, loss, bits in log)
    return text.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write into data/ itself, not into build/data/")
    parser.add_argument("--until", type=int, metavar="STEP", help="stop after this step (the test does)")
    parser.add_argument("--out", type=Path, default=source.BUILD / "data" / "gpt", help="folder for the checkpoint")
    given = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        session.start(PLAN["seed"])
    given.out.mkdir(parents=True, exist_ok=True)
    novels = data.load("austen")
    texts = [text for name, text in novels.items() if name != HELD_OUT]
    tokenizer = train_tokenizer(texts, MODEL["vocabulary"])
    tokens = np.concatenate([tokenizer.encode(text).ids for text in texts]).astype("int32")
    held_out = np.array(tokenizer.encode(novels[HELD_OUT]).ids, "int32")
    model = compiled(**PLAN)
    print(f"{model.count_params():,} parameters, {len(tokens):,} tokens, "
          f"{PLAN['steps'] * PLAN['batch'] * MODEL['context']:,} of them seen in {PLAN['steps']:,} steps", flush=True)
    log = train(model, tokens, (held_out, len(novels[HELD_OUT])), given.out, given.until)
    if given.until:
        return 0
    weights = {variable.path: np.asarray(variable.value).astype("float16") for variable in model.trainable_variables}
    files = {"gpt/weights.npz": source.npz(**{name.replace("/", "."): array for name, array in weights.items()}),
             "gpt/tokenizer.json": tokenizer.to_str(pretty=False).encode(), "gpt/log.csv": as_csv(log).encode(),
             "gpt/model.json": json.dumps({**MODEL, "held_out": HELD_OUT, **PLAN}, indent=1).encode()}
    folder = manifest.DATA if given.write else source.BUILD / "data"
    kept = manifest.DATA / "gpt" / "log.csv"
    if kept.exists():  # weights differ from machine to machine, what they can do does not
        print(f"held out: {log[-1][2]:.3f} bits per character, in data/gpt/log.csv {kept.read_text().split(',')[-1]}",
              end="")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    print(f"{len(files)} files written to {folder}" + ("; now run data/recipes/manifest.py" if given.write else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
