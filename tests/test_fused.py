"""The fused batch normalization gives Keras' numbers, and leaves alone what it cannot do."""

import numpy as np
import pytest
from groundup import session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keras():
    return session.import_keras()


def results(keras, x, dy, call, **options):
    """Output, gradients and moving averages after one call in training, then the output in prediction."""
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    layer = keras.layers.BatchNormalization(momentum=0.8, epsilon=0.01, gamma_initializer="normal", **options)
    layer.build(x.shape)
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = call(layer, x, training=True)
        loss = tf.reduce_sum(y * dy)
    variables = [x, *(v.value for v in layer.trainable_variables)]
    gradients = tape.gradient(loss, variables)
    found = [y, *gradients, layer.moving_mean.value, layer.moving_variance.value, call(layer, x, training=False)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(call(layer, x, training=False) * dy)
    return [np.asarray(a) for a in [*found, *tape.gradient(loss, variables)]]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 5, 6, 3), {}),
        ((2, 1, 1, 4), {}),  # dividing by n - 1 instead of n would show most here
        ((8, 5, 6, 3), {"axis": 1}),
        ((8, 5, 6, 3), {"scale": False}),
        ((8, 5, 6, 3), {"trainable": False}),
        ((16, 7), {}),
        ((4, 5, 3), {}),
    ],
)
def test_same_numbers_as_keras(keras, shape, options):
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(2, 3, shape).astype(np.float32) for _ in range(2))
    kind = keras.layers.BatchNormalization
    if options.get("trainable") is False:
        options = {}
        frozen = True
    else:
        frozen = False

    def run(function):
        def call(layer, x, training):
            layer.trainable = not frozen
            return function(layer, x, training=training)

        return results(keras, x, dy, call, **options)

    for ours, theirs in zip(run(kind.call), run(kind.call.as_before), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_in_a_model_that_trains_saves_and_loads(keras, tmp_path):
    x, y = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype(np.float32), np.arange(64) % 2
    stack = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(momentum=0.5)]
    model = keras.Sequential([*stack, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert np.abs(again.layers[1].moving_mean.numpy()).max() > 1e-3


def test_once(keras):
    kind = keras.layers.BatchNormalization
    call = kind.call
    session.import_keras()
    assert kind.call is call and not hasattr(call.as_before, "as_before")
