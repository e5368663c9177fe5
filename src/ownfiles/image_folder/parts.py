"""Parts of a folder: which pictures must stay together is what the reader says; folds, and a test set that stays."""

import csv
import hashlib
import time
from collections import Counter
from pathlib import Path

import numpy as np

from .base import FolderError, shown
from .files import place, say

SEARCH = 5  # seconds that a pattern may take for all paths together


def groups(pictures, pattern="", table=""):
    """A name for each picture: pictures of one name show one object, or are of one photographer, camera or night.

    Args:
        pictures: Pictures.
        pattern: str, a regular expression. What it finds in a path (relative to the folder) names the group:
            "^.*_tile" keeps galaxy/m31_tile_07.jpg and galaxy/m31_tile_08.jpg together. It gets SEARCH seconds for all
            paths: a repeat whose parts can be read in two ways, as in (a|aa)+b, may try more ways than can end.
        table: path of a CSV in UTF-8 with the columns path, as in the manifest, and group; it comes before `pattern`.
            How many of its paths are of no used picture is printed: they may be misspelt.

    Returns:
        (n,) array of str; a picture in which nothing is found, or without a row, is a group of its own.

    Raises:
        FolderError: the pattern is no regular expression, or one that does not come to an end; the table cannot be
            read, names none of the pictures, or puts one picture into two groups.
    """
    each = _found(pattern, pictures.paths) if pattern else {}
    said = _said(table) if table else {}
    if table and not set(said) & set(map(shown, pictures.paths)):
        raise FolderError(
            f"{shown(table)} names none of the pictures; its paths need to look like '{shown(pictures.paths[0])}'."
        )
    if lost := sorted(set(said) - set(map(shown, pictures.paths))):
        say(
            f"{shown(table)}: {len(lost)} of {len(said)} paths are of no picture that is used, such as {shown(lost[0])}"
        )
    # the two letters keep a group's name and a path apart
    names = [f"g {name}" if (name := said.get(shown(path), each.get(path))) else f"p {path}" for path in pictures.paths]
    return np.array(names, dtype=object)


def _found(pattern, paths):
    """{path: what a pattern finds in it, "" for nothing}."""
    import regex  # as `re`, but a search can be given a time

    try:
        wanted = regex.compile(pattern, regex.VERSION0)
    except (regex.error, OverflowError, RecursionError) as error:
        raise FolderError(f"GROUP is {pattern[:80]!r}, which is no regular expression: {error}.") from None
    found, end = {}, time.monotonic() + SEARCH
    for path in paths:
        try:
            match = wanted.search(path, timeout=max(0.001, end - time.monotonic()))
        except TimeoutError:
            raise FolderError(
                f"GROUP is {pattern[:80]!r}, and to look for it took more than {SEARCH} s, at {shown(path)}: a repeat "
                "inside a repeat can be read in too many ways; write a simpler pattern, or name the groups in a table."
            ) from None
        found[path] = match[0] if match else ""
    return found


def _said(table):
    """{path: group} of a CSV."""
    file = Path(place(str(table)))
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            missing = {"path", "group"} - set(rows.fieldnames or ())
            if missing:
                names = [*map(repr, rows.fieldnames or ())]
                seen = ", ".join([*names[:8], "..."] if len(names) > 8 else names) or "nothing"
                raise FolderError(f"{shown(table)} has no column {missing.pop()!r}; its first line has {seen}.")
            said = {}
            for row in rows:
                path, group = row["path"] or "", (row["group"] or "").strip()
                before = said.get(path, "")
                if group and before and group != before:
                    raise FolderError(
                        f"{shown(table)} puts {shown(path)} into two groups, '{shown(before)}' and '{shown(group)}'; "
                        "leave one row."
                    )
                said[path] = before or group  # an empty one says nothing
            return said
    except OSError as error:
        raise FolderError(f"{shown(table)} cannot be read ({error.strerror}); check its spelling.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FolderError(f"{shown(table)} is no CSV in UTF-8 ({error}); save it as one.") from None


def folds(pictures, k, names, seed=0):
    """k pairs (train, test) for cross-validation: each picture is in one test part, pictures of one group in the same.

    Args:
        pictures: Pictures.
        k: int, 2 or more.
        names: (n,) array of str from `groups`.
        seed: int.

    Returns:
        list of k tuples (train, test) of ascending int64 indices into the pictures; the classes are spread as evenly
        as the groups let them.

    Raises:
        FolderError: k is no such number, or a class has fewer groups than there are parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second

    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        raise FolderError(f"FOLDS is {k!r}; it needs to be a whole number of parts, 2 or more.")
    for number, label in enumerate(pictures.classes):
        counts = Counter(names[pictures.labels == number])
        if len(counts) < k:
            (name, most), *_ = counts.most_common(1)
            such = f" ({most} pictures count as one, '{shown(name[2:])}')" if most > 1 else ""
            raise FolderError(
                f"Class '{label}' has {len(counts)} group{'s' * (len(counts) != 1)} for {k} parts, and none may be in "
                f"two{such}; add pictures of other objects, or ask for fewer parts or finer groups."
            )
    dealer = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    return list(dealer.split(pictures.labels, pictures.labels, names))


def split(pictures, shares=(0.7, 0.15, 0.15), names=None, seed=0):
    """Deal the pictures to sides (training, validation, test) by a hash of their files.

    A picture's side depends on its file's bytes alone (on its group's name, if it has one): renamed, moved, scanned at
    another size or among newly added files it stays on its side. So each class is dealt with the same shares, but as
    chance does it: of n pictures a side gets n * share, give or take sqrt(n * share * (1 - share)).

    Args:
        pictures: Pictures.
        shares: the share of each side, floats of sum 1.
        names: (n,) array of str from `groups`; None: each picture is a group of its own.
        seed: int.

    Returns:
        tuple with an int64 array of ascending indices into the pictures for each side.

    Raises:
        FolderError: the shares are none, or a class has no picture on one of the sides.
    """
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise FolderError(f"shares are {tuple(shares)}; they need to be above 0 and have the sum 1.")
    names = groups(pictures) if names is None else names
    keys = [f"object {n[2:]}" if n[0] == "g" else f"file {c}" for n, c in zip(names, pictures.contents, strict=True)]
    digests = [hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "backslashreplace")).digest() for key in keys]
    hashes = [int.from_bytes(digest[:8], "big") / 2**64 for digest in digests]  # in 0..1, as if drawn
    side = np.searchsorted(np.cumsum(shares)[:-1], hashes, side="right")
    for number, label in enumerate(pictures.classes):
        if missing := set(range(len(shares))) - set(side[pictures.labels == number]):
            raise FolderError(
                f"Class '{label}' has no picture on side {min(missing) + 1} of {len(shares)}; give another seed, more "
                "even shares, or add pictures of other objects."
            )
    return tuple(np.flatnonzero(side == number) for number in range(len(shares)))
