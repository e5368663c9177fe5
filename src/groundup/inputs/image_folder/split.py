"""Sides and folds of pictures that share nothing: each object on one side, each class on all."""

import hashlib
import os
import re
from collections import Counter

import numpy as np

from .base import FolderError, Scan, shown
from .files import say
from .scan import load

PIECE = re.compile(
    r"(?P<object>.*?[^ _.-])(?P<gap>[ _.-]+)(?P<mark>tile|patch|crop|aug)[\d _.x-]*", re.IGNORECASE | re.DOTALL
)
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def tiles(path):
    """The object that a tile shows, by its name: "galaxy/m31_tile_07.jpg" -> "galaxy/m31"; "" if the name says nothing.

    A tile's name is that of its object, which ends in a digit, then one of the marks tile, patch, crop and aug (for
    augmented), then numbers of its own or none: m31_tile_07, IMG_0042-crop-3x4, 7_aug. The digit before the mark tells
    it from a word of the subject, as in wheat_crop_12, slide_patch_3 and bathroom_tile_07: those are objects of their
    own. So are photographs with a bare number (IMG_001.jpg), and with a date: aug counts only after an underscore, and
    not in a name with a year.
    """
    return _piece(path)[0]


def _piece(path):
    """(the object or "", whether the name has a mark all the same) of a picture."""
    inside, _, name = path.rpartition("/")
    name = os.path.splitext(name)[0]
    match = PIECE.fullmatch(name)
    if not match or (match["mark"].lower() == "aug" and (match["gap"] != "_" or YEAR.search(name))):
        return "", False
    if not match["object"][-1].isdigit():
        return "", True
    return f"{inside}/{match['object']}", True


def _objects(paths):
    """The object of each picture by its name alone: that of `tiles`, whose whole picture belongs to it; else ""."""
    pieces = [_piece(path) for path in paths]
    objects = {name for name, _ in pieces}
    if unsure := [path for path, (name, marked) in zip(paths, pieces, strict=True) if marked and not name]:
        say(
            f"Pictures with names such as {shown(unsure[0])} ({len(unsure)}) count as objects of their own. If they "
            "are pieces of others, give `group`, or end the whole picture's name in a number, as in m31_tile_07."
        )
    wholes = [os.path.splitext(path)[0] for path in paths]
    return [name or (whole if whole in objects else "") for (name, _), whole in zip(pieces, wholes, strict=True)]


def split(pictures, shares=(0.7, 0.15, 0.15), *, group=None, seed=0):
    """Deal the pictures to sides (training, validation, test) by a hash of their files.

    A picture's side depends on its file's bytes alone (on its object's name, if it has one): renamed, moved, scanned at
    another size or among newly added files it stays on its side. So each class is dealt with the same shares, but as
    chance does it: of n pictures a side gets n * share, give or take sqrt(n * share * (1 - share)). Where a class would
    have no picture on a side, as happens to small ones, that class is dealt with the next seed that mends it; only such
    a class may be dealt anew when it grows. Classes that share objects are dealt together.

    Args:
        pictures: Pictures or Scan.
        shares: the share of each side, floats of sum 1.
        group: function of a path relative to the folder to the name of the object it shows, or photographer, or
            night: pictures of one name are never on two sides. A picture with the name "" is its own object.
            None: `tiles`, and the picture m31.jpg goes where its tiles go.
        seed: int.

    Returns:
        tuple with an int64 array of ascending indices into the pictures for each side.

    Raises:
        FolderError: a class has too few objects to be on each side.
    """
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise FolderError(f"shares are {tuple(shares)}; they need to be above 0 and have the sum 1.")
    edges = np.cumsum(shares)[:-1]

    def deal(sizes, hashes, totals):
        return np.searchsorted(edges, hashes, side="right")

    sides = _dealt(pictures, len(shares), group, seed, deal)
    return tuple(np.flatnonzero(sides == side) for side in range(len(shares)))


def folds(pictures, k=5, *, group=None, seed=0):
    """k pairs (train, test) for cross-validation: each picture is in one test part, pictures of one object in the same.

    Each class is spread evenly: where each picture is its own object, a class's numbers differ by one at most between
    test parts. That needs to know all pictures, so unlike the sides of `split` the folds change when files are added.

    Args:
        pictures: Pictures or Scan.
        k: int, 2 or more.
        group, seed: as in `split`.

    Returns:
        list of k tuples (train, test) of ascending int64 indices into the pictures.

    Raises:
        FolderError: a class has too few objects to be in each test part.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        raise FolderError(f"k is {k!r}; it needs to be a whole number of folds, 2 or more.")

    def deal(sizes, hashes, totals):
        """Large objects first, class by class, each to the fold where it makes the classes least uneven."""
        filled, fold = np.zeros((k, sizes.shape[1])), np.empty(len(sizes), dtype=np.int64)
        weights = 1 / np.maximum(1, sizes.sum(axis=0))
        for i in np.lexsort((hashes, sizes.argmax(axis=1), -sizes.sum(axis=1))):
            cost = ((2 * filled + sizes[i]) * sizes[i] * weights).sum(axis=1)
            fold[i] = np.lexsort((totals + filled.sum(axis=1), cost.round(9)))[0]
            filled[fold[i]] += sizes[i]
        return fold

    parts = _dealt(pictures, k, group, seed, deal)
    return [(np.flatnonzero(parts != part), np.flatnonzero(parts == part)) for part in range(k)]


def _hash(seed, name):
    """A number in 0..1 that looks random."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _dealt(pictures, parts, group, seed, deal):
    """The part of each picture, (n,) int64, so that every class is in every part.

    deal: function of sizes (pictures of each object in each class), hashes (of each object) and totals (pictures that
    each part has so far) to the part of each object.
    """
    pictures = load(pictures) if isinstance(pictures, Scan) else pictures
    given = _objects(pictures.paths) if group is None else [str(group(path) or "") for path in pictures.paths]
    names = [
        f"object {name}" if name else f"file {content}" for name, content in zip(given, pictures.contents, strict=True)
    ]
    objects, members = np.unique(np.array(names, dtype=object), return_inverse=True)
    sizes = np.zeros((len(objects), len(pictures.classes)))
    np.add.at(sizes, (members, pictures.labels), 1)
    seen = sizes > 0
    for label, number in zip(pictures.classes, seen.sum(axis=0), strict=True):
        if number < parts:
            noun = "object" if number == 1 else "objects"
            raise FolderError(
                f"Class '{label}' has {number} {noun} for {parts} parts, and none may be in two"
                f"{_grouped(pictures, label, given)}; add pictures of other objects, or ask for fewer parts."
            )
    component = np.arange(len(pictures.classes))  # classes that share objects get one number and are dealt together
    for linked in seen[seen.sum(axis=1) > 1]:
        component[np.isin(component, component[linked])] = component[linked].min()
    result, totals = np.zeros(len(objects), dtype=np.int64), np.zeros(parts)
    for number in np.unique(component):
        classes = np.flatnonzero(component == number)
        inside = np.flatnonzero(seen[:, classes].any(axis=1))
        for attempt in range(1000):
            hashes = [_hash(f"{seed}.{attempt}" if attempt else seed, objects[i]) for i in inside]
            result[inside] = deal(sizes[inside], hashes, totals)
            if all(seen[inside][result[inside] == part][:, classes].any(axis=0).all() for part in range(parts)):
                break
        else:
            few = "' and '".join(pictures.classes[label] for label in classes)
            raise FolderError(
                f"None of 1,000 ways to deal class '{few}' has it in all {parts} parts; add pictures of "
                "other objects, ask for fewer or more even parts, or give a finer group."
            )
        totals += np.bincount(result[inside], sizes[inside].sum(axis=1), minlength=parts)
    return result[members]


def _grouped(pictures, label, names):
    """Which pictures of a class count as one object, in words; "" if each is its own."""
    wanted = pictures.classes.index(label)
    those = [(name, path) for name, path, k in zip(names, pictures.paths, pictures.labels, strict=True) if k == wanted]
    counts = Counter(name for name, _ in those if name)
    if not counts or max(counts.values()) < 2:
        return ""
    name, number = counts.most_common(1)[0]
    path = next(path for other, path in those if other == name)
    return f" ({number} pictures such as {shown(path)} count as one, '{shown(name)}'; `group` can say otherwise)"
