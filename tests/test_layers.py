"""The NumPy network: gradients by formula, finite differences and GradientTape; equal to Keras and to chapter 02."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from coursetools import notebook
from groundup import check, layers

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_backprop_by_hand.ipynb"
ACTIVATIONS = {
    layers.Sigmoid: lambda Z: tf.sigmoid(Z),
    layers.Tanh: lambda Z: tf.tanh(Z),
    layers.ReLU: lambda Z: tf.nn.relu(Z),
}
LOSSES = {
    layers.mean_squared_error: lambda out, y: tf.reduce_mean((out - y) ** 2),
    layers.binary_cross_entropy: lambda out, y: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, out)),
    layers.cross_entropy: lambda out, y: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, out)),
}
KERAS_LOSSES = {
    layers.mean_squared_error: lambda: keras.losses.MeanSquaredError(dtype="float64"),
    layers.binary_cross_entropy: lambda: keras.losses.BinaryCrossentropy(from_logits=True, dtype="float64"),
    layers.cross_entropy: lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64"),
}
by_name = {"ids": lambda thing: getattr(thing, "__name__", str(thing))}


@pytest.fixture(scope="module", autouse=True)
def engines():
    """Keras and TensorFlow, imported when the first of these tests runs: every process collects them, one runs them."""
    global keras, tf
    import keras
    import tensorflow as tf


def truth(rng, loss, B, m):
    """Targets that suit a loss, for outputs (B, m)."""
    if loss is layers.cross_entropy:
        return rng.integers(0, m, B)
    return rng.normal(size=(B, m)) if loss is layers.mean_squared_error else rng.integers(0, 2, (B, m)) * 1.0


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
@pytest.mark.parametrize("kind", ACTIVATIONS, **by_name)
def test_activation_alone(kind, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 8, 2))
    Z, R, layer = 3 * rng.normal(size=shape), rng.normal(size=shape), kind()

    def gradient(Z):
        layer.forward(Z)
        return [layer.backward(R)]

    tape = lambda Z: tf.reduce_sum(R * ACTIVATIONS[kind](Z))  # noqa: E731
    check.gradients(kind.__name__, lambda Z: np.sum(R * layer.forward(Z)), gradient, [Z], tape)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", LOSSES, **by_name)
def test_loss_alone(loss, seed):
    rng = np.random.default_rng(seed)
    B, m = rng.integers(1, 8, 2)
    out, y = 3 * rng.normal(size=(B, m)), truth(rng, loss, B, m)
    tape = lambda z: LOSSES[loss](z, y)  # noqa: E731
    check.gradients(loss.__name__, lambda z: loss(z, y)[0], lambda z: [loss(z, y)[1]], [out], tape)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES, **by_name)
@pytest.mark.parametrize("kind", ACTIVATIONS, **by_name)
def test_whole_network_of_random_shape(kind, loss, seed):
    rng = np.random.default_rng(100 + seed)
    B, *widths = (int(n) for n in rng.integers(1, 7, rng.integers(3, 7)))
    network = layers.mlp(rng, widths, kind, layers.glorot)
    X, y = rng.normal(size=(B, widths[0])), truth(rng, loss, B, widths[-1])

    def gradient(*values):
        network.backward(loss(filled(network, values).forward(X), y)[1])
        return network.gradients()

    def tape(*values):
        A = X
        for i in range(0, len(values), 2):
            A = (ACTIVATIONS[kind](A) if i else A) @ values[i] + values[i + 1]
        return LOSSES[loss](A, y)

    at = [p + 0.1 * rng.normal(size=p.shape) for p in network.parameters()]  # biases too, off zero
    check.gradients(f"{widths}", lambda *v: loss(filled(network, v).forward(X), y)[0], gradient, at, tape)


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


@pytest.mark.parametrize("loss", LOSSES, **by_name)
def test_losses_equal_keras(loss):
    rng = np.random.default_rng(3)
    out, y = 3 * rng.normal(size=(6, 4)), truth(rng, loss, 6, 4)
    assert loss(out, y)[0] == pytest.approx(float(KERAS_LOSSES[loss]()(y, out)), rel=1e-9)


@pytest.mark.parametrize("momentum", [0.0, 0.875])
@pytest.mark.parametrize("loss", LOSSES, **by_name)
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_a_hundred_steps_equal_keras(name, loss, momentum):
    rng = np.random.default_rng(4)
    kind = {"sigmoid": layers.Sigmoid, "tanh": layers.Tanh, "relu": layers.ReLU}[name]
    network = layers.mlp(rng, [5, 8, 6, 3], kind)
    shapes = [(8, name), (6, name), (3, None)]
    dense = [keras.layers.Dense(*shape, dtype="float64") for shape in shapes]
    model = keras.Sequential([keras.Input((5,), dtype="float64"), *dense])
    model.set_weights(network.parameters())
    optimizer = keras.optimizers.SGD(0.125, momentum=momentum)
    model.compile(optimizer, KERAS_LOSSES[loss](), jit_compile=False)  # a hundred steps do not pay for compiling
    for _ in range(100):
        X, y = rng.normal(size=(7, 5)), truth(rng, loss, 7, 3)
        ours, G = loss(network.forward(X), y)
        network.backward(G)
        network.step(0.125, momentum)
        assert ours == pytest.approx(float(model.train_on_batch(X, y)), rel=1e-6)
    for p, q in zip(network.parameters(), model.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-12)


def test_two_classes_are_the_binary_case():
    rng = np.random.default_rng(5)
    z, y = rng.normal(size=(9, 1)), rng.integers(0, 2, 9)
    loss, gradient = layers.cross_entropy(np.c_[np.zeros(9), z], y)
    binary, binary_gradient = layers.binary_cross_entropy(z, y[:, None] * 1.0)
    assert loss == pytest.approx(binary, rel=1e-12)
    np.testing.assert_allclose(gradient[:, 1:], binary_gradient, rtol=1e-9)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)


@pytest.mark.filterwarnings("error")
def test_extreme_numbers_stay_finite():
    assert layers.sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]
    loss, gradient = layers.cross_entropy(np.array([[1e4, -1e4]]), np.array([1]))
    assert loss == 2e4 and gradient.tolist() == [[1, -1]]
    loss, gradient = layers.binary_cross_entropy(np.array([[1e4, -1e4]]), np.array([[0.0, 0.0]]))
    assert loss == 5e3 and gradient.tolist() == [[0.5, 0]]


def test_relu_at_zero_is_tensorflows():
    layer, Z = layers.ReLU(), tf.Variable([[0.0, -0.0, 1.0]])
    layer.forward(Z.numpy())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.nn.relu(Z))
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), tape.gradient(value, Z))


@pytest.mark.parametrize("loss", LOSSES, **by_name)
def test_single_precision_stays_single(loss):
    rng = np.random.default_rng(6)
    network = layers.mlp(rng, [4, 5, 3], layers.Sigmoid, dtype=np.float32)
    y = truth(rng, loss, 8, 3)
    y = y if y.dtype.kind == "i" else y.astype(np.float32)
    layers.train_epoch(network, loss, rng.normal(size=(8, 4)).astype(np.float32), y, rng, 0.1, 0.9, 3)
    kept = [*network.parameters(), *network.gradients(), *network.velocities]
    assert {array.dtype for array in kept} == {np.dtype(np.float32)}


def test_initial_weights_have_the_variance_they_promise():
    rng = np.random.default_rng(7)
    assert layers.he(rng, 300, 200).var() == pytest.approx(2 / 300, rel=0.03)
    assert layers.glorot(rng, 300, 200).var() == pytest.approx(2 / 500, rel=0.03)


def test_an_epoch_sees_every_example_once():
    class Spy:
        def forward(self, X):
            seen.extend(X[:, 0].tolist())
            return X

        def backward(self, G):
            pass

        def step(self, learning_rate, momentum):
            steps.append((learning_rate, momentum))

    seen, steps = [], []
    X = np.arange(10.0)[:, None]
    loss = layers.train_epoch(Spy(), lambda out, y: (out.mean(), None), X, X, np.random.default_rng(8), 0.5, 0.9, 4)
    assert sorted(seen) == X[:, 0].tolist() and seen != sorted(seen)
    assert steps == [(0.5, 0.9)] * 3
    assert loss == pytest.approx(4.5)  # weighted by the size of the batches


def test_it_learns_what_no_straight_line_can():
    rng = np.random.default_rng(9)
    X = rng.uniform(-1, 1, (400, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    network = layers.mlp(rng, [2, 16, 2])
    losses = [layers.train_epoch(network, layers.cross_entropy, X, y, rng, 0.1, 0.9) for _ in range(60)]
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
    (lambda: layers.mean_squared_error(ROWS, ROWS[:, 0]), r"\(3, 2\) and \(3,\)"),
    (lambda: layers.mean_squared_error(ROWS[:0], ROWS[:0]), "not empty"),
    (lambda: layers.binary_cross_entropy(ROWS[:, :1], FLOATS(3)), r"\(3, 1\) and \(3,\)"),
    (lambda: layers.binary_cross_entropy(ROWS, 2 * ROWS), "from 2.0 to 2.0"),
    (lambda: layers.binary_cross_entropy(ROWS, np.nan * ROWS), "nan"),
    (lambda: layers.cross_entropy(ROWS, np.array([0, 1])), r"labels of shape \(3,\), not \(2,\)"),
    (lambda: layers.cross_entropy(ROWS, np.array([0, 1, 2])), "from 0 to 2, .* 0 to 1"),
    (lambda: layers.cross_entropy(ROWS, np.array([0, -1, 1])), "from -1 to 1"),
    (lambda: layers.cross_entropy(ROWS, FLOATS(3)), "float64"),
    (lambda: layers.cross_entropy(ROWS, np.eye(3)[:, :2]), "labels of shape"),
    (lambda: layers.cross_entropy(ROWS[:0], np.array([], int)), "logits of shape"),
    (lambda: layers.train_epoch(None, None, ROWS, ROWS[:2], None, 0.1), "3 examples, 2 targets"),
    (lambda: layers.train_epoch(None, None, ROWS[:0], ROWS[:0], None, 0.1), "0 examples"),
    (lambda: layers.train_epoch(None, None, ROWS, ROWS, None, 0.1, batch_size=0), "batches of 0"),
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
    public = [name for name, thing in vars(layers).items() if getattr(thing, "__module__", "") == layers.__name__]
    texts = [cell.source for cell in notebook.read(NOTEBOOK).cells if cell.cell_type == "code"]
    wanted = re.compile(rf"^(class|def) ({'|'.join(name for name in public if name[0] != '_')})\b", re.MULTILINE)
    scope = {"np": np, "pairwise": itertools.pairwise}
    for text in texts:
        if wanted.search(text):
            lines = text.splitlines()
            start = next(i for i, line in enumerate(lines) if line.startswith(("class ", "def ")))
            ends = [
                i
                for i in range(start, len(lines))
                if lines[i] and lines[i][0] not in " )" and lines[i][:3] not in ("cla", "def")
            ]
            exec("\n".join(lines[start : ends[0] if ends else None]), scope)
    missing = [name for name in public if name[0] != "_" and name not in scope]
    assert not missing, f"chapter 02 does not define {missing}"
    return scope


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", [loss.__name__ for loss in LOSSES])
@pytest.mark.parametrize("kind", [kind.__name__ for kind in ACTIVATIONS])
def test_the_chapter_and_the_package_are_one(kind, loss, dtype):
    trained = []
    for scope in (notebook_definitions(), vars(layers)):
        for initial in ("he", "glorot"):
            rng = np.random.default_rng(10)
            network = scope["mlp"](rng, [4, 6, 5, 3], scope[kind], scope[initial], dtype)
            X, y = rng.normal(size=(20, 4)).astype(dtype), truth(rng, getattr(layers, loss), 20, 3)
            y = y if y.dtype.kind == "i" else y.astype(dtype)
            losses = [scope["train_epoch"](network, scope[loss], X, y, rng, 0.1, 0.9, 6) for _ in range(3)]
            trained.append([np.array(losses), network.forward(X), *network.parameters(), *network.gradients()])
    for ours, packaged in (trained[0::2], trained[1::2]):
        for a, b in zip(ours, packaged, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
