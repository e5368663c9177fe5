"""EfficientNet-Lite0, trained on the 1.3 million photographs of ImageNet: a pretrained eye.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019); the Lite variant, for
small devices, has ReLU6 in place of swish and no squeeze-and-excitation. Its blocks are those of Sandler and others,
"MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018). Batch normalization is folded into the convolutions.
Importing this module imports Keras.
"""

import keras
import numpy as np
from keras import layers

from .. import data

# repeats, kernel, stride of the first, expansion, channels: one row a stage
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192)]
STAGES += [(1, 3, 1, 6, 320)]


def block(x, name, kernel, stride, expansion, channels):
    """Inverted residual: widen by 1x1, filter each channel by itself, narrow by 1x1; added to x where shapes allow."""
    z = x
    if expansion > 1:
        z = layers.ReLU(6)(layers.Conv2D(expansion * x.shape[-1], 1, name=f"{name}_expand")(z))
    z = layers.ReLU(6)(layers.DepthwiseConv2D(kernel, stride, "same", name=f"{name}_depthwise")(z))
    z = layers.Conv2D(channels, 1, name=f"{name}_project")(z)
    return layers.Add()([x, z]) if x.shape == z.shape else z


def network(size=224, top=False):
    """The network with its first, random weights.

    Args:
        size: int, pixels a side, 32 or more.
        top: bool, with the classifier of ImageNet's 1000 classes.

    Returns:
        keras.Model: pictures (n, size, size, 3), red, green, blue in 0..255, to features (n, 1280), or with `top` to
        logits (n, 1000).
    """
    pictures = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 128, -127 / 128)(pictures)
    x = layers.ReLU(6)(layers.Conv2D(32, 3, 2, "same", name="stem")(x))
    number = 0
    for repeats, kernel, stride, expansion, channels in STAGES:
        for i in range(repeats):
            x = block(x, f"block{number}", kernel, 1 if i else stride, expansion, channels)
            number += 1
    x = layers.ReLU(6)(layers.Conv2D(1280, 1, name="head")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pictures, layers.Dense(1000, name="top")(x) if top else x)


def load(size=224, top=False):
    """The trained network; arguments and result as for `network`.

    Raises:
        DataError: the weights are missing or changed.
    """
    model = network(size, top)
    with np.load(data.path("efficientnet") / "weights.npz", allow_pickle=False) as file:
        for layer in model.layers:
            if layer.weights:
                layer.set_weights([file[f"{layer.name}.kernel"], file[f"{layer.name}.bias"]])
    return model
