"""What chapter 10 writes out is the package's: networks, half-steps, distance; and what its ring counts."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
from coursetools import notebook

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "10_gan.ipynb"
WANTED = {
    "TwoNetworks",
    "GAN",
    "noise_and_class",
    "logit_of",
    "conv_generator",
    "conv_discriminator",
    "between_gaussians",
    "frechet",
    "squares",
    "inside",
    "shifted",
    "StackedAdam",
    "forward",
    "discriminator_losses",
    "covered",
    "normal",
    "best_velocity",
    "follow",
}


@pytest.fixture(scope="module")
def chapter():
    """The chapter's functions and classes, without running the chapter."""
    import keras
    import tensorflow as tf
    from keras import layers, ops

    names = {"np": np, "keras": keras, "tf": tf, "layers": layers, "ops": ops, "SEED": 10}
    angles = np.arange(8) * np.pi / 4
    names["hills"] = tf.constant(2 * np.c_[np.cos(angles), np.sin(angles)], tf.float32)
    for cell in notebook.read(NOTEBOOK).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if getattr(node, "name", None) in WANTED:
                    exec(compile(ast.Module([node], []), NOTEBOOK.name, "exec"), names)
    assert names.keys() >= WANTED
    return names


@pytest.fixture(scope="module")
def gan():
    from groundup.models import gan

    return gan


@pytest.mark.parametrize("classes", [0, 10])
def test_networks_are_the_package_s(chapter, gan, classes):
    rng = np.random.default_rng(1)
    z, c = rng.normal(size=(4, 16)).astype("float32"), np.array([1, 5, 9, 0])
    x = rng.uniform(-1, 1, (4, 28, 28, 1)).astype("float32")
    for ours, theirs, first in (
        (chapter["conv_generator"](classes), gan.generator(classes), z),
        (chapter["conv_discriminator"](classes), gan.discriminator(classes), x),
    ):
        assert [v.path for v in ours.variables] == [v.path for v in theirs.variables]
        ours.set_weights(theirs.get_weights())
        inputs = [first, c] if classes else first
        np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-6)


@pytest.mark.parametrize("classes", [0, 10])
def test_two_steps_are_the_package_s(chapter, gan, classes):
    import keras
    import tensorflow as tf

    x = tf.constant(np.random.default_rng(2).uniform(-1, 1, (4, 28, 28, 1)), tf.float32)
    c = tf.constant([0, 1, 2, 3])
    models, losses = [], []
    for kind in (chapter["GAN"], gan.GAN):
        keras.utils.set_random_seed(1)
        model = kind(gan.generator(classes, width=4), gan.discriminator(classes, width=4), decay=0.9, seed=4)
        model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
        for _ in range(2):
            told = model.train_step((x, c))
        models.append(model)
        losses.append([float(told[name]) for name in ("d_loss", "g_loss")])
    for a, b in zip(models[0].variables, models[1].variables, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), atol=1e-6)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_one_default_of_the_moving_average(chapter, gan):
    decays = {inspect.signature(kind).parameters["decay"].default for kind in (chapter["TwoNetworks"], gan.GAN)}
    assert decays == {0.99}


def test_distance_is_the_package_s(chapter, gan):
    a, b = np.random.default_rng(3).normal(size=(2, 50, 5))
    assert chapter["frechet"](a, 2 * b + 1) == pytest.approx(gan.frechet(a, 2 * b + 1), rel=1e-9)


def test_balls_reach_to_the_third_neighbour(chapter):
    cloud = np.array([0.0, 1.0, 3.0, 6.0, 10.0])[:, None]  # radii 6, 5, 3, 5, 9
    points = np.array([-6.0, -6.5, 19.0, 19.5])[:, None]
    assert chapter["inside"](points, cloud) == 0.5
    assert chapter["inside"](cloud, cloud) == 1


def test_shifts_bring_in_background(chapter):
    picture = np.full((1, 28, 28, 1), -1.0)
    picture[0, 5, 7] = picture[0, 27, 0] = 1
    moved = chapter["shifted"](picture, 2, -1)
    assert moved.shape == picture.shape and moved[0, 7, 6] == 1 and (moved == 1).sum() == 1


def test_hills_are_counted(chapter):
    hills = chapter["hills"].numpy()
    points = np.zeros((1, 3, 512, 2))
    points[0, 0] = hills[np.arange(512) % 8]  # all hills
    points[0, 1] = hills[2] + 0.1  # one
    points[0, 2, :12] = hills[0]  # twelve points are too few, and the centre is no hill
    found, share = chapter["covered"](points)
    assert found.tolist() == [[8, 1, 0]] and share[0].tolist() == [1, 1, 12 / 512]


def test_penalties_are_half_the_squared_slope_and_half_its_squared_distance_from_one(chapter):
    import tensorflow as tf

    w, x = tf.constant([[[3.0], [4.0]]]), tf.random.stateless_normal((1, 64, 2), (1, 2))
    D = [w, tf.zeros((1, 1, 1))]  # a linear logit: its slope is (3, 4) everywhere
    between = tf.fill((1, 64, 1), 0.3)
    for wgan, expected in ((0.0, 0.2 / 2 * 25), (1.0, 0.2 / 2 * (5 - 1) ** 2)):
        without, with_penalty = (
            float(chapter["discriminator_losses"](D, x, x + 1, between, strength, wgan)) for strength in (0.0, 0.2)
        )
        assert with_penalty - without == pytest.approx(expected, rel=1e-4)
        if wgan:
            assert without == pytest.approx(3 + 4, rel=1e-4)  # the points were moved by (1, 1)


def test_velocity_of_pure_noise_is_towards_the_mean(chapter):
    at = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(chapter["best_velocity"](at, 0.0), -0.25 - at, atol=1e-12)


def test_the_last_step_ends_on_the_guess(chapter):
    guess = np.random.default_rng(7).normal(size=(250, 28, 28, 1)).astype("float32")
    made = chapter["follow"](lambda inputs: guess, seed=1, n=500, steps=4)
    np.testing.assert_allclose(made, np.concatenate([guess, guess]), atol=1e-5)


def test_stacked_adam_is_keras_adam(chapter):
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(6)
    start, gradients = rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 2, 3, 4))
    ours = [tf.Variable(start, dtype=tf.float32)]
    adam = chapter["StackedAdam"](ours, tf.constant([0.01, 0.003])[:, None, None])
    for g in gradients:
        adam.apply([tf.constant(g, tf.float32)])
    for net, rate in enumerate((0.01, 0.003)):
        theirs = keras.Variable(start[net].astype("float32"))
        keras_adam = keras.optimizers.Adam(rate, 0.5, 0.99, epsilon=1e-7)
        for g in gradients[:, net]:
            keras_adam.apply([tf.constant(g, tf.float32)], [theirs])
        np.testing.assert_allclose(ours[0][net], theirs.value, atol=1e-5)
