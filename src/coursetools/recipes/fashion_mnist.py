"""Rebuild data/fashion_mnist.npz: 20,000 training and 10,000 test images, from Debian's dataset-fashion-mnist."""

import gzip

import numpy as np
from coursetools.recipes import packages

PACKAGE = packages.apt(
    "dataset-fashion-mnist=0.0~git20200523.55506a9-1",
    "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)
FOLDER = "usr/share/datasets/fashion-mnist/"
COPYRIGHT = "usr/share/doc/dataset-fashion-mnist/copyright"
TRAIN = 20_000


def idx(content):
    """The uint8 array in an IDX file: bytes 0 0 8, the number of axes, each length as four big-endian bytes, data."""
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"not an IDX file of bytes: it starts with {content[:4]!r}")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def build(package):
    """{path: bytes} of the set; its licence is the package's copyright file as it is."""
    files = packages.members(package, lambda name: name.startswith(FOLDER) or name == COPYRIGHT)
    parts = {}
    for part, file in (("train", "train"), ("test", "t10k")):
        for letter, kind in (("x", "images-idx3"), ("y", "labels-idx1")):
            parts[f"{letter}_{part}"] = idx(gzip.decompress(files[f"{FOLDER}{file}-{kind}-ubyte.gz"]))
    parts |= {name: parts[name][:TRAIN] for name in ("x_train", "y_train")}
    print(f"fashion_mnist: packing {TRAIN + len(parts['x_test']):,} images", flush=True)
    return {"fashion_mnist.npz": packages.npz(**parts), "fashion_mnist.LICENSE.txt": files[COPYRIGHT]}


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    files = build(packages.fetch(PACKAGE, "fashion_mnist", options.given))
    raise SystemExit(packages.compare_and_write("fashion_mnist", files, options.write) > 0)
