"""groundup.models.gguf: a small file is read as it was written, every lie in one is refused, and blocks are decoded."""

import re
import struct
import tracemalloc

import numpy as np
import pytest
from groundup.models import gguf


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def fact(name, kind, content):
    return text(name) + struct.pack("<I", kind) + content


def tensor(name, shape, kind, offset):
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, offset)


FACTS = [
    fact("a.count", 4, struct.pack("<I", 7)),
    fact("a.name", 8, text("übung")),
    fact("a.words", 9, struct.pack("<IQ", 8, 2) + text("x") + text("")),
    fact("a.numbers", 9, struct.pack("<IQ3h", 3, 3, 1, -2, 3)),
    fact("a.yes", 7, b"\x01"),
]
Q8 = struct.pack("<e32b", 0.5, *range(-16, 16))
Q4 = struct.pack("<2e16B", 0.25, -1.0, *(i | (15 - i) << 4 for i in range(16)))
PLACES = [tensor("f", (2, 3), 0, 0), tensor("q8", (1, 32), 8, 32), tensor("q4", (2, 32), 3, 96)]
DATA = np.arange(6, dtype="<f4").tobytes().ljust(32, b"\0") + Q8.ljust(64, b"\0") + 2 * Q4


def written(facts=FACTS, places=PLACES, data=DATA, magic=b"GGUF", version=3, counts=None):
    head = magic + struct.pack("<IQQ", version, *(counts or (len(places), len(facts)))) + b"".join(facts + places)
    return head + b"\0" * (-len(head) % 32) + data


def test_what_was_written_is_read():
    file = gguf.parse(written())
    assert file.metadata == {
        "a.count": 7,
        "a.name": "übung",
        "a.words": ["x", ""],
        "a.numbers": [1, -2, 3],
        "a.yes": True,
    }
    np.testing.assert_array_equal(gguf.dequantize(file.tensors["f"]), np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(gguf.dequantize(file.tensors["q8"]), [0.5 * np.arange(-16, 16)])
    expected = 0.25 * np.array([*range(16), *range(15, -1, -1)]) - 1
    np.testing.assert_array_equal(gguf.dequantize(file.tensors["q4"]), [expected, expected])


HUGE = struct.pack("<Q", 2**62)
LIES = {
    "no GGUF": (written(magic=b"GGML"), "is no GGUF file"),
    "empty": (b"", "is no GGUF file"),
    "another version": (written(version=2), "of version 2"),
    "more facts than bytes": (written(counts=(0, 2**62)), "announces|type"),
    "more tensors than bytes": (written(counts=(2**62, 5)), "announces|axes|not UTF-8"),
    "a name of 2**62 letters": (written([HUGE + b"x"]), "announces"),
    "a text of 2**62 letters": (written([fact("a", 8, HUGE)]), "announces"),
    "a list of 2**62 numbers": (written([fact("a", 9, struct.pack("<I", 4) + HUGE)]), "announces"),
    "a list of 2**62 texts": (written([fact("a", 9, struct.pack("<I", 8) + HUGE)]), "too short for it"),
    "a list of lists": (written([fact("a", 9, struct.pack("<IQ", 9, 1))]), "type 9, which is not read"),
    "a type that there is not": (written([fact("a", 13, b"")]), "type 13, which is not read"),
    "no UTF-8": (written([struct.pack("<Q", 1) + b"\xff" + struct.pack("<IB", 0, 1)]), "not UTF-8"),
    "a fact twice": (written(FACTS[:1] * 2), "'a.count' stands in the file twice"),
    "a tensor twice": (written(places=PLACES[:1] * 2), "'f' stands in the file twice"),
    "no axes": (written(places=[tensor("f", (), 0, 0)]), "0 axes"),
    "five axes": (written(places=[tensor("f", (1,) * 5, 0, 0)]), "5 axes"),
    "2**32 - 1 axes": (written(places=[text("f") + struct.pack("<I", 2**32 - 1)]), "axes|announces"),
    "a kind that is not read": (written(places=[tensor("f", (32,), 2, 0)]), "type 2: not read"),
    "half a block": (written(places=[tensor("q", (2, 16), 8, 0)]), "not read here"),
    "larger than the file": (written(places=[tensor("f", (2**62, 2**62), 0, 0)]), "announces"),
    "beyond the end": (written(places=[tensor("f", (2,), 0, 2**62)]), "announces"),
    "between the multiples": (written(places=[tensor("f", (2,), 0, 4)]), "no multiple of 32"),
    "a grid of 0": (written([fact("general.alignment", 4, struct.pack("<I", 0))]), "multiples of 0 bytes"),
    "a grid of letters": (written([fact("general.alignment", 8, text("x" * 999))]), "multiples of x{40} bytes"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused_in_one_sentence_and_costs_no_memory(lie):
    content, said = LIES[lie]
    tracemalloc.start()
    try:
        with pytest.raises(gguf.GgufError) as error:
            gguf.parse(content)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
    assert re.search(said, str(error.value)) and "\n" not in str(error.value) and len(str(error.value)) < 200


def test_cut_short_anywhere_and_any_byte_changed():
    whole = written()
    for end in range(len(whole)):
        with pytest.raises(gguf.GgufError):
            gguf.parse(whole[:end])
    rng = np.random.default_rng(12)
    for _ in range(3000):  # read, or refused in words: nothing else
        broken = bytearray(whole)
        for at in rng.integers(0, len(whole) - len(DATA), rng.integers(1, 4)):
            broken[at] = rng.integers(256)
        try:
            for each in gguf.parse(bytes(broken)).tensors.values():
                assert gguf.dequantize(each).shape == each.shape
        except gguf.GgufError:
            pass


def test_as_the_package_gguf_decodes():
    """gguf_blocks.npz: 64 random blocks of each kind, and the numbers that `dequantize` of gguf 0.19.0 made of them."""
    with np.load(__file__.replace("test_gguf.py", "gguf_blocks.npz"), allow_pickle=False) as arrays:
        for kind in ("Q4_1", "Q8_0"):
            raw = arrays[f"{kind} bytes"]
            ours = gguf.dequantize(gguf.Tensor((len(raw), 32), kind, raw))
            np.testing.assert_array_equal(ours, arrays[f"{kind} numbers"])
