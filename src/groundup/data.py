"""Real data by name, from the checkout; every file is compared with its SHA-256 before it is used.

    x, y = data.load("mnist").train

data/README.md says of each set where it comes from, whose it is and what is wrong with it. The environment variable
GROUNDUP_DATA may name another folder of the same layout. `python -m groundup.data` checks every file.
"""

import csv
import difflib
import functools
import gzip
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

DIGITS = [str(digit) for digit in range(10)]
CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
NOVELS = {
    "Emma": "emma",
    "Mansfield Park": "mansfieldpark",
    "Northanger Abbey": "northangerabbey",
    "Persuasion": "persuasion",
    "Pride and Prejudice": "prideprejudice",
    "Sense and Sensibility": "sensesensibility",
}


class DataError(Exception):
    """A data set that is unknown, incomplete or changed; the message says how to mend it."""


class Images(NamedTuple):
    """Grey pictures; train and test are (x, y): x (n, 28, 28) uint8 in 0..255, y (n,) int64, index into classes."""

    train: tuple
    test: tuple
    classes: list


class Penguins(NamedTuple):
    """344 penguins, a column each of shape (344,): measures float64 (NaN if missing), words str ("" if missing)."""

    species: np.ndarray
    island: np.ndarray
    bill_length_mm: np.ndarray
    bill_depth_mm: np.ndarray
    flipper_length_mm: np.ndarray
    body_mass_g: np.ndarray
    sex: np.ndarray
    year: np.ndarray  # int64


class DeepSky(NamedTuple):
    """350 colour photographs, sorted by path."""

    images: np.ndarray  # (350, 150, 150, 3) uint8, red, green, blue in 0..255
    labels: np.ndarray  # (350,) int64, index into classes
    classes: list  # of str: galaxy, nebula, star_cluster
    paths: list  # of str, relative to path("deep_sky"), such as "galaxy/ic10.jpg"
    photographers: list  # of str: a person or an institution; the full credit is in attribution.csv
    telescopes: list  # of str: telescope, observatory or survey; "" where the credit names none


class Sentences(NamedTuple):
    """Sentences in the order of their file, and the mean of what 15 to 99 people felt in each: -4 (bad) to 4 (good)."""

    texts: list  # of str
    ratings: np.ndarray  # (n,) float64


class Reviews(NamedTuple):
    """Rated sentences from four kinds of text."""

    movies: Sentences
    amazon: Sentences
    newspapers: Sentences
    tweets: Sentences


class Questions(NamedTuple):
    """Questions written for the course, with the answers that count as right: str of alternatives joined by |."""

    answers: list  # of dict: kind, question, answers, and wrong, what a right answer must not name ("" if anything may)
    course: list  # of dict: chapter, section (its heading), question, answers


def load(name):
    """A data set by its name.

    Args:
        name: "adult", "austen", "deep_sky", "fashion_mnist", "mnist", "movie_reviews", "penguins" or "questions".

    Returns:
        Images (mnist, fashion_mnist), Penguins, DeepSky, Reviews, Questions, or a dict: for austen, name of a novel ->
        its text; for adult, name of a column -> (48842,) int64 or str, "" where a word is missing.

    Raises:
        DataError: no such set, or a file of it is missing or changed; the message says how to mend it.
    """
    if not isinstance(name, str) or name not in LOADERS:
        near = difflib.get_close_matches(str(name), LOADERS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise DataError(f"There is no data set {name!r}{hint} There are: {', '.join(sorted(LOADERS))}.")
    return LOADERS[name](path(name))


def folder():
    """pathlib.Path of the data folder: GROUNDUP_DATA if that is set, else data/ of the repository."""
    return Path(os.environ.get("GROUNDUP_DATA") or Path(__file__).resolve().parents[2] / "data")


def path(name):
    """pathlib.Path of a set's file or folder, after all its files were compared with the manifest.

    Raises:
        DataError: a set that the manifest does not know, or a file that is missing or changed.
    """
    manifest = _manifest()
    if name not in manifest:
        raise DataError(f"{folder() / 'MANIFEST.json'} knows no {name!r}, only: {', '.join(sorted(manifest))}.")
    about = manifest[name]
    if faults := _faults(about):
        file, *others = faults
        more, mend = (f" (and {len(others)} more)", "") if others else ("", file)
        raise DataError(
            f"{name}: {faults[file]}{more}. To mend it: `git checkout -- data/{mend}`, or "
            f"`python {about['recipe']} --write`. The data folder is {folder()}."
        )
    return folder() / about["path"]


def _manifest():
    """The dict in MANIFEST.json: set name -> path, licence, credit, source, recipe, and files with their hashes."""
    file = folder() / "MANIFEST.json"
    mend = "To mend it: `git checkout -- data/MANIFEST.json`, or let GROUNDUP_DATA name a data folder."
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        if not manifest:
            raise ValueError("it names no data set")
        for about in manifest.values():
            _ = about["path"], about["recipe"]
            _ = [(facts["bytes"], facts["sha256"]) for facts in about["files"].values()]
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}). {mend}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is broken ({type(error).__name__}: {error}). {mend}") from None
    return manifest


def _faults(about):
    """What is wrong with the files of a set, as a dict: file -> words; empty if each has the SHA-256 it should."""
    faults = {}
    for name, facts in about["files"].items():
        file, wanted = folder() / name, facts["sha256"]
        try:
            state = file.stat()
            seen = _sha256(file, state.st_size, state.st_mtime_ns)
        except OSError as error:
            faults[name] = f"{name} cannot be read ({error.strerror})"
        else:
            if seen != wanted:
                faults[name] = f"{name} was changed: its SHA-256 is {seen[:12]}…, it should be {wanted[:12]}…"
    return faults


@functools.cache
def _sha256(file, size, changed):
    """SHA-256 of a file as hexadecimal digits, computed once as long as its size and its time of change stay."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _adult(file):
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        names, *rows = csv.reader(lines)
    columns = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    return {name: c.astype(np.int64) if np.char.isdigit(c).all() else c for name, c in columns.items()}


def _images(file, classes):
    with np.load(file, allow_pickle=False) as arrays:
        train, test = [(arrays[f"x_{part}"], arrays[f"y_{part}"].astype(np.int64)) for part in ("train", "test")]
    return Images(train, test, list(classes))


def _penguins(file):
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = {name: ["" if row[name] == "NA" else row[name] for row in rows] for name in Penguins._fields}
    kinds = {"species": str, "island": str, "sex": str, "year": np.int64}
    return Penguins(
        **{
            name: np.array(column, dtype=kinds[name])
            if name in kinds
            else np.array([float(value or "nan") for value in column])
            for name, column in columns.items()
        }
    )


def _deep_sky(root):
    from PIL import Image

    with (root / "attribution.csv").open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["path"])
    paths, images = [row["path"] for row in rows], []
    for name in paths:
        with Image.open(root / name) as image:
            images.append(np.asarray(image.convert("RGB")))
    kinds = [name.split("/")[0] for name in paths]
    classes = sorted(set(kinds))
    labels = np.array([classes.index(kind) for kind in kinds], dtype=np.int64)
    by_hand = [[row[column] for row in rows] for column in ("photographer", "telescope")]
    return DeepSky(np.stack(images), labels, classes, paths, *by_hand)


def _questions(root):
    tables = []
    for name in Questions._fields:
        with (root / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            tables.append(list(csv.DictReader(lines)))
    return Questions(*tables)


def _sentences(file):
    lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = [line.split("\t") for line in lines]  # id, rating, sentence
    return Sentences([row[2] for row in rows], np.array([float(row[1]) for row in rows]))


LOADERS = {
    "adult": _adult,
    "austen": lambda root: {name: (root / f"{file}.txt").read_text(encoding="utf-8") for name, file in NOVELS.items()},
    "deep_sky": _deep_sky,
    "fashion_mnist": lambda file: _images(file, CLOTHES),
    "mnist": lambda file: _images(file, DIGITS),
    "movie_reviews": lambda root: Reviews(*[_sentences(root / f"{kind}.tsv") for kind in Reviews._fields]),
    "penguins": _penguins,
    "questions": _questions,
}


def load_all_fashion_mnist():
    """All 70,000 images of Fashion-MNIST, of which the checkout holds 30,000; this needs a network the first time.

    Keras fetches 31 MB and keeps them in its own folder (KERAS_HOME, or ~/.keras). The first 20,000 training images and
    all test images are then compared with those of the checkout.

    Returns:
        Images with 60,000 training and 10,000 test images.

    Raises:
        DataError: they cannot be fetched, or are not the images they should be.
    """
    ours = load("fashion_mnist")
    try:
        from keras.datasets import fashion_mnist

        (x, y), test = fashion_mnist.load_data()
    except Exception as error:  # keras.utils.get_file raises a bare Exception where there is no network
        raise DataError(
            f"Fashion-MNIST cannot be fetched ({error}). Without a network use load('fashion_mnist'): "
            "20,000 training and 10,000 test images."
        ) from error
    part = len(ours.train[0])
    pairs = zip((x[:part], y[:part], *test), (*ours.train, *ours.test), strict=True)
    if x.shape != (60000, 28, 28) or not all(np.array_equal(seen, wanted) for seen, wanted in pairs):
        raise DataError("Keras fetched other images than Fashion-MNIST's. Delete them in its folder and try again.")
    return Images((x, y.astype(np.int64)), ours.test, ours.classes)


def verify():
    """Compare every file in the data folder with the manifest and print one line a set, and one for each bad file.

    Returns:
        int, the number of bad files: missing, changed, or unknown to the manifest (README.md and names that start with
        a dot are not data).
    """
    manifest, root = _manifest(), folder()
    bad = 0
    for name, about in sorted(manifest.items()):
        faults = _faults(about).values()
        size = sum(facts["bytes"] for facts in about["files"].values()) / 1e6
        verdict = "BAD" if faults else "ok "
        print(f"{verdict} {name}: {len(about['files'])} file(s), {size:.2f} MB", *faults, sep="\n    ")
        bad += len(faults)
    known = {file for about in manifest.values() for file in about["files"]} | {"MANIFEST.json", "README.md"}
    seen = [file.relative_to(root) for file in sorted(root.rglob("*")) if file.is_file()]
    unknown = [
        file.as_posix()
        for file in seen
        if file.as_posix() not in known and not any(part.startswith(".") for part in file.parts)
    ]
    if unknown:
        print("BAD files that MANIFEST.json does not know", *unknown, sep="\n    ")
    return bad + len(unknown)


if __name__ == "__main__":
    try:
        sys.exit(verify() > 0)
    except DataError as error:
        sys.exit(str(error))
