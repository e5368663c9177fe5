"""One line per epoch, the same on every machine."""

import contextlib
import io
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from groundup import training


def test_a_line_is_as_wide_as_the_last_one():
    logs = {"loss": 0.12349, "accuracy": 1.0, "val_loss": 12.5}
    assert training.epoch_line(3, 10, logs) == "epoch  3/10  loss 0.123  accuracy 1.000  val_loss 12.500"
    assert training.epoch_line(10, 10, {"loss": float("nan")}) == "epoch 10/10  loss nan"
    assert training.epoch_line(1, 3, {}) == "epoch 1/3"


def test_the_loss_comes_first_and_validation_last():
    logs = {"accuracy": 1, "loss": 2, "val_accuracy": 3, "val_loss": 4, "auc": 5}  # Keras sorts some of them by name
    line = training.epoch_line(1, 1, logs)
    assert line == "epoch 1/1  loss 2.000  accuracy 1.000  auc 5.000  val_loss 4.000  val_accuracy 3.000"


def test_the_learning_rate_is_left_out():
    assert training.epoch_line(1, 3, {"loss": 1.0, "learning_rate": 0.1}) == "epoch 1/3  loss 1.000"


@pytest.mark.parametrize("every", [0, -1, 1.5, "2", True, None])
def test_every_is_a_positive_whole_number(every):
    with pytest.raises(ValueError, match="every"):
        training.EpochLines(every)


def test_importing_it_does_not_load_keras():
    code = "import sys; from groundup import training; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


@pytest.fixture(scope="module")
def model():
    from groundup import session

    session.start(seed=3)
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)  # a few steps do not pay for compiling
    return model


def fit(model, epochs, callback, **more):
    import numpy as np

    return model.fit(np.ones((8, 2)), np.zeros((8, 1)), epochs=epochs, verbose=0, callbacks=[callback], **more)


def test_it_prints_what_keras_reports(model, capsys):
    history = fit(model, 2, training.EpochLines(), validation_split=0.5).history
    lines = capsys.readouterr().out.splitlines()
    expected = [training.epoch_line(n, 2, {name: values[n - 1] for name, values in history.items()}) for n in (1, 2)]
    assert lines == expected
    assert [word for word in lines[0].split() if word[0].isalpha()] == ["epoch", "loss", "mae", "val_loss", "val_mae"]


def test_every_third_epoch_and_the_last(model, capsys):
    fit(model, 7, training.EpochLines(every=3))
    numbers = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert numbers == ["3/7", "6/7", "7/7"]


def test_an_epoch_keeps_its_number_when_training_goes_on(model, capsys):
    fit(model, 12, training.EpochLines(), initial_epoch=9)
    assert [line[:11] for line in capsys.readouterr().out.splitlines()] == ["epoch 10/12", "epoch 11/12", "epoch 12/12"]


@pytest.fixture
def variables():
    from groundup import session

    keras = session.import_keras()
    return [keras.Variable(np.arange(3.0)), keras.Variable(np.array([1, 2], "uint32"), dtype="uint32")]


def test_kept_and_resumed(variables, tmp_path):
    file = tmp_path / "mit Umlaut ä.npz"
    assert training.resume(file, variables, {"a": 1}) == {}
    training.keep(file, variables, {"a": (1, 2)}, step=7, log=[[1, None]])
    variables[0].assign(np.zeros(3))
    assert training.resume(str(file), variables, {"a": [1, 2]}) == {"step": 7, "log": [[1, None]]}
    assert np.asarray(variables[0].value).tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_another_plan_sets_nothing(variables, tmp_path):
    training.keep(tmp_path / "x.npz", variables, "one", step=1)
    variables[0].assign(np.zeros(3))
    with pytest.raises(training.OtherPlan, match="another plan: one"):
        training.resume(tmp_path / "x.npz", variables, "two")
    assert np.asarray(variables[0].value).tolist() == [0, 0, 0]


@pytest.mark.parametrize("harm", [lambda content: b"rubbish", lambda content: content[:-40], lambda content: b""])
def test_a_file_that_is_not_whole_is_no_beginning(variables, tmp_path, harm):
    file = tmp_path / "x.npz"
    training.keep(file, variables, "one", step=1)
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(training.Damaged, match=r"x\.npz is damaged .*Move it away to start anew"):
        training.resume(file, variables, "one")


def other_file(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def test_no_changed_byte_and_no_other_file_escapes_as_another_error(tmp_path):
    """A changed bit makes zipfile ask for a password, or for a later version of zip; and so on."""
    file, variable = tmp_path / "x.npz", types.SimpleNamespace(value=np.zeros(2), shape=(2,))
    variable.assign = lambda value: None
    training.keep(file, [variable], "one", step=1)
    whole = file.read_bytes()
    npy, plan = io.BytesIO(), {"plan": '"one"', "progress": '{"step": 1}'}
    np.save(npy, np.zeros(2))
    foreign = [
        npy.getvalue(),
        other_file(**plan, **{"000": np.array(["a", "b"])}),
        other_file(**{**plan, "progress": "[1]"}, **{"000": np.zeros(2)}),
        other_file(**{**plan, "progress": "[" * 100_000}, **{"000": np.zeros(2)}),
    ]
    flipped = [whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in (1, 255)]
    for content in flipped:
        file.write_bytes(content)
        with contextlib.suppress(training.Damaged, training.OtherPlan, OSError):
            assert training.resume(file, [variable], "one") == {"step": 1}
    for content in foreign:
        file.write_bytes(content)
        with pytest.raises(training.Damaged, match="Move it away to start anew"):
            training.resume(file, [variable], "one")


def test_the_training_before_a_damaged_one_is_still_there(variables, tmp_path):
    file = tmp_path / "x.npz"
    for step in (1, 2, 3):
        variables[0].assign(np.full(3, float(step)))
        training.keep(file, variables, "one", step=step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.before.npz", "x.npz"]
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(
        training.Damaged, match=r"Move x\.before\.npz to its place to go on from the one before"
    ) as error:
        training.resume(file, variables, "one")
    assert "\n" not in str(error.value)
    os.replace(training.before(file), file)
    assert training.resume(file, variables, "one") == {"step": 2}
    assert np.asarray(variables[0].value).tolist() == [2, 2, 2]
    training.keep(file, variables, "one", step=3)
    training.forget(file)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_not_the_beginning(variables, tmp_path, monkeypatch):
    """A good file would be replaced by the next `keep`, so nothing may go on without it."""
    file = tmp_path / "x.npz"
    training.keep(file, variables, "one", step=1)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(training.np, "load", refuse)  # not by chmod, which does not stop root
    with pytest.raises(OSError, match=r"x\.npz is there, but cannot be read \(Permission denied\): make it readable"):
        training.resume(file, variables, "one")


@pytest.mark.parametrize(
    "others, words",
    [
        (lambda keras, all: all[:1], "it holds 2, here are 1. Move"),
        (lambda keras, all: [*all, keras.Variable(np.zeros(2))], "it holds 2, here are 3. Move"),
        (lambda keras, all: [all[0], keras.Variable(np.zeros(3))], "here are 2, of which number 1 does not fit. Move"),
    ],
)
def test_a_model_with_other_variables_sets_nothing(variables, tmp_path, others, words):
    import keras

    training.keep(tmp_path / "x.npz", variables, "one", step=1)
    variables[0].assign(np.zeros(3))
    with pytest.raises(training.OtherPlan, match=words):
        training.resume(tmp_path / "x.npz", others(keras, variables), "one")
    assert np.asarray(variables[0].value).tolist() == [0, 0, 0]
