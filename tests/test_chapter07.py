"""Chapter 07 with DATASET = "cifar10": from a small archive of the true format, and where there is none."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from groundup import check, data

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "07_resnet.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
SMALL = {
    "DATASET": "cifar10",
    "IMAGES": 500,
    "DEPTH_IMAGES": 100,
    "DEPTH_EPOCHS": 1,
    "EPOCHS": 1,
    "LONG_EPOCHS": 1,
    "SPLITS": 2,
    "SKY_EPOCHS": 1,
}

# Keras compares the archive with the SHA-256 of the true one, which ours is not; everything after that is Keras' own.
# Without compiled graphs a few steps are much faster.
PRELUDE = """
import os
os.environ["MPLBACKEND"] = "agg"
from groundup import session
session.start(seed=7)
import keras, tensorflow as tf
from keras.src.utils import file_utils
asked = []
file_utils.validate_file = lambda path, digest, **_: asked.append(digest) or True
tf.config.run_functions_eagerly(True)
"""


class Python2(pickle._Pickler):
    """Pickles bytes as Python 2 did, which wrote the true archive."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_bytes(self, content):
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(content)

    dispatch[bytes] = save_bytes


def batch(x, y):
    """A file of the archive: a pickled dict with rows of 3072 bytes, red, green and blue one after another."""
    rows = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).reshape(len(x), 3072)
    written = io.BytesIO()
    Python2(written, protocol=2).dump({b"batch_label": b"one of 6", b"labels": y.tolist(), b"data": rows})
    return written.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture(scope="module")
def keras_home(tmp_path_factory):
    """A folder where Keras finds an archive named and built as CIFAR-10's, with 6 times 10,000 pictures of clothes."""
    home = tmp_path_factory.mktemp("keras home")
    (home / "datasets").mkdir()
    grey, y = (part[:10_000] for part in data.load("fashion_mnist").train)
    wide = np.pad(grey, ((0, 0), (2, 2), (2, 2)))
    x = np.stack([wide, 255 - wide, wide // 2], axis=-1)  # red, green, blue
    with tarfile.open(home / "datasets" / "cifar-10-batches-py-target_archive", "w:gz", compresslevel=0) as archive:
        content = batch(x, y)
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return home


def run(code, home):
    """Run a program with that Keras folder and no network; returns the finished process."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    kept = {k: v for k, v in os.environ.items() if k not in ("GROUNDUP_CLAIMS", "no_proxy", "NO_PROXY")}
    env = {**kept, **proxies, "KERAS_HOME": str(home)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=900)


def source(until=None):
    """The chapter as a program, with small parameters; up to the first cell that contains the words."""
    parts = []
    for cell in CELLS:
        text = "".join(cell["source"])
        if until and until in text:
            return "\n\n".join(parts)
        parts.append(text)
        if "parameters" in cell["metadata"].get("tags", []):
            parts += [f"{name} = {value!r}" for name, value in SMALL.items()]
    return "\n\n".join(parts)


LOADER = "(x_all, y_all), test = load_pictures(DATASET)"


def test_cifar10_is_read_through_keras(keras_home):
    code = (
        PRELUDE
        + source(until=LOADER)
        + """
(x, y), (x_test, y_test) = load_pictures(DATASET)
assert x.shape == (50_000, 32, 32, 3) and x_test.shape == (10_000, 32, 32, 3) and x.dtype == "uint8"
assert y.shape == (50_000,) and y_test.shape == (10_000,) and y.dtype == "int64"
grey, kinds = data.load("fashion_mnist").train
for images, labels in ((x[:10_000], y[:10_000]), (x_test, y_test)):
    assert (labels == kinds[:10_000]).all()
    inner = images[:, 2:-2, 2:-2]
    for channel, wanted in enumerate((grey[:10_000], 255 - grey[:10_000], grey[:10_000] // 2)):
        assert (inner[..., channel] == wanted).all()
assert asked == ["6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"], asked
"""
    )
    done = run(code, keras_home)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_whole_chapter_runs_on_it(keras_home):
    done = run(PRELUDE + source(), keras_home)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "--  test accuracy of the small ResNet: " in done.stdout
    assert "not claimed on this data" in done.stdout
    assert "ok  number of test images is 10000" in done.stdout


def test_without_file_and_network_one_sentence_says_the_way_out(tmp_path):
    done = run(source(until=LOADER) + "\n\nload_pictures(DATASET)\n", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("groundup.data.DataError: CIFAR-10 cannot be fetched (")
    assert last.endswith("Connect once, Keras keeps it; or leave DATASET at 'fashion_mnist'.")


def test_another_file_than_the_true_one_is_not_opened(keras_home):
    done = run(source(until=LOADER) + "\n\nload_pictures(DATASET)\n", keras_home)
    assert done.returncode == 1  # its SHA-256 is wrong, so Keras fetches it anew, and cannot
    assert "DataError: CIFAR-10 cannot be fetched (" in done.stderr


def test_other_names_are_refused():
    space = {"check": check, "data": data, "DATASET": "fashion_mnist"}
    exec(next(text for cell in CELLS if "def load_pictures" in (text := "".join(cell["source"]))), space)
    with pytest.raises(ValueError, match="DATASET is 'imagenet': it can be 'fashion_mnist' or 'cifar10'"):
        space["load_pictures"]("imagenet")
