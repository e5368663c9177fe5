"""The NumPy network of chapter 02, as far as later chapters use it: layers that go forward and backward, and a loss.

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


class ReLU:
    """max(0, z), for any shape. Its derivative is 1 above zero and 0 below; at zero we take 0, as TensorFlow does."""

    def forward(self, Z):
        self.on = Z > 0
        return np.maximum(Z, 0)

    def backward(self, G):
        return G * self.on


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


def mlp(rng, widths, dtype=np.float64):
    """A Network of Dense layers of these widths, inputs first, biases zero, with a ReLU between layers.

    Raises ValueError for fewer than two widths or a width below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths {widths}: at least two are needed, each at least 1.")
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [Dense(he(rng, inputs, outputs).astype(dtype), np.zeros(outputs, dtype)), ReLU()]
    return Network(layers[:-1])
