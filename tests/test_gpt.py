"""groundup.models.gpt and the recipe of its weights: causal, cached, counted, resumed, and the log found again."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RECIPES = Path(__file__).resolve().parents[1] / "src" / "coursetools" / "recipes"


@pytest.fixture(scope="module")
def gpt():
    from groundup.models import gpt

    return gpt


@pytest.fixture(scope="module")
def model(gpt):
    import keras

    keras.utils.set_random_seed(8)
    model = gpt.GPT(vocabulary=50, context=16, layers=3, width=24, heads=4)
    for variable in model.trainable_variables:  # no zeros, no ones: every weight has its say
        variable.assign(variable + 0.1 * keras.random.normal(variable.shape))
    return model


@pytest.fixture(scope="module")
def tokens():
    return np.random.default_rng(8).integers(0, 50, (2, 16))


def test_a_later_token_leaves_earlier_logits_bit_identical(model, tokens):
    before = np.array(model(tokens))
    for t in (1, 7, 15):
        changed = tokens.copy()
        changed[:, t] = (changed[:, t] + 1) % 50
        after = np.array(model(changed))
        np.testing.assert_array_equal(after[:, :t], before[:, :t])
        assert (np.abs(after[:, t:] - before[:, t:]).max(axis=(0, 2)) > 1e-6).all()


def test_with_the_cache_as_without(model, tokens):
    whole = np.array(model(tokens))
    logits, cache = model(tokens[:, :5], cache=model.empty_cache(2), at=0)  # five at once, then one by one
    np.testing.assert_allclose(logits, whole[:, :5], atol=1e-5)
    for t in range(5, 16):
        logits, cache = model(tokens[:, t : t + 1], cache=cache, at=t)
        np.testing.assert_allclose(np.array(logits)[:, 0], whole[:, t], atol=1e-5)


def test_beyond_the_context_it_refuses(model, tokens):
    with pytest.raises(ValueError, match="17 tokens do not fit into a context of 16"):
        model(np.zeros((1, 17), int))
    cache = model(tokens, cache=model.empty_cache(2), at=0)[1]
    with pytest.raises(ValueError, match="17 tokens do not fit"):
        model(tokens[:, :1], cache=cache, at=16)


def test_beyond_the_context_compiled_code_answers_nan(model, tokens):
    """Lookup and slice_update clamp under XLA, and would answer with numbers."""
    import tensorflow as tf

    call = tf.function(model.call, jit_compile=True, autograph=False)
    cache = model(tokens[:, :15], cache=model.empty_cache(2), at=0)[1]
    last, cache = call(tokens[:, 15:], cache, tf.constant(15))
    assert np.isfinite(last).all()
    assert np.isnan(call(tokens[:, :1], cache, tf.constant(16))[0]).all()


@pytest.mark.parametrize("size", [(50, 16, 3, 24, 4), (7, 3, 1, 2, 1)])
def test_parameters_are_counted(gpt, size):
    vocabulary, context, layers, width, _ = size
    model = gpt.GPT(*size)
    assert model.count_params() == gpt.parameters(layers, width, vocabulary, context)


def test_parameters_of_gpt_2_and_gpt_3(gpt):
    # OpenAI's released small GPT-2 has 124,439,808; Brown et al. (2020), table 2.1 rounds GPT-3 to 175 billion
    assert gpt.parameters(12, 768, 50257, 1024) == 124_439_808
    assert gpt.parameters(96, 12288, 50257, 2048) == pytest.approx(175e9, rel=0.01)


def test_everything_learns(gpt, tokens):
    import tensorflow as tf

    model = gpt.GPT(50, 16, 2, 16, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(tokens, model(tokens), from_logits=True))
    for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None, variable.path
    assert "gpt/tokens/embeddings" in {variable.path for variable in model.trainable_variables}


def test_dropout_only_in_training(gpt, tokens):
    model = gpt.GPT(50, 16, 1, 16, 2, dropout=0.5)
    np.testing.assert_array_equal(model(tokens), model(tokens))
    assert np.abs(np.array(model(tokens, training=True)) - np.array(model(tokens))).max() > 1e-3


def test_heads_must_share_the_width(gpt):
    with pytest.raises(ValueError, match="width=10 cannot be shared among heads=4"):
        gpt.GPT(50, 16, 1, 10, 4)


# The recipe


@pytest.fixture
def recipe(import_recipe):
    return import_recipe("train_gpt")


@pytest.fixture
def small(recipe, monkeypatch):
    size = {"vocabulary": 40, "context": 8, "layers": 1, "width": 16, "heads": 2, "dropout": 0.2}
    monkeypatch.setattr(recipe, "MODEL", size)
    monkeypatch.setattr(recipe, "PLAN", {"steps": 12, "batch": 4, "warmup": 3, "rate": 1e-2, "seed": 1})
    monkeypatch.setattr(recipe, "LOG_EVERY", 2)
    compiled = recipe.compiled

    def without_xla(**plan):  # compiling takes XLA longer than these steps take; what is kept is the same
        model = compiled(**plan)
        model.jit_compile = False
        return model

    monkeypatch.setattr(recipe, "compiled", without_xla)
    monkeypatch.setattr(recipe, "LOOK_EVERY", 6)
    return recipe


def test_interrupted_and_resumed_as_uninterrupted(small, tmp_path, tokens):
    text = np.random.default_rng(2).integers(0, 40, 2000).astype("int32")
    novel = (text[:600], 1500)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    model = small.compiled(**small.PLAN)
    log = small.train(model, text, novel, tmp_path / "whole")
    for until in (6, 12):  # each time a new model, as in a new process
        resumed = small.compiled(**small.PLAN)
        parts = small.train(resumed, text, novel, tmp_path / "parts", until)
    assert parts == log
    assert [step for step, _, bits in log if bits] == [6, 12]
    for a, b in zip(model.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(a.value), np.asarray(b.value))


def test_a_checkpoint_of_another_plan_is_refused(small, tmp_path, monkeypatch):
    text = np.random.default_rng(2).integers(0, 40, 400).astype("int32")
    small.train(small.compiled(**small.PLAN), text, (text, 900), tmp_path, 2)
    monkeypatch.setitem(small.PLAN, "rate", 0.5)
    with pytest.raises(SystemExit, match="another plan"):
        small.train(small.compiled(**small.PLAN), text, (text, 900), tmp_path)


def test_the_tokenizer_gives_every_text_back(recipe):
    tokenizer = recipe.train_tokenizer(["the cat sat on the mat\n" * 30], 300)
    for text in ("the cat", "naïve — ½ £\n\ttabs", "中文 🙂"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert len(tokenizer.encode("the cat sat").ids) < 8


def test_the_first_minute_of_the_recipe_finds_the_log_again(recipe, tmp_path):
    """The committed log's first line, trained again here: other kernels and other random numbers of another machine
    change it in the second decimal."""
    from groundup import data

    with open(data.path("gpt") / "log.csv", newline="") as file:
        wanted = {int(row["step"]): float(row["training_loss_nats_per_token"]) for row in csv.DictReader(file)}
    done = subprocess.run(
        [sys.executable, "-B", RECIPES / "train_gpt.py", "--until", "50", "--out", tmp_path],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as kept:
        ((step, loss, _),) = json.loads(str(kept["progress"]))["log"]
    assert loss == pytest.approx(wanted[step], abs=0.1)
    assert wanted[step] > wanted[recipe.LOG_EVERY] + 0.3  # no accident: the next line of the log is farther off


def test_the_kept_model_is_what_the_recipe_says(recipe, gpt):
    from groundup import data

    folder = data.path("gpt")
    about = json.loads((folder / "model.json").read_text())
    assert about == {**recipe.MODEL, "held_out": recipe.HELD_OUT, **recipe.PLAN}
    model = gpt.GPT(**recipe.MODEL)
    with np.load(io.BytesIO((folder / "weights.npz").read_bytes()), allow_pickle=False) as kept:
        assert {name: kept[name].shape for name in kept.files} == {
            variable.path.replace("/", "."): tuple(variable.shape) for variable in model.trainable_variables
        }
    texts = [text for name, text in data.load("austen").items() if name != recipe.HELD_OUT]
    again = recipe.train_tokenizer(texts, recipe.MODEL["vocabulary"])
    assert json.loads(again.to_str()) == json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
