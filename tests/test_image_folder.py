"""ownfiles.image_folder: every bad file has its status, what passes cannot fail, parts keep promises."""

import csv
import errno
import functools
import hashlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from groundup import data
from groundup.session import import_keras
from ownfiles import image_folder
from ownfiles.image_folder import FolderError, shown

ROOT = Path(__file__).resolve().parents[1]
SKY = ROOT / "data" / "deep_sky"
DECODE, FILES, SCAN = (importlib.import_module(f"ownfiles.image_folder.{name}") for name in ("decode", "files", "scan"))
scan = functools.partial(image_folder.scan, size=40)
loose = functools.partial(scan, min_images=1, min_per_class=1, max_bad=1)


def picture(seed, width=48, height=48):
    """A smooth colour picture unlike any of another seed."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encode(image, kind="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@functools.cache
def jpeg(seed):
    return encode(picture(seed))


@pytest.fixture
def folder(tmp_path):
    """Two classes of twelve JPEGs, in a place whose name has a space and letters beyond ASCII."""
    folder = tmp_path / "meine Fotos ü"
    for k, kind in enumerate(("10 Katzen", "2 Hünde")):
        (folder / kind).mkdir(parents=True)
        for i in range(12):
            (folder / kind / f"bild {i}.jpg").write_bytes(jpeg(100 * k + i))
    return folder


def state(folder):
    """Everything below a folder: names, sizes, times, contents."""
    return {
        path.relative_to(folder): (
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def statuses(seen):
    return {file.path: file.status for file in seen.files}


def run(*arguments, code=None):
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    command = ["-c", code] if code else ["-m", "ownfiles.image_folder"]
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


# ------------------------------------------------------------------------------------------------------------ decoding


def test_deep_sky_comes_out_as_data_loads_it():
    sky, pictures = data.load("deep_sky"), image_folder.load(image_folder.scan(SKY, size=150))
    assert pictures.paths == sky.paths and pictures.classes == sky.classes
    assert np.array_equal(pictures.images, sky.images) and np.array_equal(pictures.labels, sky.labels)
    assert pictures.images.dtype == np.uint8 and pictures.labels.dtype == np.int64
    assert pictures.majority == pytest.approx(133 / 350) and pictures.class_weights[2] == pytest.approx(350 / 3 / 90)
    assert sum(pictures.class_weights[label] for label in pictures.labels) == pytest.approx(350)
    with pytest.raises(ValueError, match="read-only"):
        pictures.images[0] = 0


RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
GREY = Image.fromarray(RAMP)
ALPHA = np.where(np.arange(64) < 32, 0, 255).astype(np.uint8) * np.ones((64, 1), np.uint8)
MODES = {
    "grey.png": (GREY, {}, False),
    "grey.jpg": (GREY, {"quality": 100}, False),
    "grey.bmp": (GREY, {}, False),
    "16.png": (Image.fromarray(RAMP.astype(np.uint16) * 256 + 9), {}, False),
    "16.tif": (Image.fromarray(RAMP.astype(np.uint16) * 256 + 9), {}, False),
    "palette.png": (GREY.convert("P"), {}, False),
    "palette.gif": (GREY.convert("P"), {}, False),
    "cmyk.jpg": (GREY.convert("RGB").convert("CMYK"), {"quality": 100}, False),
    "cmyk.tif": (GREY.convert("RGB").convert("CMYK"), {}, False),
    "lzw.tif": (GREY.convert("RGB"), {"compression": "tiff_lzw"}, False),
    "rgb.webp": (GREY.convert("RGB"), {"lossless": True}, False),
    "la.png": (Image.merge("LA", [GREY, Image.fromarray(ALPHA)]), {}, True),
    "rgba.png": (Image.merge("RGBA", [GREY, GREY, GREY, Image.fromarray(ALPHA)]), {}, True),
    "rgba.webp": (Image.merge("RGBA", [GREY, GREY, GREY, Image.fromarray(ALPHA)]), {"lossless": True}, True),
    "animated.gif": (GREY.convert("P"), {"save_all": True, "append_images": [GREY.rotate(90).convert("P")]}, False),
    "animated.webp": (
        GREY.convert("RGB"),
        {"lossless": True, "save_all": True, "append_images": [GREY.rotate(90).convert("RGB")]},
        False,
    ),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_becomes_the_same_rgb(tmp_path, name):
    image, options, transparent = MODES[name]
    image.save(tmp_path / name, **options)
    wanted = np.where(ALPHA[..., None] == 0, 255, RAMP[..., None]) if transparent else RAMP[..., None]
    pixels = image_folder.decode(tmp_path / name, 64)
    assert pixels.dtype == np.uint8 and pixels.shape == (64, 64, 3)
    assert np.abs(pixels.astype(int) - wanted).max() <= (2 if name.endswith(".jpg") else 0)


def test_transparent_entries_of_palette_and_grey_are_white(tmp_path):
    GREY.save(tmp_path / "a.png", transparency=40)
    GREY.convert("P").save(tmp_path / "b.gif", transparency=40)
    for name in ("a.png", "b.gif"):
        assert image_folder.decode(tmp_path / name, 64)[0, [9, 10, 11], 0].tolist() == [36, 255, 44]


def test_one_bit_and_32_bits(tmp_path):
    GREY.convert("1").save(tmp_path / "1.png")
    assert set(np.unique(image_folder.decode(tmp_path / "1.png", 64))) == {0, 255}
    for mode in (np.int32, np.float32):
        Image.fromarray(RAMP.astype(mode)).save(tmp_path / "32.tif")
        with pytest.raises(FolderError, match=r"32\.tif cannot be used: Its grey has 32 bits"):
            image_folder.decode(tmp_path / "32.tif", 64)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turned_pictures_come_out_upright(tmp_path, kind, turn):
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32], upright[:24, 32:], upright[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    flips = {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_90",
        7: "TRANSVERSE",
        8: "ROTATE_270",
    }  # what the camera did
    stored = Image.fromarray(upright)
    stored = stored.transpose(Image.Transpose[flips[turn]]) if turn > 1 else stored
    exif = Image.Exif()
    exif[0x0112] = turn
    file = tmp_path / "a.img"
    file.write_bytes(encode(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {"quality": 100})))
    pixels, width, height, seen = DECODE.decoded(file, 48, 1, 10**6)
    assert (width, height, seen) == (64, 48, turn)
    assert np.abs(pixels.astype(int) - upright[:, 8:56])[[4, 4, 40, 40], [4, 44, 4, 44]].max() < 40


def test_the_middle_square_is_kept_and_shapes_stay_true(tmp_path):
    wide = np.zeros((60, 200, 3), np.uint8)
    wide[:, 70:130] = 255
    for image in (wide, wide.transpose(1, 0, 2)):
        Image.fromarray(image).save(tmp_path / "a.png")
        assert image_folder.decode(tmp_path / "a.png", 30).min() == 255
    large = picture(3, 1600, 1200)
    large.save(tmp_path / "b.jpg", quality=95)  # read at a quarter of its size, it is the same picture
    wanted = large.crop((200, 0, 1400, 1200)).resize((100, 100), Image.Resampling.BICUBIC)
    assert np.abs(image_folder.decode(tmp_path / "b.jpg", 100).astype(int) - np.asarray(wanted)).max() <= 12


def test_decode_does_not_depend_on_global_switches_and_leaves_them(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (tmp_path / "whole.jpg").write_bytes(jpeg(0))
    (tmp_path / "cut.jpg").write_bytes(jpeg(0)[:-2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_folder.decode(tmp_path / "whole.jpg", 48).shape == (48, 48, 3)
        with pytest.raises(FolderError, match=r"cut\.jpg cannot be used: It is cut short"):
            image_folder.decode(tmp_path / "cut.jpg", 48)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True and Image.MAX_IMAGE_PIXELS == 100


def test_a_picture_above_the_limit_is_never_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    file = tmp_path / "a.png"
    header = encode(Image.new("1", (1, 1)), "PNG")
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        size = width.to_bytes(4, "big") + height.to_bytes(4, "big") + header[24:29]
        file.write_bytes(header[:16] + size + zlib.crc32(b"IHDR" + size).to_bytes(4, "big") + header[33:])
        with pytest.raises(FolderError, match=f"It has {width} x {height} pixels, more than 50,000,000"):
            image_folder.decode(file, 40)
    with file.open("wb") as stream:
        stream.truncate(2_000_000)
    with pytest.raises(FolderError, match="2,000,000 bytes, more than 100 pixels can take"):
        image_folder.decode(file, 40, max_pixels=100)


@pytest.mark.parametrize("name", ["a\0b.jpg", "a\ud800b.jpg"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(FolderError, match=r"cannot be used: No file can have such a name"):
        image_folder.decode(tmp_path / name, 40)
    saved = image_folder.Saved(None, ["a", "b"], 40)
    (row,) = image_folder.predict(saved, [tmp_path / name])
    assert row.label == "" and row.why.startswith("No file can have such a name")
    for use in (
        lambda: scan(name),
        lambda: image_folder.predict(saved, name),
        lambda: image_folder.restore(name),
        lambda: image_folder.write_predictions([row], name),
    ):
        with pytest.raises(FolderError, match="cannot be the name of a file or folder; check") as caught:
            use()
        assert str(caught.value).isprintable()


def test_without_pillow_the_whole_scan_says_so(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    file = folder / "2 Hünde" / "bild 3.jpg"
    for use in (
        lambda: image_folder.decode(file, 40),
        lambda: scan(folder),
        lambda: image_folder.predict(image_folder.Saved(None, ["a", "b"], 40), [file]),
    ):
        with pytest.raises(FolderError, match=r"^Pillow, which decodes pictures, cannot be imported .*make doctor"):
            use()


def chunk(kind, content, checksum=None):
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return len(content).to_bytes(4, "big") + kind + content + checksum.to_bytes(4, "big")


def test_a_png_is_used_whatever_its_texts_and_profiles_are(tmp_path):
    """As every viewer does; where pixels, palette or transparency are damaged it is refused."""
    whole = encode(GREY, "PNG", transparency=40)
    head, rest = whole[:33], whole[33:]
    large = zlib.compress(bytes(2_800_000))
    exif = Image.Exif()
    exif[0x0112] = 3
    exif = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    wanted = image_folder.decode(io_file(tmp_path, whole), 64)
    for name, content in {
        "zTXt": head + chunk(b"zTXt", b"Comment\0\0" + large) + rest,
        "iTXt": head + chunk(b"iTXt", b"Comment\0\1\0\0\0" + large) + rest,
        "iTXt behind": whole[:-12] + chunk(b"iTXt", b"Comment\0\1\0\0\0" + large) + whole[-12:],
        "profile": head + chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(1_500_000))) + rest,
        "unknown profile": head + chunk(b"iCCP", b"icc\0\7" + large) + rest,
        "checksum": head + chunk(b"tEXt", b"Comment\0hello", 1) + rest,
        "checksum behind": whole[:-12] + chunk(b"tEXt", b"Comment\0hello", 1) + whole[-12:],
        "short": head + chunk(b"gAMA", b"") + chunk(b"pHYs", b"") + chunk(b"cHRM", b"\0") + chunk(b"sRGB", b"") + rest,
        "animation": head + chunk(b"acTL", b"") + chunk(b"fcTL", bytes(3)) + rest,
        "broken exif": head + chunk(b"eXIf", b"nonsense", 1) + rest,
    }.items():
        assert np.array_equal(image_folder.decode(io_file(tmp_path, content), 64), wanted), name
        turned = io_file(tmp_path, content[:33] + exif + content[33:])
        assert np.array_equal(image_folder.decode(turned, 64), wanted[::-1, ::-1]), name
    broken_text = chunk(b"tEXt", b"Comment\0hello", 1)
    for content in (whole, head + broken_text + rest):
        place = content.index(b"IDAT")
        for damaged in (
            content[: place + 20] + b"\0\1" + content[place + 22 :],
            content[:30] + b"0" + content[31:],
            content.replace(b"tRNS\0\x28", b"tRNS\0\x29"),
        ):
            with pytest.raises(FolderError, match="damaged"):
                image_folder.decode(io_file(tmp_path, damaged), 64)
        with pytest.raises(FolderError, match="cut short"):
            image_folder.decode(io_file(tmp_path, content[:-12]), 64)
    with pytest.raises(FolderError, match="cut short"):  # within a text
        image_folder.decode(io_file(tmp_path, head + chunk(b"zTXt", b"Comment\0\0" + large)[:500]), 64)


def test_metadata_of_other_formats_does_not_make_them_bad(tmp_path):
    for kind in ("JPEG", "WEBP", "TIFF"):
        plain = encode(picture(3), kind, quality=95)
        for options in ({"exif": b"Exif\0\0nonsense"}, {"exif": b""}, {"icc_profile": bytes(1_500_000)}):
            content = encode(picture(3), kind, quality=95, **({} if kind == "TIFF" and "exif" in options else options))
            wanted = image_folder.decode(io_file(tmp_path, plain), 48)
            assert np.array_equal(image_folder.decode(io_file(tmp_path, content), 48), wanted), (kind, options.keys())
    jpeg_ = encode(picture(3))
    for marker in range(0xE0, 0xF0):
        content = jpeg_[:2] + bytes([0xFF, marker, 0, 12]) + b"nonsense!!" + jpeg_[2:]
        assert image_folder.decode(io_file(tmp_path, content), 48).shape == (48, 48, 3), marker


def io_file(folder, content):
    (folder / "picture").write_bytes(content)
    return folder / "picture"


# ------------------------------------------------------------------------------------------------------------ scanning


def make_bad(folder):
    """One file of every kind that needs no other user; returns path -> status."""
    a, b = folder / "10 Katzen", folder / "2 Hünde"
    whole = jpeg(900)
    contents = {
        "empty.jpg": (b"", "empty"),
        "cut.jpg": (whole[:-2], "truncated"),
        "half.png": (encode(picture(1), "PNG")[:3000], "truncated"),
        "cut.webp": (encode(picture(1), "WEBP")[:-20], "truncated"),
        "half.bmp": (encode(picture(1), "BMP")[:3000], "truncated"),
        "half.gif": (encode(picture(1), "GIF")[:2000], "truncated"),
        "damaged.png": (
            b"".join([encode(picture(1), "PNG")[:60], bytes(40), encode(picture(1), "PNG")[100:]]),
            "undecodable",
        ),
        "headless.jpg": (whole[:3] + bytes(30) + whole[40:], "undecodable"),
        "damaged.tif": (encode(picture(1), "TIFF", compression="tiff_lzw")[:3000], "undecodable"),
        "notes.txt": (b"cats are nice", "not an image"),
        "page.jpg": (b"<html>404</html>", "not an image"),
        "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        "small.png": (encode(picture(1, 31, 90), "PNG"), "too small"),
        "large.png": (encode(Image.new("1", (4000, 4000)), "PNG"), "too large"),
        "good.webp": (encode(picture(901), "WEBP"), "used"),
        "tiff named.jpg": (encode(picture(902), "TIFF"), "used"),
        "no extension": (jpeg(903), "used"),
        "deeper/and/deeper.jpg": (jpeg(904), "used"),
        "a copy.jpg": (jpeg(5), "duplicate"),
        ".hidden.jpg": (jpeg(905), "hidden"),
        "._bild.jpg": (b"\0\5\26\7", "hidden"),
        "Thumbs.db": (b"x", "hidden"),
        "desktop.ini": (b"x", "hidden"),
        ".cache/a.jpg": (jpeg(906), "hidden"),
        "__MACOSX/a.jpg": (jpeg(906), "hidden"),
        "in two.png": (encode(picture(907), "PNG"), "two classes"),
    }
    wanted = {}
    for name, (content, status) in contents.items():
        (a / name).parent.mkdir(parents=True, exist_ok=True)
        (a / name).write_bytes(content)
        wanted[f"10 Katzen/{name}"] = status
    wanted["10 Katzen/bild 5.jpg"] = "duplicate"  # "a copy" comes first
    wanted["10 Katzen/a copy.jpg"] = "used"
    for name in ("in two.png", "in two once more.bmp"):  # the same pixels in other bytes
        (b / name).write_bytes(encode(picture(907), name[-3:].upper()))
        wanted[f"2 Hünde/{name}"] = "two classes"
    links = {
        "out.jpg": SKY / "galaxy" / "ic10.jpg",
        "loop.jpg": b / "loop.jpg",
        "nothing.jpg": b / "missing.jpg",
        "loop": folder,
        "folder": a,
        "in.jpg": b / "bild 3.jpg",
    }
    for name, target in links.items():
        (b / name).symlink_to(target)
        wanted[f"2 Hünde/{name}"] = "link"
    wanted["2 Hünde/in.jpg"] = "duplicate"
    os.mkfifo(b / "pipe.jpg")
    wanted["2 Hünde/pipe.jpg"] = "not a file"
    (folder / "readme.md").write_bytes(b"x")
    (folder / "loose.jpg").write_bytes(jpeg(1000))
    (folder / "linked").symlink_to(SKY)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_bytes(b"x")
    (folder / "__MACOSX").mkdir()
    return wanted | {"readme.md": "no class", "loose.jpg": "no class", ".git/HEAD": "hidden", "linked": "link"}


def test_every_kind_of_file_has_its_status_and_nothing_is_changed(folder, tmp_path, capfd):
    wanted = {f"{kind}/bild {i}.jpg": "used" for kind in ("10 Katzen", "2 Hünde") for i in range(12)}
    wanted |= make_bad(folder)
    before = state(folder)
    seen = scan(folder, max_pixels=15_000_000, max_bad=0.8)
    assert statuses(seen) == wanted
    assert state(folder) == before
    assert seen.classes == ["2 Hünde", "10 Katzen"] and capfd.readouterr() == ("", "")
    assert len({file.path for file in seen.files}) == len(seen.files)
    for file in seen.files:
        assert (file.why == "") == (file.status == "used") and (file.why == "" or file.why.endswith("."))
        assert file.status in image_folder.STATUSES and file.label in ("", *seen.classes)
        assert bool(file.content) == (file.status in ("used", "duplicate", "two classes"))
    notes = {file.path: file.note for file in seen.files if file.note}
    assert notes == {
        "10 Katzen/good.webp": "dropped by Keras (.webp)",
        "10 Katzen/no extension": "dropped by Keras (no extension)",
    }
    whys = {file.path: file.why for file in seen.files}
    assert whys["2 Hünde/loop.jpg"] == "It is a link in a loop." and "out of the" in whys["2 Hünde/out.jpg"]
    assert whys["10 Katzen/bild 5.jpg"] == "It has the same pixels as 10 Katzen/a copy.jpg."
    assert "10 Katzen/in two.png" in whys["2 Hünde/in two.png"]

    pictures = image_folder.load(seen)
    assert len(pictures.images) == len(pictures.labels) == len(set(pictures.contents)) == len(pictures.paths)
    for image, label, path in zip(pictures.images, pictures.labels, pictures.paths, strict=True):
        assert np.array_equal(image, image_folder.decode(folder / path, 40))
        assert path.split("/")[0] == pictures.classes[label]

    image_folder.write_manifest(seen, tmp_path / "new" / "manifest.csv")
    with (tmp_path / "new" / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["path"] for row in rows] == [file.path for file in seen.files] and len(list(tmp_path.iterdir())) == 2
    assert list(rows[0]) == ["path", "class", "status", "why", "note", "width", "height", "content", "file"]
    lines = image_folder.table(seen).splitlines()
    assert len({len(line) for line in lines[:5]}) == 1 and lines[-1] == "of the used, dropped by Keras: 2"
    total = dict(
        zip(["class", *[s for s in image_folder.STATUSES if s in wanted.values()]], lines[4].split(), strict=True)
    )
    assert total.pop("class") == "all" and {k: int(v) for k, v in total.items()} == Counter(wanted.values())


def icons(alpha):
    """White on a transparent ground, told apart by their alpha alone."""
    white = np.full((48, 48, 4), 255, np.uint8)
    white[..., 3] = np.asarray(picture(alpha).convert("L"))
    return Image.fromarray(white)


def wide(seed):
    """120 x 48 pixels that differ from others at the edges."""
    result = picture(seed, 120, 48)
    result.paste(picture(1), (36, 0))
    return result


def fine(seed):
    """480 x 480 pixels, of which a few differ by one step of grey."""
    pixels = np.asarray(picture(1, 480, 480)).copy()
    pixels[seed, seed, 0] ^= 1
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (icons, "They differ where they are transparent, which shows white here; save them on a ground of another"),
        (wide, "They differ at the edges, and only the middle square is used; crop them, or pad them"),
        (fine, "They differ only in what 40 x 40 pixels do not show; choose a larger size."),
    ],
)
@pytest.mark.parametrize("classes", ["ab", "aa"])
def test_pictures_that_only_come_out_equal_are_told_why(folder, make, said, classes):
    for i, kind in enumerate(classes):
        (folder / kind).mkdir(exist_ok=True)
        make(20 + i).save(folder / kind / f"{i}.png")
    seen = loose(folder) if classes == "aa" else None
    if seen is None:
        with pytest.raises(FolderError, match=r"Class 'a' in .* \(1 two classes; such as a/0.png: The same ") as caught:
            loose(folder)
        seen = caught.value.scan
        assert said.rstrip(".") in str(caught.value) and str(caught.value).count("\n") == 0
    rows = {file.path: file for file in seen.files}
    last = rows[f"{classes[1]}/1.png"]
    assert last.status == ("duplicate" if classes == "aa" else "two classes") and said in last.why


def test_pictures_that_are_equal_in_all_are_called_no_more_than_that(folder):
    for kind in ("10 Katzen", "2 Hünde"):
        wide(30).save(folder / kind / "copy.png")
        wide(30).save(folder / kind / "copy.bmp")
        hidden = np.asarray(wide(31).convert("RGBA")).copy()
        hidden[:10] = (*np.random.default_rng(len(kind)).integers(0, 256, 3), 0)  # a colour that no ground shows
        Image.fromarray(hidden).save(folder / kind / "unseen.png")
    whys = {file.path: file.why for file in scan(folder).files if file.status == "two classes"}
    assert len(whys) == 6
    assert all(
        re.fullmatch(r"The same pixels lie in another class: [^.]*\.(png|bmp)\.", why) for why in whys.values()
    ), whys


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "VALIDATION"), ("valid", "testing", "cat")])
def test_sides_of_a_split_are_no_classes(tmp_path, names):
    for name in names:
        for kind in ("cat", "dog", ".cache"):
            (tmp_path / name / kind).mkdir(parents=True)
    with pytest.raises(FolderError, match="have the names of sides of a split, not of classes") as caught:
        scan(tmp_path)
    said = str(caught.value)
    assert all(f"'{name}'" in said for name in names) and "such as 'cat' and 'dog': give" in said
    assert "If they are classes, rename them" in said and ".cache" not in said
    for name in names:
        for kind in ("cat", "dog", ".cache"):
            (tmp_path / name / kind).rmdir()
    with pytest.raises(FolderError, match="; give a folder with one subfolder a class"):
        scan(tmp_path)


def test_one_name_of_a_side_among_classes_is_a_class(folder):
    (folder / "2 Hünde").rename(folder / "train")  # on rails
    assert scan(folder).classes == ["10 Katzen", "train"]


def test_a_single_folder_of_classes_is_pointed_to(folder, tmp_path):
    (tmp_path / "outer").mkdir()
    folder.rename(tmp_path / "outer" / "train")
    with pytest.raises(FolderError, match=r"If '10 Katzen' and '2 Hünde' in it are classes, give .*outer/train\."):
        scan(tmp_path / "outer")


def test_what_systems_make_is_hidden_in_any_case(folder):
    names = ["Thumbs.db", "THUMBS.DB", "thumbs.db", "Desktop.ini", "DESKTOP.INI", "Icon\r", "ehthumbs.db", ".DS_Store"]
    for name in names:
        (folder / "2 Hünde" / name).write_bytes(b"x")
        (folder / name).write_bytes(b"x")
    (folder / "$Recycle.Bin").mkdir()
    seen = scan(folder)
    assert Counter(file.status for file in seen.files) == {"used": 24, "hidden": 2 * len(names)}
    assert len(seen.classes) == 2


def test_a_turned_picture_is_used_and_noted(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "2 Hünde" / "turned.jpg").write_bytes(encode(picture(50, 60, 48), exif=exif))
    seen = scan(folder)
    (file,) = [file for file in seen.files if file.note]
    assert file.status == "used" and file.note == "turned upright (EXIF 6)" and (file.width, file.height) == (48, 60)
    assert image_folder.table(seen).endswith("of the used, turned upright: 1")


def test_a_file_that_vanishes_or_cannot_be_read(folder, monkeypatch):
    def opening(path, *arguments):
        if str(path).endswith("bild 1.jpg"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if str(path).endswith("bild 2.jpg"):
            raise OSError(errno.EIO, "Input/output error")
        if str(path).endswith("bild 3.jpg"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open(path, *arguments)

    monkeypatch.setattr(DECODE, "open", opening, raising=False)
    seen = scan(folder, min_images=18)
    counts = Counter(file.status for file in seen.files)
    assert counts == {"used": 18, "vanished": 2, "unreadable": 2, "no permission": 2}
    assert "Input/output error" in next(file.why for file in seen.files if file.status == "unreadable")
    walked = list(FILES.walk(folder))
    monkeypatch.undo()
    monkeypatch.setattr(SCAN, "walk", lambda root: walked)
    (folder / "2 Hünde" / "bild 7.jpg").unlink()  # between the listing and the decoding
    assert statuses(scan(folder))["2 Hünde/bild 7.jpg"] == "vanished"


def test_what_passed_the_scan_stays_when_its_file_goes(folder):
    pictures = image_folder.load(scan(folder))
    before = pictures.images.copy()
    for file in folder.rglob("*.jpg"):
        file.write_bytes(b"")
    assert np.array_equal(before, pictures.images)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
def test_files_and_folders_of_another_user(folder, tmp_path_factory):
    """In a process that becomes another user if this is root, whom chmod does not stop."""
    (folder / "2 Hünde" / "bild 4.jpg").chmod(0)
    (folder / "10 Katzen" / "closed").mkdir()
    (folder / "10 Katzen" / "closed" / "a.jpg").write_bytes(jpeg(800))
    (folder / "10 Katzen" / "closed").chmod(0)
    if os.geteuid() == 0:  # let the other user in, as far up as pytest made the folders
        base = tmp_path_factory.getbasetemp()
        for parent in [folder, *folder.parents]:
            if parent.is_relative_to(base) or (parent in base.parents and parent.name.startswith("pytest-")):
                parent.chmod(parent.stat().st_mode | 0o055)
    # It becomes so after the imports: Python may lie where only root may go, as below /root.
    code = """import sys, os, json
from PIL import Image
from ownfiles import image_folder as f
Image.init()
try:
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    os.listdir(sys.argv[1])
except OSError as error:
    sys.exit(f"skip: {error}")
print(json.dumps({x.path: x.status for x in f.scan(sys.argv[1], size=40).files}))"""
    done = run(folder, code=code)
    (folder / "10 Katzen" / "closed").chmod(0o700)
    if done.stderr.startswith("skip: "):
        pytest.skip(f"another user cannot be tried here, or cannot enter the folder: {done.stderr[6:].strip()}")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["2 Hünde/bild 4.jpg"] == seen["10 Katzen/closed"] == "no permission"
    assert Counter(seen.values()) == {"used": 23, "no permission": 2}


def test_names_of_any_bytes(folder, tmp_path, capsys):
    odd = [b"caf\xe9.jpg", b"a\nb.jpg", b'quote"comma,.jpg', "日本 ☃.jpg".encode(), b"\x1b[31m.jpg", b" .jpg"]
    try:
        os.rename(folder / "2 Hünde", os.fsencode(folder / "2 H") + b"\xfcnde")
    except OSError:
        pytest.skip("this file system takes no such names")
    inside = os.fsencode(folder / "2 H") + b"\xfcnde/"
    for i, name in enumerate(odd):
        Path(os.fsdecode(inside + name)).write_bytes(jpeg(600 + i))
    Path(os.fsdecode(inside + b"bad\xff.jpg")).write_bytes(b"x")
    seen = scan(folder)
    assert Counter(file.status for file in seen.files) == {"used": 30, "not an image": 1}
    print(image_folder.table(seen))
    assert r"2 H\udcfcnde" in capsys.readouterr().out
    image_folder.write_manifest(seen, tmp_path / "manifest.csv")
    rows = list(csv.reader((tmp_path / "manifest.csv").read_text(encoding="utf-8").splitlines(keepends=True)))
    assert len(rows) == 32 and ["2 H\\udcfcnde/caf\\udce9.jpg", "2 H\\udcfcnde"] in [row[:2] for row in rows]
    assert any(row[0].endswith(r"/a\nb.jpg") for row in rows)
    done = run(folder, "--size", "40")
    assert done.returncode == 0 and r"2 H\udcfcnde" in done.stdout
    pictures = image_folder.load(seen)
    assert sum(len(test) for _, test in image_folder.folds(pictures, 2, image_folder.groups(pictures))) == 30
    with pytest.raises(FolderError, match=r"Class '2 H\\udcfcnde' .*/bad\\udcff\.jpg"):
        scan(folder, min_per_class=20)


def test_refusals_are_one_sentence_with_the_way_out(folder, tmp_path):
    def said(error, *arguments, **options):
        with pytest.raises(FolderError, match=error) as caught:
            scan(*arguments, **options)
        assert str(caught.value).count("\n") == 0
        return caught.value

    said("There is no folder .*nowhere; .*spelling", tmp_path / "nowhere")
    said("name is empty", "")
    said(r"a\\x00b cannot be the name of a file or folder; check", "a\0b")
    (tmp_path / "a.txt").write_bytes(b"x")
    said("a.txt is a file; give the folder", tmp_path / "a.txt")
    (tmp_path / "none" / ".git").mkdir(parents=True)
    said("none has no classes; it needs two or more subfolders", tmp_path / "none")
    (tmp_path / "none" / "cats").mkdir()
    (tmp_path / "none" / "dogs").symlink_to(folder / "2 Hünde")
    said("has one class, 'cats'; .*Links such as 'dogs' are not followed", tmp_path / "none")
    said("size is '150'", folder, size="150")
    said("24 usable pictures, fewer than 25; add", folder, min_images=25)
    said("Class '2 Hünde' in .* has 12 usable pictures, fewer than 13", folder, min_per_class=13)
    for i in range(10):
        (folder / "2 Hünde" / f"bad {i}.jpg").write_bytes(b"GIF89a")
        (folder / "2 Hünde" / f"._{i}.jpg").write_bytes(b"")  # hidden files do not count
    assert scan(folder).classes
    (folder / "2 Hünde" / "bad.jpg").write_bytes(b"")
    error = said(
        r"11 bad files of 35, more than 30% \(10 undecodable, 1 empty; such as 2 Hünde/bad 0.jpg: It begins like .*\)",
        folder,
    )
    assert image_folder.table(error.scan).splitlines()[1].split() == ["2", "Hünde", "12", "10", "1", "10"]
    (folder / "empty").mkdir()
    said("Class 'empty' in .* has no usable picture; add", folder)
    (folder / "empty" / "a.jpg").write_bytes(b"x")
    said(
        r"Class 'empty' in .* has no usable picture \(1 not an image; such as empty/a.jpg: Its content is .*\); add",
        folder,
        max_bad=1,
    )


def test_a_manifest_never_lands_among_the_pictures(folder, tmp_path):
    seen = scan(folder)
    (tmp_path / "link").symlink_to(folder)
    for place in (
        folder / "m.csv",
        folder / "2 Hünde" / "m.csv",
        tmp_path / "link" / "m.csv",
        tmp_path / "x" / ".." / folder.name / "new" / "m.csv",
    ):
        with pytest.raises(FolderError, match="never changed; write it elsewhere"):
            image_folder.write_manifest(seen, place)
    assert not list(folder.rglob("*.csv")) and not (folder / "new").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderError, match=r"m\.csv cannot be written .*another place"):
        image_folder.write_manifest(seen, tmp_path / "file" / "m.csv")


def test_a_failed_write_leaves_the_old_file(folder, tmp_path, monkeypatch):
    file = tmp_path / "m.csv"
    file.write_bytes(b"old")

    def replace(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(FolderError, match="No space left"):
        image_folder.write_manifest(scan(folder), file)
    assert file.read_bytes() == b"old" and [path.name for path in tmp_path.glob("*.csv*")] == ["m.csv"]


def test_natural_order():
    names = ["10", "2", "a10b", "A2b", "b", "1", "a2b", "²", "01"]
    assert sorted(names, key=SCAN._natural) == ["01", "1", "2", "10", "A2b", "a2b", "a10b", "b", "²"]


def test_long_scans_say_where_they_are(tmp_path, capsys):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(600):
            (tmp_path / kind / f"{i}.jpg").write_bytes(jpeg(i % 12 + 100 * (kind == "b")))
    scan(tmp_path)
    assert capsys.readouterr().out == "1000 of 1200 files read\n"


# ------------------------------------------------------------------------------------------------------------- fuzzing


def fuzzed(number, random):
    """Damaged pictures: bytes cut, flipped, inserted, headers crossed."""
    small = picture(7, 40, 40)
    whole = [
        encode(small),
        encode(small, progressive=True),
        encode(small.convert("CMYK")),
        encode(small, "PNG"),
        encode(small.convert("P"), "PNG"),
        encode(small, "GIF"),
        encode(small, "BMP"),
        encode(small, "WEBP"),
        encode(small, "WEBP", lossless=True),
        encode(small, "TIFF"),
        encode(small, "GIF", save_all=True, append_images=[small.rotate(90)]),
    ]
    whole += [encode(small, "TIFF", compression=kind) for kind in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
    for i in range(number):
        content = bytearray(whole[i % len(whole)])
        way = random.integers(4)
        if way == 0:
            del content[random.integers(len(content)) :]
        elif way == 1:
            end = 64 if random.integers(2) else len(content)
            for _ in range(random.integers(1, 12)):
                content[random.integers(end)] ^= 1 << random.integers(8)
        elif way == 2:
            at = random.integers(len(content))
            content[at:at] = random.bytes(random.integers(1, 60))
        else:
            at = random.integers(1, 80)
            content[:at] = whole[random.integers(len(whole))][:at]
        yield bytes(content)


def test_thousands_of_fuzzed_files(tmp_path, capfd):
    """No crash, no hang, a status for each file, and what passes can be decoded again and learned from."""
    random, extensions = np.random.default_rng(4), [".jpg", ".png", ".gif", ".bmp", ".webp", ".tif"]
    for kind in "ab":
        (tmp_path / kind).mkdir()
    for i, content in enumerate(fuzzed(2400, random)):
        (tmp_path / "ab"[random.integers(2)] / f"{i}{extensions[random.integers(6)]}").write_bytes(content)
    longest, decode = 0.0, SCAN.decoded

    def timed(*arguments):
        nonlocal longest
        start = time.perf_counter()
        try:
            return decode(*arguments)
        finally:
            longest = max(longest, time.perf_counter() - start)

    SCAN.decoded = timed
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seen = loose(tmp_path)
    finally:
        SCAN.decoded = decode
    output = capfd.readouterr()
    assert not caught and output.err == "" and output.out == "1000 of 2400 files read\n2000 of 2400 files read\n"
    assert longest < 10 and len(seen.files) == 2400
    counts = Counter(file.status for file in seen.files)
    assert set(counts) <= {
        "used",
        "duplicate",
        "two classes",
        "truncated",
        "undecodable",
        "not an image",
        "empty",
        "too small",
        "too large",
    }
    assert all(counts[status] > 20 for status in ("used", "truncated", "undecodable", "not an image")), counts
    pictures = image_folder.load(seen)
    for image, path in zip(pictures.images, pictures.paths, strict=True):
        assert np.array_equal(image, image_folder.decode(tmp_path / path, 40))
    history = network(pictures.classes, 40).fit(pictures.images, pictures.labels, verbose=0, batch_size=16)
    assert np.isfinite(history.history["loss"]).all()


# --------------------------------------------------------------------------------------------------- memory and speed


def network(classes, size, sigmoid=False):
    keras = import_keras()
    keras.utils.set_random_seed(1)
    head = keras.layers.Dense(1, "sigmoid") if sigmoid else keras.layers.Dense(len(classes), "softmax")
    model = keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            head,
        ]
    )
    loss = "binary_crossentropy" if sigmoid else "sparse_categorical_crossentropy"
    model.compile("adam", loss, jit_compile=False)  # a few steps do not pay for compiling
    return model


def test_above_the_budget_pixels_are_mapped_from_a_file_that_is_gone(folder, tmp_path, monkeypatch):
    make_bad(folder)  # gaps: pictures in two classes were stored first
    places = tmp_path / "places"
    places.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(places))
    options = {"max_bad": 1, "max_pixels": 15_000_000}
    small, large = scan(folder, **options), scan(folder, budget_mb=0.05, **options)
    assert isinstance(large.pixels, np.memmap) and not isinstance(small.pixels, np.memmap)
    assert np.array_equal(small.pixels, large.pixels) and small.files == large.files
    assert not large.pixels.flags.writeable and list(places.iterdir()) == []
    pictures = image_folder.load(large)
    assert pictures.images is large.pixels


def test_no_room_for_the_temporary_file(folder, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with pytest.raises(FolderError, match=r"do not fit .*No space left on device.*TMPDIR"):
        scan(folder, budget_mb=0)


def test_a_folder_above_the_budget_is_scanned_in_bounded_memory(tmp_path):
    """In a process of its own: 400 pictures of 0.75 MB are 300 MB, which would have to show in its memory."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(200):
            picture(i + 1000 * (kind == "b"), 100, 100).save(tmp_path / kind / f"{i}.jpg")
    code = """
import sys, threading
from PIL import Image
from ownfiles import image_folder
def memory():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1e3
start, worst, done = memory(), [0], threading.Event()
def watch():
    while not done.wait(0.005):
        worst[0] = max(worst[0], memory())
thread = threading.Thread(target=watch); thread.start()
scan = image_folder.scan(sys.argv[1], size=500, budget_mb=50)
done.set(); thread.join()
print(len(scan.pixels), int(worst[0] - start))
"""
    done = run(tmp_path, code=code)
    assert done.returncode == 0, done.stderr
    number, scanned = map(int, done.stdout.split())
    assert number == 400 and scanned < 100, done.stdout  # MB above the start


# ----------------------------------------------------------------------------------------------------- groups and folds


def pictures_of(*classes):
    """Pictures without pixels: a number for each class."""
    names = [f"class {k}" for k in range(len(classes))]
    labels = np.repeat(np.arange(len(classes)), classes)
    paths = [f"{names[label]}/{i}.jpg" for i, label in enumerate(labels)]
    return image_folder.Pictures(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, names, paths, paths, {}, 0.0)


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_folds_are_even(k):
    pictures = pictures_of(133, 127, 90, 11)
    folds = image_folder.folds(pictures, k, image_folder.groups(pictures), seed=1)
    counts = np.array([np.bincount(pictures.labels[test], minlength=4) for _, test in folds])
    assert np.ptp(counts, axis=0).max() <= 1 and counts.min() >= 1
    for train, test in folds:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(361))
    again = image_folder.folds(pictures, k, image_folder.groups(pictures), seed=1)
    assert all(np.array_equal(a, b) for pair in zip(folds, again, strict=True) for a, b in zip(*pair, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_pictures_of_one_group_stay_together(tmp_path, seed):
    pictures, random = pictures_of(300, 200, 150), np.random.default_rng(seed)
    nights = {path: f"night {random.integers(60)}" for path in pictures.paths if random.random() < 0.9}
    rows = [["note", "group", "path"], *(["", night, path] for path, night in nights.items())]
    with (tmp_path / "Nächte.csv").open("w", encoding="utf-8-sig", newline="") as lines:
        csv.writer(lines).writerows([*rows, ["", "", pictures.paths[0]], ["", "night 1", "not there.jpg"]])
    nights.pop(pictures.paths[0], None)
    names = image_folder.groups(pictures, table=tmp_path / "Nächte.csv")
    parts = [test for _, test in image_folder.folds(pictures, 5, names, seed)]
    counts = np.array([np.bincount(pictures.labels[part]) for part in parts])
    assert np.ptp(counts, axis=0).max() <= 12, counts
    seen = {}
    for number, part in enumerate(parts):
        for i in part:
            seen.setdefault(nights.get(pictures.paths[i], pictures.paths[i]), set()).add(number)
    assert all(len(numbers) == 1 for numbers in seen.values()) and len(seen) > 60


def test_groups_by_a_pattern():
    pictures = pictures_of(6, 6)
    paths = [f"{path.split('/')[0]}/m{i // 3}_tile_{i}.jpg" for i, path in enumerate(pictures.paths[:-1])]
    pictures = pictures._replace(paths=[*paths, "class 1/other.jpg"])
    names = image_folder.groups(pictures, "^.*_tile")
    assert list(names[:4]) == ["g class 0/m0_tile"] * 3 + ["g class 0/m1_tile"] and names[-1] == "p class 1/other.jpg"
    assert len(set(image_folder.groups(pictures))) == 12


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(a{1,9}){1,9}(a{1,9}){1,9}(a{1,9}){1,9}z", "(a|a)*$"])
def test_a_pattern_that_does_not_end_is_refused(pattern, monkeypatch):
    monkeypatch.setattr(image_folder.parts, "SEARCH", 0.2)
    pictures = pictures_of(2, 2)
    pictures = pictures._replace(paths=["a" * 59 + f"b/{i}.jpg" for i in range(4)])
    start = time.monotonic()
    with pytest.raises(FolderError, match=r"^GROUP is .*, and to look for it took more than 0.2 s, at aa.*/0.jpg: a"):
        image_folder.groups(pictures, pattern)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a*)*b$", "(.*)*x(.*)*y", r"(\w+\s?)*=", "^(a?){60}a{60}$"])
def test_other_repeats_of_repeats_end(pattern):
    pictures = pictures_of(2, 2)
    pictures = pictures._replace(paths=["a" * 200 + f"b/{i}.jpg" for i in range(4)])
    start = time.monotonic()
    assert len(set(image_folder.groups(pictures, pattern))) <= 4
    assert time.monotonic() - start < 5


def sides_of(pictures, sides):
    return {pictures.contents[i]: side for side, rows in enumerate(sides) for i in rows}


@pytest.mark.parametrize("seed", range(4))
def test_sides_stay_when_files_are_added_renamed_and_moved(seed):
    pictures, random = pictures_of(400, 150, 90), np.random.default_rng(seed)
    pictures = pictures._replace(contents=[random.bytes(32).hex() for _ in pictures.paths])

    def part(keep):
        kept = {"images": pictures.images[keep], "labels": pictures.labels[keep]}
        kept |= {name: [getattr(pictures, name)[i] for i in keep] for name in ("paths", "contents")}
        return pictures._replace(**kept)

    sides = image_folder.split(pictures, seed=seed)
    assert sorted(np.concatenate(sides).tolist()) == list(range(640)) and all((np.diff(s) > 0).all() for s in sides)
    after, fewer = sides_of(pictures, sides), part(np.sort(random.permutation(640)[:500]))
    assert sides_of(fewer, image_folder.split(fewer, seed=seed)).items() <= after.items()
    mixed = part(random.permutation(640))
    mixed = mixed._replace(paths=[path.replace(".", " new.") for path in mixed.paths])
    assert sides_of(mixed, image_folder.split(mixed, seed=seed)) == after
    assert sides_of(pictures, image_folder.split(pictures, seed=seed + 1)) != after
    shares = np.array([len(side) for side in sides]) / 640
    assert np.abs(shares - [0.7, 0.15, 0.15]).max() < 0.06
    groups = np.array([f"g {i // 4}" for i in range(640)], dtype=object)
    together = image_folder.split(pictures, (0.5, 0.5), groups, seed)
    assert not {i // 4 for i in together[0]} & {i // 4 for i in together[1]}


def test_the_sides_are_the_same_at_every_size(folder):
    small, large = (image_folder.load(image_folder.scan(folder, size=size)) for size in (40, 60))
    for one, other in zip(image_folder.split(small, (0.5, 0.5)), image_folder.split(large, (0.5, 0.5)), strict=True):
        assert np.array_equal(one, other)


def test_paths_in_a_table_are_those_of_the_manifest(tmp_path, capsys):
    pictures = pictures_of(2, 50)
    pictures.paths[:2] = ["class 0/a\nb.jpg", "class 0/\udce9.jpg"]
    (tmp_path / "g.csv").write_text("path,group\nclass 0/a\\nb.jpg,x\nclass 0/\\udce9.jpg,x\n")
    assert list(image_folder.groups(pictures, table=tmp_path / "g.csv"))[:2] == ["g x", "g x"]
    assert capsys.readouterr().out == ""
    (tmp_path / "g.csv").write_text("path,group\nclass 0/a\\nb.jpg,x\nclass 0/mispelt.jpg,x\n")
    image_folder.groups(pictures, table=tmp_path / "g.csv")
    assert "1 of 2 paths are of no picture that is used, such as class 0/mispelt.jpg" in capsys.readouterr().out


def test_what_cannot_be_dealt_is_said_in_a_sentence(tmp_path):
    pictures = pictures_of(2, 50)
    alone = image_folder.groups(pictures)
    for k in (1, 2.5, "5", True):
        with pytest.raises(FolderError, match="it needs to be a whole number of parts, 2 or more"):
            image_folder.folds(pictures, k, alone)
    with pytest.raises(FolderError, match="Class 'class 0' has 2 groups for 5 parts, and none may be in two; add"):
        image_folder.folds(pictures, 5, alone)
    with pytest.raises(FolderError, match=r"1 group for 2 parts, .* \(2 pictures count as one, 'class 0'\); add"):
        image_folder.folds(pictures, 2, image_folder.groups(pictures, "^[^/]+"))
    for pattern in ("(", "a{99999999999999999999}", "(" * 5000 + ")" * 5000):
        with pytest.raises(FolderError, match=r"GROUP is '.{1,80}', which is no regular expression"):
            image_folder.groups(pictures, pattern)
    for shares in ((0.5, 0.6), (1.2, -0.2), (), (1, 0)):
        with pytest.raises(FolderError, match="sum 1"):
            image_folder.split(pictures, shares)
    with pytest.raises(FolderError, match=r"Class 'class 0' has no picture on side 2 of 2; give another seed"):
        image_folder.split(pictures, (1 - 1e-9, 1e-9))
    for content, said in (
        (None, "cannot be read"),
        (b"path,object\n", "has no column 'group'; its first line has 'path', 'object'"),
        (b"", "its first line has nothing"),
        (b",".join(b"c%d" % i for i in range(10_000)), r"its first line has 'c0', .*, 'c7', \.\.\.\.$"),
        (
            b"group,path\nx\na,class 0/0.jpg\na,class 0/0.jpg\nb,class 0/0.jpg\n",
            "puts class 0/0.jpg into two groups, 'a' and 'b'; leave one row",
        ),
        (b"path,group\nclass 0/0.jp,a\n", "names none of the pictures; its paths need to look like 'class 0/0.jpg'"),
        (b"path,group\ncaf\xe9,a\n", "is no CSV in UTF-8"),
        (b'path,group\n"' + b"x" * 200_000 + b'",a\n', "is no CSV in UTF-8"),
    ):
        if content is not None:
            (tmp_path / "g.csv").write_bytes(content)
        with pytest.raises(FolderError, match=said) as caught:
            image_folder.groups(pictures, table=tmp_path / "g.csv")
        assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ saving and predicting


def test_a_fresh_process_predicts_the_same(folder, tmp_path):
    pictures = image_folder.load(scan(folder))
    model = network(pictures.classes, 40)
    place = image_folder.save(model, pictures, tmp_path / "mein Modell é")
    assert sorted(path.name for path in place.iterdir()) == ["model.json", "model.keras"]
    image_folder.save(model, (pictures.classes, 40), place)  # over the old one
    wanted = model.predict(pictures.images, verbose=0)
    (folder / "bad.jpg").write_bytes(jpeg(0)[:-2])
    (folder / ".DS_Store").write_bytes(b"x")
    before = state(folder)
    done = run("predict", place, folder, "--out", tmp_path / "answers.csv")
    assert done.returncode == 0 and done.stderr == "" and state(folder) == before
    assert done.stdout == f"24 pictures predicted, 1 file not; see {tmp_path / 'answers.csv'}\n"
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as lines:
        rows = {row["path"]: row for row in csv.DictReader(lines)}
    assert list(rows["bad.jpg"]) == ["path", "class", "probability", "why", "p(2 Hünde)", "p(10 Katzen)"]
    assert len(rows) == 25 and rows["bad.jpg"]["class"] == "" and "cut short" in rows["bad.jpg"]["why"]
    for path, chances in zip(pictures.paths, wanted, strict=True):
        row = rows[path]
        assert [float(row["p(2 Hünde)"]), float(row["p(10 Katzen)"])] == pytest.approx(chances.tolist(), abs=2e-6)
        assert row["class"] == pictures.classes[chances.argmax()] and row["why"] == ""
        assert float(row["probability"]) == pytest.approx(chances.max(), abs=2e-6)

    saved = image_folder.restore(place)
    files = [folder / "bad.jpg", folder / "2 Hünde" / "bild 3.jpg", tmp_path / "missing.jpg"]
    answers = image_folder.predict(saved, files)
    assert [row.path for row in answers] == list(map(str, files)) and "no longer" in answers[2].why
    assert [bool(row.label) for row in answers] == [False, True, False] and np.isnan(answers[0].probability)
    assert image_folder.predict(saved, files[1])[0].probabilities == answers[1].probabilities
    image_folder.write_predictions(answers[:1], tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_text().startswith("path,class,probability,why\n")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FolderError, match="nothing has no files"):
        image_folder.predict(saved, tmp_path / "nothing")
    with pytest.raises(FolderError, match="There is no folder"):
        image_folder.predict(saved, tmp_path / "nowhere")


def test_hidden_files_and_odd_names_come_out_of_the_csv_as_they_went_in(folder, tmp_path):
    """Each row's path is the `shown` one of a file that is not hidden, in one line, and so are the classes."""
    folder_name = os.fsencode(folder) + b"/10 K\xe4tzchen\r"
    try:
        os.rename(folder / "10 Katzen", folder_name)
    except OSError:
        pytest.skip("this file system takes no such names")
    odd = [b"caf\xe9.jpg", b"a\rb.jpg", b"a\nb.jpg", b"a\r\nb.jpg", b"Screenshot 1\xe2\x80\xafPM.jpg"]
    for i, name in enumerate(odd):
        Path(os.fsdecode(folder_name + b"/" + name)).write_bytes(jpeg(500 + i))
    for name in (".DS_Store", "Thumbs.db", "Icon\r"):
        (folder / "2 Hünde" / name).write_bytes(b"x")
        (folder / name).write_bytes(b"x")
    seen = scan(folder)
    pictures = image_folder.load(seen)
    assert pictures.classes == ["2 Hünde", "10 K\\udce4tzchen\\r"]
    saved = image_folder.restore(image_folder.save(network(pictures.classes, 40), pictures, tmp_path / "model"))
    image_folder.write_predictions(image_folder.predict(saved, folder), tmp_path / "p.csv")
    image_folder.write_manifest(seen, tmp_path / "m.csv")
    rows = {row["path"]: row for row in csv.DictReader((tmp_path / "p.csv").open(encoding="utf-8"))}
    assert set(rows) == {shown(file.path) for file in seen.files if file.status != "hidden"} and len(rows) == 29
    wanted = saved.model.predict(pictures.images, verbose=0)
    for path, chances in zip(pictures.paths, wanted, strict=True):
        assert [float(rows[shown(path)][f"p({kind})"]) for kind in pictures.classes] == pytest.approx(chances, abs=1e-5)
    assert any("1\u202fPM.jpg" in path for path in rows)  # what can be written is written as it is
    manifest = list(csv.DictReader((tmp_path / "m.csv").open(encoding="utf-8")))
    assert [row["path"] for row in manifest] == [shown(file.path) for file in seen.files]
    only_hidden = tmp_path / "only"
    only_hidden.mkdir()
    (only_hidden / ".DS_Store").write_bytes(b"x")
    with pytest.raises(FolderError, match="has no files"):
        image_folder.predict(saved, only_hidden)


def test_predictions_never_replace_a_picture_or_the_model_and_a_wrong_place_is_said_before_the_work(
    folder, tmp_path, monkeypatch, capsys
):
    line = importlib.import_module("ownfiles.image_folder.__main__")
    one = folder / "2 Hünde" / "bild 3.jpg"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_bytes(b"{}")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(line, "restore", lambda model: None)
    monkeypatch.setattr(line, "predict", lambda *_: pytest.fail("the work was begun"))
    before = state(folder), state(tmp_path / "model")
    for pictures, out, sentence in (
        (one, one, "is one of the pictures, never changed; write it elsewhere"),
        (folder, one, "lies in the folder of the pictures, never changed"),
        (folder, tmp_path / "link" / "new.csv", "lies in the folder of the pictures, never changed"),
        (folder, tmp_path / "model" / "model.json", "lies in the folder of the model, never changed"),
        (folder, tmp_path, "is a folder; name a file to write"),
        (folder, tmp_path / "file" / "a.csv", "cannot be written .*another place"),
    ):
        assert re.search(sentence, line.main(["predict", str(tmp_path / "model"), str(pictures), "--out", str(out)]))
    assert before == (state(folder), state(tmp_path / "model"))


def test_one_sigmoid_output_is_the_second_class(folder, tmp_path):
    pictures = image_folder.load(scan(folder))
    model = network(pictures.classes, 40, sigmoid=True)
    saved = image_folder.restore(image_folder.save(model, pictures, tmp_path / "model"))
    row = image_folder.predict(saved, folder / "2 Hünde" / "bild 3.jpg")[0]
    chance = model.predict(image_folder.decode(folder / "2 Hünde" / "bild 3.jpg", 40)[None], verbose=0).item()
    assert row.probabilities == pytest.approx({"2 Hünde": 1 - chance, "10 Katzen": chance}, abs=1e-6)


def test_models_that_do_not_fit_are_not_saved(tmp_path):
    keras = import_keras()
    model = network("abc", 40)
    logits = keras.Sequential(
        [keras.Input((40, 40, 3)), keras.layers.Flatten(), keras.layers.Rescaling(1.0, 1.0), keras.layers.Dense(3)]
    )
    for network_, about, error in (
        (model, (["a", "b"], 40), r"output has shape \(3,\), the classes are 2"),
        (model, (["a", "b", "c"], 50), r"input is \(None, 40, 40, 3\), the pictures are"),
        (model, (["a", "b", "b"], 40), "classes are"),
        (logits, (["a", "b", "c"], 40), "no probabilities; let it end in a softmax"),
    ):
        with pytest.raises(FolderError, match=f"The model is not saved: .*{error}"):
            image_folder.save(network_, about, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_broken_model_folders(tmp_path):
    keras = import_keras()
    place = image_folder.save(network("ab", 40), (["a", "b"], 40), tmp_path / "model")
    about, content = (place / "model.json").read_bytes(), (place / "model.keras").read_bytes()

    def said(error, json_=about, model=content):
        (place / "model.json").write_bytes(json_)
        (place / "model.keras").write_bytes(model)
        with pytest.raises(FolderError, match=error) as caught:
            image_folder.restore(place)
        assert "image_folder.save" in str(caught.value) and "\n" not in str(caught.value)

    def signed(model, **changes):
        signature = {"sha256": hashlib.sha256(model).hexdigest()}
        return json.dumps(json.loads(about) | signature | changes).encode()

    with pytest.raises(FolderError, match=r"model\.json cannot be read \(No such file"):
        image_folder.restore(tmp_path / "nowhere")
    said("broken", b"{")
    said("broken", b"\xff\xfe")
    said("broken", b"[" * 100_000)
    said("lacks the list classes", b"[]")
    said("lacks the list classes", b'{"classes": ["a", "b"]}')
    said("lacks the list classes", signed(content, classes=[1, 2]))
    said("not of one save", model=content[:-1])
    said("not of one save", signed(content, pictures="BGR"))
    said("cannot be loaded", signed(b"x"), b"x")
    said(r"the classes are 3", signed(content, classes=["a", "b", "c"]))
    said(r"the pictures are \(None, 30, 30, 3\)", signed(content, size=30))
    unsafe = keras.Sequential([keras.Input((40, 40, 3)), keras.layers.Lambda(lambda x: x[:, 0, 0, :2] * 0 + 0.5)])
    unsafe.save(tmp_path / "unsafe.keras")
    unsafe = (tmp_path / "unsafe.keras").read_bytes()
    said("cannot be loaded .*without Lambda", signed(unsafe), unsafe)
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(tmp_path / "later.keras", "w") as new:
        for name in old.namelist():
            part = old.read(name).replace(b'"units": 2', b'"units": 2, "of_later": 1')
            new.writestr(name, part.replace(keras.__version__.encode(), b"99.1") if name == "metadata.json" else part)
    later = (tmp_path / "later.keras").read_bytes()
    said(r"cannot be loaded \(.*; Keras 99\.1 saved it, here is 3\.", signed(later), later)
    (place / "model.keras").unlink()
    with pytest.raises(FolderError, match=r"model\.keras cannot be read"):
        image_folder.restore(place)


def test_command_line(folder, tmp_path):
    make_bad(folder)
    done = run(folder, "--size", "40", "--manifest", tmp_path / "m.csv")
    assert done.returncode == 1 and done.stdout.startswith("class") and (tmp_path / "m.csv").exists()
    assert "bad files of" in done.stderr and done.stderr.count("\n") == 1
    done = run(SKY, "--manifest", SKY / "m.csv")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "never changed" in done.stderr
    done = run(SKY)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].split() == ["all", "350", "1"] and not done.stderr
    done = run("predict", tmp_path / "none", folder)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "model.json cannot be read" in done.stderr
    assert run("--help").returncode == 0


def test_progress_that_cannot_be_printed_does_not_end_a_scan(tmp_path, monkeypatch):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(600):
            (tmp_path / kind / f"{i}.jpg").write_bytes(jpeg(i % 12 + 100 * (kind == "b")))
    closed = io.StringIO()
    closed.close()

    class Broken(io.StringIO):
        def write(self, _):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    for stream in (closed, Broken(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        pixels = scan(tmp_path).pixels
        monkeypatch.undo()
        assert len(pixels) == 24


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize(
    ("output", "status", "said"),
    [
        (">&-", 0, ""),
        ("> /dev/full", 1, "Nothing can be printed (No space left on device).\n"),
        ("| true", 1, ""),
        ("> /dev/null", 0, ""),
    ],
)
def test_the_command_line_without_a_reader_writes_its_files(folder, tmp_path, output, status, said):
    if "full" in output and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    words = f'"{sys.executable}" -m ownfiles.image_folder "$0" --manifest "$1"'
    shell = f'({words}; echo $? > "$2") {output}' if "|" in output else f'{words} {output}; echo $? > "$2"'
    files = [folder, tmp_path / "m.csv", tmp_path / "status"]
    done = subprocess.run(["sh", "-c", shell, *map(str, files)], capture_output=True, encoding="utf-8", timeout=120)
    assert done.stderr == said and int(files[2].read_text()) == status
    assert len(files[1].read_text(encoding="utf-8").splitlines()) == 25


def test_import_is_light():
    code = (
        "import sys, ownfiles.image_folder\n"
        "print(sorted({'keras', 'tensorflow', 'PIL', 'matplotlib'} & set(sys.modules)))"
    )
    assert run(code=code).stdout == "[]\n"
