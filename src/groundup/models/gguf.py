"""Reads GGUF, the file format of quantized language models, and turns its four- and eight-bit blocks into numbers.

    file = gguf.parse(Path("model.gguf").read_bytes())
    file.metadata["llama.block_count"], gguf.dequantize(file.tensors["blk.0.attn_q.weight"])

Taken apart in notebooks/12. A file from anywhere may lie about its own lengths: each is compared with the bytes that
are there before anything is made of it, and no content is ever run. Layout: ggml's docs/gguf.md, version 3.
"""

import struct
from math import prod
from typing import NamedTuple

import numpy as np

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # type -> struct
TEXT, ARRAY = 8, 9
BLOCKS = {"F32": (1, 4), "Q4_1": (32, 20), "Q8_0": (32, 34)}  # kind -> numbers in a block, its bytes
KINDS = {0: "F32", 3: "Q4_1", 8: "Q8_0"}


class GgufError(RuntimeError):
    """A file that is no GGUF, is cut short, or holds what is not read here; the message says which."""


class Tensor(NamedTuple):
    """An array as it lies in the file."""

    shape: tuple  # of int, as in NumPy: the last axis is contiguous
    kind: str  # a key of BLOCKS
    raw: np.ndarray  # (blocks, bytes of a block) uint8


class File(NamedTuple):
    """What a GGUF file holds."""

    metadata: dict  # str -> number, str, or list of these
    tensors: dict  # str -> Tensor


class _Cursor:
    """Reads one value after another, and never past the end."""

    def __init__(self, content):
        self.content, self.at = memoryview(content), 0

    def take(self, size):
        if size > (left := len(self.content) - self.at):
            raise GgufError(f"At byte {self.at} the file announces {size:,} bytes more, and has {left:,}.")
        self.at += size
        return self.content[self.at - size : self.at]

    def number(self, code):
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self):
        try:
            return str(self.take(self.number("Q")), "utf-8")
        except UnicodeDecodeError:
            raise GgufError(f"Before byte {self.at} stands a text that is not UTF-8.") from None

    def value(self, kind, inside=False):
        """One value of the metadata; an array becomes a list, and may not hold arrays."""
        if kind in NUMBERS:
            return self.number(NUMBERS[kind])
        if kind == TEXT:
            return self.text()
        if kind != ARRAY or inside:
            raise GgufError(f"Before byte {self.at} stands a value of type {kind}, which is not read here.")
        kind, count = self.number("I"), self.number("Q")
        if kind in NUMBERS:  # all at once, for lists of thousands
            code = "<" + NUMBERS[kind]
            return [each for (each,) in struct.iter_unpack(code, self.take(count * struct.calcsize(code)))]
        if count * 8 > len(self.content) - self.at:  # a text takes at least its length
            raise GgufError(f"At byte {self.at} a list of {count:,} is announced, and the file is too short for it.")
        return [self.value(kind, inside=True) for _ in range(count)]


def parse(content):
    """Read a GGUF file of version 3 with tensors in F32, Q4_1 and Q8_0.

    Args:
        content: bytes of the file. The tensors are views into them, not copies.

    Returns:
        File.

    Raises:
        GgufError: not such a file, cut short, or a length, offset, name or type in it that cannot be.
    """
    cursor = _Cursor(content)
    if cursor.take(min(4, len(cursor.content))) != b"GGUF":
        raise GgufError("This is no GGUF file: it does not begin with these four letters.")
    version, count, pairs = cursor.number("I"), cursor.number("Q"), cursor.number("Q")
    if version != 3:
        raise GgufError(f"This file is GGUF of version {version}; version 3 is read here.")
    metadata, places = {}, {}
    for _ in range(pairs):
        _add(metadata, cursor.text(), cursor.value(cursor.number("I")))
    for _ in range(count):
        name, axes = cursor.text(), cursor.number("I")
        shape = tuple(cursor.number("Q") for _ in range(min(axes, 4)))[::-1]
        kind, offset = cursor.number("I"), cursor.number("Q")
        if not 1 <= axes <= 4 or kind not in KINDS or shape[-1] % BLOCKS[KINDS[kind]][0]:
            raise GgufError(f"The tensor {name[:40]!r} has {axes} axes, {shape}, and type {kind}: not read here.")
        _add(places, name, (shape, KINDS[kind], offset))
    grid = metadata.get("general.alignment", 32)
    if type(grid) is not int or not 8 <= grid <= 4096 or grid % 8:
        raise GgufError(f"Tensors on multiples of {str(grid)[:40]} bytes: not read here.")
    start = -(-cursor.at // grid) * grid
    tensors = {}
    for name, (shape, kind, offset) in places.items():
        numbers, size = BLOCKS[kind]
        cursor.at, blocks = min(start + offset, len(cursor.content)), prod(shape) // numbers
        if offset % grid:
            raise GgufError(f"The tensor {name[:40]!r} begins at {offset}, which is no multiple of {grid}.")
        tensors[name] = Tensor(shape, kind, np.frombuffer(cursor.take(blocks * size), np.uint8).reshape(blocks, size))
    return File(metadata, tensors)


def _add(names, name, value):
    if name in names:
        raise GgufError(f"The name {name[:40]!r} stands in the file twice.")
    names[name] = value


def dequantize(tensor):
    """The numbers of a Tensor, float32, in its shape.

    Q8_0: a scale d (float16) and 32 signed bytes q, the number is d q. Q4_1: d and a minimum m (float16), then 16 bytes
    with 32 values q of 0 to 15, those of the low halves first; the number is d q + m.
    """
    raw = tensor.raw
    if tensor.kind == "F32":
        return raw.view("<f4").reshape(tensor.shape)
    d = raw[:, :2].copy().view("<f2").astype(np.float32)
    if tensor.kind == "Q8_0":
        return (d * raw[:, 2:].view(np.int8)).reshape(tensor.shape)
    m, pairs = raw[:, 2:4].copy().view("<f2").astype(np.float32), raw[:, 4:]
    return (d * np.concatenate([pairs & 15, pairs >> 4], axis=1) + m).reshape(tensor.shape)
