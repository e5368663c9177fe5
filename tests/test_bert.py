"""Weights that are checked, padding, batches of similar length, and a training that can be interrupted."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from groundup import bert

N, WIDE = 70, 6


def test_verify(tmp_path):
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"numbers")
    bert.verify(file, hashlib.sha256(b"numbers").hexdigest())
    with pytest.raises(bert.BertError, match=r"was changed.*install the weights again"):
        bert.verify(file)
    with pytest.raises(bert.BertError, match="cannot be read"):
        bert.verify(tmp_path / "none")


def test_without_weights_and_network_one_sentence(monkeypatch):
    keras_hub = bert._keras_hub()

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(bert, "folder", lambda: None)
    monkeypatch.setattr(keras_hub.models.BertBackbone, "from_preset", refuse)
    with pytest.raises(bert.BertError, match=r"run `make setup` where there is a network") as error:
        bert.load()
    assert "\n" not in str(error.value)


def test_other_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(bert, "_fingerprint", lambda arrays: "0" * 64)
    with pytest.raises(bert.BertError, match="other numbers"):
        bert.load()


def test_fingerprint():
    arrays = [np.arange(6.0).reshape(2, 3), np.ones(2)]
    assert bert._fingerprint(arrays) == bert._fingerprint(arrays[::-1])
    assert bert._fingerprint(arrays) != bert._fingerprint([arrays[0], arrays[1] * 2])


def test_save_and_restore(tmp_path):
    tokenizer, _ = bert.load()
    import keras

    keras.utils.set_random_seed(1)
    tokens, mask = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(30522, 4)(tokens), keras.ops.cast(mask, "bool"))
    model, folder = keras.Model([tokens, mask], keras.layers.Dense(2)(x)), tmp_path / "mein Modell é"
    with pytest.raises(bert.BertError, match="holds no saved model"):
        bert.restore(folder)
    texts = ["Naïve? No.", "", "x " * 50]
    wanted = bert.logits(model, bert.ids(tokenizer, texts, 16))
    for _ in range(2):  # saving again replaces
        bert.save(folder, tokenizer, model, ["böse", "gut"], 16)
    restored = bert.restore(folder)
    assert restored.classes == ["böse", "gut"] and restored.length == 16
    assert np.allclose(restored.predict(texts), wanted, atol=1e-6)
    (folder / "model.keras").write_bytes(b"rubbish")
    with pytest.raises(bert.BertError, match=r"cannot be read.*save it again"):
        bert.restore(folder)


def test_pad_and_groups():
    rows = [np.arange(n, dtype=np.int32) + 1 for n in (3, 9, 1)]
    values, mask = bert.pad(rows)
    assert values.shape == mask.shape == (3, 16) and mask.sum(axis=1).tolist() == [3, 9, 1]
    assert np.array_equal(values > 0, mask == 1)
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    for rng in (None, np.random.default_rng(1)):
        found = bert.groups(lengths, 8, rng)
        assert sorted(np.concatenate(found)) == list(range(100)) and max(map(len, found)) == 8
        assert max(np.ptp(lengths[batch]) for batch in found) <= 16


def test_through_gives_rows_back_in_their_order():
    rows = [np.full((n, 2), n, np.float32) for n in (5, 1, 3)]
    found = bert.through(rows, lambda values, mask: values * 10, size=2)
    assert [f.tolist() for f in found] == [(row * 10).tolist() for row in rows]


@pytest.fixture(scope="module")
def parts():
    """Makes a fresh small model with dropout, rows and labels; the same each time."""
    from groundup import session

    keras = session.import_keras()
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, WIDE)).astype(np.float16) for n in rng.integers(2, 20, N)]
    labels = rng.integers(0, 2, N)
    values, mask = keras.Input((None, WIDE)), keras.Input((None,), dtype="int32")
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(8, activation="relu")(values))
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling1D()(x))
    model = keras.Model([values, mask], keras.layers.Dense(2)(x))
    first = model.get_weights()

    def train(epochs=3, state=None, callbacks=(), labels=labels):
        model.set_weights(first)
        bert.fit(model, rows, labels, keras.optimizers.AdamW(0.01), epochs, 9, state, callbacks)
        return model.get_weights()

    class Cut(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    return train, Cut, labels


def test_repeats(parts, tmp_path):
    train, _, labels = parts
    whole = train()
    assert all(np.array_equal(a, b) for a, b in zip(train(), whole, strict=True))
    hard = np.eye(2, dtype=np.float32)[labels]
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(train(labels=hard), whole, strict=True))


def test_goes_on_after_an_interruption(parts, tmp_path, capsys):
    train, Cut, _ = parts
    whole, state = train(), tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train(state=state, callbacks=[Cut()])
    assert state.exists()
    resumed = train(state=state)
    assert "resumed after epoch 2" in capsys.readouterr().out
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(resumed, whole, strict=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", ["other labels", "cut short", "rubbish"])
def test_a_state_that_does_not_fit_is_not_used(parts, tmp_path, capsys, harm):
    train, Cut, labels = parts
    whole, state = train(), tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train(state=state, callbacks=[Cut()], labels=1 - labels if harm == "other labels" else labels)
    if harm != "other labels":
        content = state.read_bytes()
        state.write_bytes(content[: len(content) // 2] if harm == "cut short" else b"rubbish")
    again = train(state=state)
    assert "resumed" not in capsys.readouterr().out
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(again, whole, strict=True))


def test_import_is_light():
    code = "import sys; from groundup import bert; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
