"""Taking a session back: what the names hold, how random numbers go on, and the files of the folder."""

import random

import numpy as np
import pytest
from coursetools import rewind


class Counter:
    def __init__(self):
        self.count, self.seen = 0, [1]


def counting():
    kept = {"calls": 0}

    def count():
        kept["calls"] += 1
        return kept["calls"]

    count.__module__ = "__main__"  # as a function of a notebook
    return count


@pytest.fixture
def names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.txt").write_text("as it was")
    whole = np.arange(6.0)
    return {
        "array": whole,
        "view": whole[2:],
        "list": [1, [2, 3]],
        "dict": {"a": {"b": 1}},
        "set": {1, 2},
        "object": Counter(),
        "function": counting(),
        "generator": np.random.default_rng(1),
        "old generator": random.Random(1),
    }


def test_what_the_names_hold_is_put_back(names, tmp_path):
    before, objects = rewind.Snapshot(names), dict(names)
    drawn = names["generator"].random(3).tolist(), names["old generator"].random()
    names["view"][0], names["list"][1][0], names["dict"]["a"]["b"] = 9, 9, 9
    names["set"].add(9)
    names["object"].count, names["object"].seen[0] = 9, 9
    names["function"]()
    names["new"] = names.pop("array")
    (tmp_path / "kept.txt").write_text("changed")
    (tmp_path / "new.txt").write_text("new")
    before.restore()
    assert all(names[name] is thing for name, thing in objects.items()) and set(names) == set(objects)
    assert names["array"].tolist() == [0, 1, 2, 3, 4, 5]
    assert names["list"] == [1, [2, 3]] and names["dict"] == {"a": {"b": 1}} and names["set"] == {1, 2}
    assert (names["object"].count, names["object"].seen) == (0, [1])
    assert names["function"]() == 1
    assert (names["generator"].random(3).tolist(), names["old generator"].random()) == drawn
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
    assert (tmp_path / "kept.txt").read_text() == "as it was"


def test_it_can_be_put_back_again_and_again(names):
    before = rewind.Snapshot(names)
    for _ in range(2):
        names["list"].clear()
        before.restore()
        assert names["list"] == [1, [2, 3]]


def test_the_global_random_numbers_go_on_as_before(names):
    before = rewind.Snapshot(names)
    drawn = random.random(), np.random.random()  # noqa: NPY002
    before.restore()
    assert (random.random(), np.random.random()) == drawn  # noqa: NPY002


@pytest.mark.slow
def test_a_training_starts_again_from_the_same_weights_and_the_same_draws(tmp_path, monkeypatch):
    import keras

    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.1), "mse")
    x, y = np.random.default_rng(2).normal(size=(8, 3)), np.ones(8)
    model.fit(x, y, epochs=2, verbose=0)
    names = {"model": model, "data": {"x": x}}
    before = rewind.Snapshot(names)

    def goes_on():
        losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
        return losses + keras.random.normal((2,)).numpy().tolist() + [layer.name for layer in [keras.layers.Dense(1)]]

    first = goes_on()
    model.compile(keras.optimizers.SGD(1.0), "mae")
    before.restore()
    assert goes_on() == first
