"""Weights that are checked, padding, batches of similar length, and a training that can be interrupted."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from groundup import training
from groundup.models import bert

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
    keras_hub = bert.weights.keras_hub()

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(bert.weights, "folder", lambda: None)
    monkeypatch.setattr(keras_hub.models.BertBackbone, "from_preset", refuse)
    with pytest.raises(bert.BertError, match=r"run `make setup` where there is a network") as error:
        bert.load()
    assert "\n" not in str(error.value)


def test_other_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(bert.weights, "_fingerprint", lambda arrays: "0" * 64)
    with pytest.raises(bert.BertError, match="other numbers"):
        bert.load()


def test_fingerprint():
    arrays = [np.arange(6.0).reshape(2, 3), np.ones(2)]
    assert bert.weights._fingerprint(arrays) == bert.weights._fingerprint(arrays[::-1])
    assert bert.weights._fingerprint(arrays) != bert.weights._fingerprint([arrays[0], arrays[1] * 2])


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
    assert sorted(file.name for file in folder.iterdir()) == ["classifier.json", "model.keras", "vocabulary.txt"]
    with pytest.raises(bert.BertError, match=r"'A film to love\.' is one text.*put it into \[ \]\.$"):
        restored.predict("A film to love.")
    for classes in (["bad"], ["bad", "good", "neither"], ["bad", "bad"], ["bad", 1], "ab", {"bad": 0, "good": 1}):
        with pytest.raises(bert.BertError, match=r"The classes are .*2 logits need a list of 2 different names\.$"):
            bert.save(folder, tokenizer, model, classes, 16)
    assert bert.restore(folder).classes == ["böse", "gut"]  # what was refused replaced nothing
    about = folder / "classifier.json"
    about.write_text(about.read_text(encoding="utf-8").replace('"gut"', '"gut", "gut"'), encoding="utf-8")
    with pytest.raises(bert.BertError, match="2 logits need a list of 2 different names"):
        bert.restore(folder)
    for name in ("vocabulary.txt", "model.keras"):
        bert.save(folder, tokenizer, model, ["böse", "gut"], 16)
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
        with pytest.raises(
            bert.BertError, match=rf"cannot be read.*{name} is not the one that was saved.*save it again"
        ):
            bert.restore(folder)


def test_pad_and_groups():
    rows = [np.arange(n, dtype=np.int32) + 1 for n in (3, 9, 1)]
    values, mask = bert.pad(rows)
    assert values.shape == mask.shape == (3, 16) and mask.sum(axis=1).tolist() == [3, 9, 1]
    assert np.array_equal(values > 0, mask == 1)
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    for rng in (None, np.random.default_rng(1)):
        found = bert.length_batches(lengths, 8, rng)
        assert sorted(np.concatenate(found)) == list(range(100)) and max(map(len, found)) == 8
        assert max(np.ptp(lengths[batch]) for batch in found) <= 16


def test_through_gives_rows_back_in_their_order():
    rows = [np.full((n, 2), n, np.float32) for n in (5, 1, 3)]
    found = bert.in_batches(rows, lambda values, mask: values * 10, size=2)
    assert [f.tolist() for f in found] == [(row * 10).tolist() for row in rows]
    found = bert.in_batches(rows, lambda values, mask: values.sum(axis=1), size=2, cut=False)
    assert [f.tolist() for f in found] == [row.sum(axis=0).tolist() for row in rows]


def test_ids(monkeypatch):
    class Tokenizer:
        cls_token_id, sep_token_id = 101, 102

        def __call__(self, texts):
            assert len(texts) <= 1000
            return [[int(word) for word in words.split()] for words in texts]

    found = bert.ids(Tokenizer(), (f"{i} 7 8 9" for i in range(2500)), 5)
    assert [row.tolist() for row in found] == [[101, i, 7, 8, 102] for i in range(2500)]
    assert found[0].dtype == np.int32 and len(bert.ids(Tokenizer(), ["1 " * 600], 512)[0]) == 512
    with pytest.raises(bert.BertError, match="'1 2' is one text"):
        bert.ids(Tokenizer(), "1 2", 5)
    for length in (600, 2, -1, 64.0, "64"):
        with pytest.raises(bert.BertError, match=f"A length of {length} tokens: BERT reads 3 to 512"):
            bert.ids(Tokenizer(), ["1"], length)


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


def test_repeats(parts):
    train, _, _ = parts
    whole = train()
    assert all(np.array_equal(a, b) for a, b in zip(train(), whole, strict=True))


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


def test_a_state_of_another_training_is_not_used(parts, tmp_path, capsys):
    train, Cut, labels = parts
    whole, state = train(), tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train(state=state, callbacks=[Cut()], labels=1 - labels)
    again = train(state=state)
    assert capsys.readouterr().out == "begun anew: what was kept is of another training\n"
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(again, whole, strict=True))


def test_a_damaged_state_is_refused_and_the_one_before_goes_on(parts, tmp_path, capsys):
    train, Cut, _ = parts
    whole, state = train(), tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train(state=state, callbacks=[Cut()])
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(training.Damaged, match=r"Move state\.before\.npz to its place"):
        train(state=state)
    training.before(state).replace(state)
    again = train(state=state)
    assert "resumed after epoch 1" in capsys.readouterr().out
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(again, whole, strict=True))


@pytest.mark.parametrize("settings", [{"weight_decay": 0.01, "clipnorm": 0.05}, {}])
def test_steps_are_those_of_keras(settings):
    """Three steps of one batch, the rate falling, as Keras takes them; a second training needs no new graph."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    rows, labels = [rng.normal(size=(n, WIDE)).astype(np.float32) for n in (2, 5, 9, 4)], np.array([0, 1, 1, 0])
    values, mask = keras.Input((None, WIDE)), keras.Input((None,), dtype="int32")
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.GlobalAveragePooling1D()(values))
    model = keras.Model([values, mask], keras.layers.Dense(2)(hidden))
    first, kind = model.get_weights(), keras.optimizers.AdamW if settings else keras.optimizers.Adam

    def optimizer():
        return kind(keras.optimizers.schedules.PolynomialDecay(0.1, 10), **settings)

    theirs, loss = optimizer(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for _ in range(3):
        with tf.GradientTape() as tape:
            value = loss(labels, model(list(bert.pad(rows, bert.MULTIPLE)), training=True))
        theirs.apply(tape.gradient(value, [w.value for w in model.trainable_variables]), model.trainable_variables)
    wanted = model.get_weights()
    for again in range(2):
        if again:
            bert.fit(model, rows, labels, keras.optimizers.Adam(0.5), 2, 1)  # leaves no traces
        model.set_weights(first)
        losses = bert.fit(model, rows, labels, optimizer(), 3, 9)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(model.get_weights(), wanted, strict=True))
        assert np.isclose(losses[-1], float(value), atol=1e-5)
    graphs = [made.graph for key, made in vars(model)["_graphs"].items() if key[0] == "training"]
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1]


def test_other_optimizers_are_refused(parts):
    import keras

    rows, model = [np.ones((2, WIDE), np.float32)] * 2, keras.Sequential([keras.Input((None, WIDE))])
    for optimizer, word in ((keras.optimizers.SGD(), "SGD"), (keras.optimizers.Adam(amsgrad=True), "amsgrad")):
        with pytest.raises(ValueError, match=f"{word}.*takes Adam or AdamW"):
            bert.fit(model, rows, np.array([0, 1]), optimizer, 1, 1)


def test_a_block_by_plain_products_is_the_block_of_kerashub():
    """Its numbers and gradients, with dropout and with padding."""
    import tensorflow as tf

    _, backbone = bert.load()
    layer = backbone.transformer_layers[3]
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 8, 384)), tf.float32)
    mask = np.array([[1] * 8, [1] * 5 + [0] * 3, [1] + [0] * 7], np.int32)
    seeds = [v for v in layer.variables if not any(v is w for w in layer.weights)]
    weights = [w.value for w in layer.trainable_variables]
    assert len(seeds) == 3 and len(weights) == 16
    for mode in (True, False):
        found = []
        for call in (layer.call, lambda *a, **k: type(layer).call(layer, *a, **k)):
            for i, seed in enumerate(seeds):
                seed.assign(np.array([i, 0], np.uint32))
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = call(x, padding_mask=mask, training=mode)
                total = tf.reduce_sum(y * y * y * mask[:, :, None])
            found.append([y * mask[:, :, None], *tape.gradient(total, [x, *weights])])
        for ours, theirs in zip(*found, strict=True):
            assert np.allclose(ours, theirs, atol=1e-3 * max(1, np.abs(theirs).max())), ours.shape


def test_import_is_light():
    code = (
        "import sys; from groundup.models import bert; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
