"""What all parts of the package share: the records, the errors, and how names are shown."""

import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

STATUSES = (
    "used",
    "duplicate",
    "two classes",
    "truncated",
    "undecodable",
    "not an image",
    "empty",
    "too small",
    "too large",
    "no permission",
    "unreadable",
    "vanished",
    "link",
    "not a file",
    "hidden",
    "no class",
)


class FolderError(Exception):
    """A folder, file or model that cannot be used; the message says how to mend it, `scan` what was seen (or None)."""

    def __init__(self, message, scan=None):
        super().__init__(message)
        self.scan = scan

    def _render_traceback_(self):  # Jupyter shows this in place of a traceback
        return [f"FolderError: {self}"]


class Bad(Exception):
    """Why one file is not used: (status, a sentence, width, height)."""

    def __init__(self, status, why, width=0, height=0):
        super().__init__(status, why, width, height)


class File(NamedTuple):
    """One file below the folder."""

    path: str  # relative to the folder, with "/"
    label: str  # its class as `shown`, "" if it lies in none
    status: str  # one of STATUSES
    why: str  # what is wrong and, where there is one, the way out; "" if it is used
    note: str  # what is unusual about a used one: turned upright, dropped by Keras
    width: int  # upright, in pixels; 0 if unknown
    height: int
    content: str  # SHA-256 of the pixels training sees, "" if they could not be decoded
    file: str  # SHA-256 of the file's bytes, likewise


class Scan(NamedTuple):
    """What a folder holds."""

    folder: Path
    classes: list  # of str as `shown`, "2" before "10"
    files: list  # of File, class by class and sorted by path in each
    size: int
    pixels: np.ndarray  # (used files, size, size, 3) uint8, read-only; a memory-mapped file if above the budget


class Pictures(NamedTuple):
    """The used pictures of a folder, in the order of the scan."""

    images: np.ndarray  # (n, size, size, 3) uint8, red, green, blue in 0..255; read-only
    labels: np.ndarray  # (n,) int64, index into classes
    classes: list  # of str as `shown`
    paths: list  # of str, relative to the folder
    contents: list  # of str, a hash of each picture's file: the same at every size
    class_weights: dict  # class index -> n / (number of classes * pictures of the class); 1 in the mean over pictures
    majority: float  # share of the largest class: the accuracy of always answering it


class Saved(NamedTuple):
    """A model with what it takes to use it."""

    model: object  # keras.Model
    classes: list  # of str, in the order of the model's outputs
    size: int  # pixels a side that it expects


class Prediction(NamedTuple):
    """What a model says of one file."""

    path: str
    label: str  # the most probable class, "" if the file could not be decoded
    probability: float  # of that class; NaN if not decoded
    probabilities: dict  # class -> probability; empty if not decoded
    why: str  # a sentence if not decoded, else ""


def shown(name):
    r"""A name as it can be printed and written anywhere, and as it stands in every CSV that this package writes.

    Args:
        name: str, bytes or path.

    Returns:
        str: bytes that are not UTF-8, line ends and other control characters are escapes such as \udce9 and \r.
    """
    unfit = ("Cc", "Cs", "Zl", "Zp")
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in unfit else c for c in os.fsdecode(name)
    )


def trouble(error):
    """(status, why) for what the file system refused, given an OSError."""
    if isinstance(error, PermissionError):
        return "no permission", "It may not be read by this user."
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "vanished", "It was there when the folder was listed, and is no longer."
    return "unreadable", f"It cannot be read ({error.strerror})."
