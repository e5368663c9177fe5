"""The NumPy network: gradients by formula, finite differences and GradientTape; equal to Keras and to chapter 02."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
from coursetools import notebook
from groundup import check
from groundup.models import layers

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_backprop_by_hand.ipynb"


@pytest.fixture(scope="module", autouse=True)
def engines():
    """Keras and TensorFlow, imported when the first of these tests runs: every process collects them, one runs them."""
    global keras, tf
    import keras
    import tensorflow as tf


def tape_loss(logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def filled(network, values):
    for p, value in zip(network.parameters(), values, strict=True):
        p[...] = value
    return network


def copies(network):
    return [p.copy() for p in network.parameters()]


@pytest.mark.parametrize("seed", range(5))
def test_dense_alone(seed):
    rng = np.random.default_rng(seed)
    B, d, m = rng.integers(1, 8, 3)
    X, W, b, R = (rng.normal(size=shape) for shape in ((B, d), (d, m), (m,), (B, m)))

    def gradient(X, W, b):
        layer = layers.Dense(W, b)
        layer.forward(X)
        return [layer.backward(R), layer.dW, layer.db]

    loss = lambda X, W, b: np.sum(R * layers.Dense(W, b).forward(X))  # noqa: E731
    check.gradients("dense", loss, gradient, [X, W, b], lambda X, W, b: tf.reduce_sum(R * (X @ W + b)))


@pytest.mark.parametrize("seed", range(3))
def test_relu_alone(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 8, 2))
    Z, R, layer = 3 * rng.normal(size=shape), rng.normal(size=shape), layers.ReLU()

    def gradient(Z):
        layer.forward(Z)
        return [layer.backward(R)]

    tape = lambda Z: tf.reduce_sum(R * tf.nn.relu(Z))  # noqa: E731
    check.gradients("ReLU", lambda Z: np.sum(R * layer.forward(Z)), gradient, [Z], tape)


@pytest.mark.parametrize("seed", range(3))
def test_loss_alone(seed):
    rng = np.random.default_rng(seed)
    B, m = rng.integers(1, 8, 2)
    out, y = 3 * rng.normal(size=(B, m)), rng.integers(0, m, B)
    loss = layers.cross_entropy
    check.gradients("loss", lambda z: loss(z, y)[0], lambda z: [loss(z, y)[1]], [out], lambda z: tape_loss(z, y))


@pytest.mark.parametrize("seed", range(4))
def test_whole_network_of_random_shape(seed):
    rng = np.random.default_rng(100 + seed)
    B, *widths = (int(n) for n in rng.integers(1, 7, rng.integers(3, 7)))
    network = layers.mlp(rng, widths)
    X, y = rng.normal(size=(B, widths[0])), rng.integers(0, widths[-1], B)

    def loss(*values):
        return layers.cross_entropy(filled(network, values).forward(X), y)

    def gradient(*values):
        network.backward(loss(*values)[1])
        return network.gradients()

    def tape(*values):
        A = X
        for i in range(0, len(values), 2):
            A = (tf.nn.relu(A) if i else A) @ values[i] + values[i + 1]
        return tape_loss(A, y)

    at = [p + 0.1 * rng.normal(size=p.shape) for p in network.parameters()]  # biases too, off zero
    check.gradients(f"{widths}", lambda *v: loss(*v)[0], gradient, at, tape)


def test_a_wrong_gradient_is_refused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 4)), rng.integers(0, 4, 5)

    class Careless(layers.Dense):
        def backward(self, G, to_inputs=True):
            super().backward(G)
            return G @ self.W

    for second in (layers.Dense, Careless):
        first, last = (kind(rng.normal(size=(4, 4)), np.zeros(4)) for kind in (layers.Dense, second))
        network = layers.Network([first, last])
        network.backward(layers.cross_entropy(network.forward(X), y)[1])
        ours = [g.copy() for g in network.gradients()]
        loss = lambda *v, n=network: layers.cross_entropy(filled(n, v).forward(X), y)[0]  # noqa: E731
        found = check.finite_differences(loss, copies(network))
        assert np.allclose(ours[0], found[0], rtol=1e-5, atol=1e-8) == (second is layers.Dense)
        assert np.allclose(ours[2], found[2], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("momentum", [0.0, 0.875])
def test_a_hundred_steps_equal_keras(momentum):
    rng = np.random.default_rng(4)
    network = layers.mlp(rng, [5, 8, 6, 3])
    dense = [keras.layers.Dense(*shape, dtype="float64") for shape in ((8, "relu"), (6, "relu"), (3, None))]
    model = keras.Sequential([keras.Input((5,), dtype="float64"), *dense])
    model.set_weights(network.parameters())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    model.compile(keras.optimizers.SGD(0.125, momentum=momentum), loss, jit_compile=False)
    for _ in range(100):
        X, y = rng.normal(size=(7, 5)), rng.integers(0, 3, 7)
        ours, G = layers.cross_entropy(network.forward(X), y)
        network.backward(G)
        network.step(0.125, momentum)
        assert ours == pytest.approx(float(model.train_on_batch(X, y)), rel=1e-6)
    for p, q in zip(network.parameters(), model.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_extreme_numbers_stay_finite():
    loss, gradient = layers.cross_entropy(np.array([[1e4, -1e4]]), np.array([1]))
    assert loss == 2e4 and gradient.tolist() == [[1, -1]]


def test_relu_at_zero_is_tensorflows():
    layer, Z = layers.ReLU(), tf.Variable([[0.0, -0.0, 1.0]])
    layer.forward(Z.numpy())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.nn.relu(Z))
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), tape.gradient(value, Z))


def trained(network, X, y, rng, epochs):
    """The mean loss of each epoch, in batches of 20, momentum 0.9."""
    losses = np.zeros(epochs)
    for epoch in range(epochs):
        for rows in np.split(rng.permutation(len(X)), len(X) // 20):
            loss, G = layers.cross_entropy(network.forward(X[rows]), y[rows])
            network.backward(G)
            network.step(0.1, 0.9)
            losses[epoch] += loss * 20 / len(X)
    return losses


def test_single_precision_stays_single():
    rng = np.random.default_rng(6)
    network = layers.mlp(rng, [4, 5, 3], dtype=np.float32)
    trained(network, rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 3, 20), rng, 1)
    kept = [*network.parameters(), *network.gradients(), *network.velocities]
    assert {array.dtype for array in kept} == {np.dtype(np.float32)}


def test_initial_weights_have_the_variance_they_promise():
    assert layers.he(np.random.default_rng(7), 300, 200).var() == pytest.approx(2 / 300, rel=0.03)


def test_it_learns_what_no_straight_line_can():
    rng = np.random.default_rng(9)
    X = rng.uniform(-1, 1, (400, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    network = layers.mlp(rng, [2, 16, 2])
    losses = trained(network, X, y, rng, 60)
    assert losses[-1] < 0.2 * losses[0]
    assert np.mean(network.forward(X).argmax(axis=1) == y) > 0.95


ROWS, FLOATS = np.ones((3, 2)), np.ones
BAD = [
    (lambda: layers.Dense(FLOATS((2, 3)), FLOATS(2)), r"W is \(2, 3\) float64, b is \(2,\)"),
    (lambda: layers.Dense(FLOATS((2, 3), int), FLOATS(3, int)), "int64"),
    (lambda: layers.Dense(FLOATS((2, 3)), FLOATS(3, np.float32)), "float32"),
    (lambda: layers.mlp(np.random.default_rng(0), [3, 2]).forward(ROWS), r"\(3, 2\) does not fit .*\(3, 2\)"),
    (lambda: layers.mlp(np.random.default_rng(0), [2, 2]).forward(ROWS[0]), r"X of shape \(2,\)"),
    (lambda: layers.mlp(np.random.default_rng(0), [2, 2]).forward(ROWS.astype(np.uint8)), "X is uint8"),
    (lambda: layers.mlp(np.random.default_rng(0), [2, 2], dtype=np.float32).forward(ROWS), "X is float64"),
    (lambda: layers.mlp(np.random.default_rng(0), [2]), "at least two"),
    (lambda: layers.mlp(np.random.default_rng(0), [2, 0]), "at least 1"),
    (lambda: layers.Network([]), "begins with a Dense"),
    (lambda: layers.Network([layers.ReLU()]), "begins with a Dense"),
    (lambda: layers.cross_entropy(ROWS, np.array([0, 1])), r"labels of shape \(3,\), not \(2,\)"),
    (lambda: layers.cross_entropy(ROWS, np.array([0, 1, 2])), "from 0 to 2, .* 0 to 1"),
    (lambda: layers.cross_entropy(ROWS, np.array([0, -1, 1])), "from -1 to 1"),
    (lambda: layers.cross_entropy(ROWS, FLOATS(3)), "float64"),
    (lambda: layers.cross_entropy(ROWS, np.eye(3)[:, :2]), "labels of shape"),
    (lambda: layers.cross_entropy(ROWS[:0], np.array([], int)), "logits of shape"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words for _, words in BAD])
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_gradient_of_the_wrong_shape_is_refused():
    layer = layers.Dense(np.ones((2, 3)), np.ones(3))
    layer.forward(ROWS)
    with pytest.raises(ValueError, match=r"\(3, 2\), the output had \(3, 3\)"):
        layer.backward(ROWS)


def notebook_definitions():
    """What chapter 02 defines under the names of this package, from its cells as they are."""
    public = {name for name, thing in vars(layers).items() if getattr(thing, "__module__", "") == layers.__name__}
    scope = {"np": np, "pairwise": itertools.pairwise}
    for cell in notebook.read(NOTEBOOK).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name in public - set(scope):
                    exec(ast.unparse(node), scope)
    assert not public - set(scope), f"chapter 02 does not define {public - set(scope)}"
    return scope


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_chapter_and_the_package_are_one(dtype):
    found = []
    for scope in (notebook_definitions(), vars(layers)):
        rng = np.random.default_rng(10)
        network = scope["mlp"](rng, [4, 6, 5, 3], dtype=dtype)
        X, y = rng.normal(size=(20, 4)).astype(dtype), rng.integers(0, 3, 20)
        loss, G = scope["cross_entropy"](network.forward(X), y)
        network.backward(G)
        network.step(0.1, 0.9)
        found.append([np.array(loss), network.forward(X), *network.parameters(), *network.gradients()])
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
