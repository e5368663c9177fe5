"""The NumPy network of chapter 02: layers that go forward and backward, losses with their gradients, and training.

Examples are rows everywhere: a batch is (B, d). A layer's `backward` takes the gradient of the loss with respect to
what its last `forward` returned, and returns the one with respect to what that `forward` was given. Every formula is
derived in notebooks/02. Sources: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
Nature 323 (1986); Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.5.
"""

import itertools

import numpy as np


class Dense:
    """A dense layer, Z = X @ W + b. After `backward`, dW and db hold the gradients of the loss.

    Args:
        W: (d, m) float weights; the layer keeps this very array, and `Network.step` changes it.
        b: (m,) bias of the same dtype.

    Raises:
        ValueError: shapes or dtypes that do not fit; it names both.
    """

    def __init__(self, W, b):
        if W.ndim != 2 or b.shape != W.shape[1:] or W.dtype.kind != "f" or b.dtype != W.dtype:
            raise ValueError(f"W is {W.shape} {W.dtype}, b is {b.shape} {b.dtype}: wanted are (d, m) and (m,), floats.")
        self.W, self.b = W, b

    def forward(self, X):
        """X (B, d), of the dtype of W, to Z (B, m). Raises ValueError for another shape or dtype."""
        if X.ndim != 2 or X.shape[1] != len(self.W):
            raise ValueError(f"X of shape {X.shape} does not fit weights of shape {self.W.shape}.")
        if X.dtype != self.W.dtype:
            raise ValueError(f"X is {X.dtype}, the weights are {self.W.dtype}: convert X once, before training.")
        self.X = X
        return X @ self.W + self.b

    def backward(self, G, to_inputs=True):
        """G = dL/dZ (B, m) to dL/dX (B, d), or to None if `to_inputs` is false, which saves a matrix product.

        Raises ValueError for a G of another shape than Z.
        """
        if G.shape != (len(self.X), len(self.b)):
            raise ValueError(f"the gradient has shape {G.shape}, the output had {(len(self.X), len(self.b))}.")
        self.dW, self.db = self.X.T @ G, G.sum(axis=0)
        return G @ self.W.T if to_inputs else None


class Sigmoid:
    """1 / (1 + exp(-z)), for any shape. Its derivative is a (1 - a)."""

    def forward(self, Z):
        self.A = sigmoid(Z)
        return self.A

    def backward(self, G):
        return G * self.A * (1 - self.A)


class Tanh:
    """tanh(z), for any shape. Its derivative is 1 - a²."""

    def forward(self, Z):
        self.A = np.tanh(Z)
        return self.A

    def backward(self, G):
        return G * (1 - self.A**2)


class ReLU:
    """max(0, z), for any shape. Its derivative is 1 above zero and 0 below; at zero we take 0, as TensorFlow does."""

    def forward(self, Z):
        self.on = Z > 0
        return np.maximum(Z, 0)

    def backward(self, G):
        return G * self.on


def sigmoid(Z):
    """1 / (1 + exp(-Z)), as exp(-log(1 + exp(-Z))), which overflows for no Z."""
    return np.exp(-np.logaddexp(0, -Z))


def mean_squared_error(prediction, target):
    """Mean over all entries of (prediction - target)², and its gradient, 2 (prediction - target) / entries.

    Args:
        prediction, target: float arrays of one shape, (B, m); they are never broadcast.

    Returns:
        loss, in squared units of the target, and its gradient (B, m), already divided by the number of entries.

    Raises:
        ValueError: shapes that differ or are empty; it names both.
    """
    _same_shape(prediction, target)
    error = prediction - target
    return np.mean(error**2), 2 * error / error.size


def binary_cross_entropy(logits, labels):
    """Mean over all entries of the cross-entropy of sigmoid(logits), and its gradient, (p - y) / entries.

    Args:
        logits: (B, m) float; any real scores, no sigmoid applied.
        labels: (B, m) float, each from 0 to 1.

    Returns:
        loss, in nats per entry, and its gradient (B, m), already divided by the number of entries.

    Raises:
        ValueError: shapes that differ or are empty, or a label outside 0..1; it names them.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.2.
    """
    _same_shape(logits, labels)
    if not (labels.min() >= 0 and labels.max() <= 1):
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}, they should lie in 0..1.")
    loss = np.mean(np.logaddexp(0, logits) - labels * logits)
    return loss, (sigmoid(logits) - labels) / logits.size


def cross_entropy(logits, labels):
    """Mean cross-entropy of softmax(logits), and its gradient, (p - y) / B with y one-hot.

    Args:
        logits: (B, K) float; any real scores, no softmax applied.
        labels: (B,) int in [0, K).

    Returns:
        loss: float, nats per example.
        dlogits: (B, K), already divided by the batch size.

    Raises:
        ValueError: shapes that do not fit, or a label out of range; it names both.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.4.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not logits.size:
        raise ValueError(f"logits of shape {logits.shape} need labels of shape {logits.shape[:1]}, not {labels.shape}.")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= logits.shape[1]:
        kind = f"{labels.dtype} from {labels.min()} to {labels.max()}"
        raise ValueError(f"labels are {kind}, they should be integers from 0 to {logits.shape[1] - 1}.")
    shifted = logits - logits.max(axis=1, keepdims=True)  # the largest becomes 0: exp cannot overflow
    p = np.exp(shifted)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    right = np.arange(len(labels)), labels
    loss = np.mean(np.log(total[:, 0]) - shifted[right])
    p[right] -= 1
    return loss, p / len(labels)


def _same_shape(a, b):
    if a.shape != b.shape or not a.size:
        raise ValueError(f"shapes {a.shape} and {b.shape}: they should be the same, and not empty.")


class Network:
    """Layers in a row, the first of them Dense. Raises ValueError for another first layer, or none."""

    def __init__(self, layers):
        if not layers or not isinstance(layers[0], Dense):
            raise ValueError("a network begins with a Dense layer.")
        self.layers = layers
        self.dense = [layer for layer in layers if isinstance(layer, Dense)]
        self.velocities = [np.zeros_like(p) for p in self.parameters()]

    def parameters(self):
        """[W1, b1, W2, b2, ...]: the arrays themselves, so writing into them changes the network."""
        return [p for layer in self.dense for p in (layer.W, layer.b)]

    def gradients(self):
        """[dW1, db1, dW2, db2, ...] of the last `backward`."""
        return [g for layer in self.dense for g in (layer.dW, layer.db)]

    def forward(self, X):
        """X (B, d) to the output of the last layer, (B, m)."""
        for layer in self.layers:
            X = layer.forward(X)
        return X

    def backward(self, G):
        """Set the gradients of all layers from G = dL/d(output) (B, m)."""
        for layer in reversed(self.layers[1:]):
            G = layer.backward(G)
        self.layers[0].backward(G, to_inputs=False)

    def step(self, learning_rate, momentum=0.0):
        """Move every parameter by its velocity, v = momentum * v - learning_rate * gradient."""
        for p, g, v in zip(self.parameters(), self.gradients(), self.velocities, strict=True):
            v *= momentum
            v -= learning_rate * g
            p += v


def he(rng, inputs, outputs):
    """Weights (inputs, outputs) from N(0, 2 / inputs), for ReLU. Source: He and others, ICCV (2015)."""
    return rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs))


def glorot(rng, inputs, outputs):
    """Weights (inputs, outputs) from N(0, 2 / (inputs + outputs)), for tanh. Source: Glorot and Bengio (2010)."""
    return rng.normal(0, np.sqrt(2 / (inputs + outputs)), (inputs, outputs))


def mlp(rng, widths, activation=ReLU, initial=he, dtype=np.float64):
    """A Network of Dense layers of these widths, inputs first, biases zero, with an activation between layers.

    Raises ValueError for fewer than two widths or a width below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths {widths}: at least two are needed, each at least 1.")
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [Dense(initial(rng, inputs, outputs).astype(dtype), np.zeros(outputs, dtype)), activation()]
    return Network(layers[:-1])


def train_epoch(network, loss, X, y, rng, learning_rate, momentum=0.0, batch_size=32):
    """Train once on every example, in random order, in batches of `batch_size`; the last one may be smaller.

    Args:
        network, loss, rng: a Network, one of the losses above, and a numpy.random.Generator that shuffles.
        X, y: (n, d), and what the loss takes for n examples.

    Returns:
        float, the mean loss of the examples, each measured before the step its batch was used for.

    Raises:
        ValueError: X and y of different lengths or empty, or a batch size below 1.
    """
    if len(X) != len(y) or not len(X) or batch_size < 1:
        raise ValueError(f"{len(X)} examples, {len(y)} targets, batches of {batch_size}.")
    order, total = rng.permutation(len(X)), 0.0
    for first in range(0, len(X), batch_size):
        rows = order[first : first + batch_size]
        value, G = loss(network.forward(X[rows]), y[rows])
        network.backward(G)
        network.step(learning_rate, momentum)
        total += value * len(rows)
    return total / len(X)
