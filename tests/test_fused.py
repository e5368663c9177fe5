"""The fused batch normalization is Keras' layer, in its numbers and in what is saved."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def layers():
    """Keras' layer and ours after three steps of training on the same maps, and the gradients of the last."""
    import keras
    import tensorflow as tf
    from groundup import fused

    found = []
    for kind in (keras.layers.BatchNormalization, fused.BatchNormalization):
        rng, layer = np.random.default_rng(0), kind(momentum=0.9, epsilon=1e-3)
        layer.build((None, 5, 4, 3))
        layer.gamma.assign([0.5, 1.0, 2.0])
        layer.beta.assign([-1.0, 0.0, 1.0])
        for _ in range(3):
            x, weight = (tf.constant(rng.normal(2.0, 3.0, (6, 5, 4, 3)), tf.float32) for _ in range(2))
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(weight * y)
            gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        found.append((layer, y, gradients, layer(x, training=False)))
    return found


def test_outputs_gradients_and_moving_averages_are_those_of_keras(layers):
    theirs, ours = layers
    np.testing.assert_allclose(ours[1], theirs[1], atol=2e-5)
    for mine, other in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    for mine, other in zip(ours[0].get_weights(), theirs[0].get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    np.testing.assert_allclose(ours[3], theirs[3], atol=2e-5)


def test_frozen_or_not_of_maps_it_is_keras(layers):
    from groundup import fused

    layer, x = fused.BatchNormalization(), np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    y = layer(x, training=True)
    np.testing.assert_allclose(np.asarray(y).mean(axis=0), 0, atol=1e-5)
    layers[1][0].trainable = False
    before = layers[1][0].get_weights()
    layers[1][0](np.ones((2, 5, 4, 3), "float32"), training=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, layers[1][0].get_weights(), strict=True))


def test_it_is_saved_as_keras_own_layer(tmp_path):
    import keras
    from groundup import fused

    model = keras.Sequential([keras.Input((4, 4, 2)), fused.BatchNormalization(name="norm")])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("norm")) is keras.layers.BatchNormalization
    assert type(keras.models.clone_model(model).get_layer("norm")) in (fused.BatchNormalization,
                                                                       keras.layers.BatchNormalization)  # fmt: skip
    x = np.random.default_rng(2).normal(size=(3, 4, 4, 2)).astype("float32")
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)
