"""One picture from its file to the pixels that a network sees."""

import contextlib
import hashlib
import io
import os
import re
import stat
import warnings
import zlib

import numpy as np

from .base import Bad, FolderError, shown, trouble

FORMATS = {
    "JPEG": (b"\xff\xd8",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "WEBP": (b"RIFF",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}  # what is decoded, and how such files begin
PREPROCESSING = "RGB 0..255, upright, transparent on white, middle square, bicubic"
MAX_PIXELS = 50_000_000  # a width * height above this is not decoded, unless another limit is given
TURNED = range(2, 9)  # the EXIF orientations that are not upright
SIDEWAYS = range(5, 9)  # those that swap width and height


def decode(path, size, *, min_side=1, max_pixels=MAX_PIXELS):
    """The pixels of one picture: the one operation by which scan, training and prediction see files.

    All of the file is decoded, so a truncated one is found. The first frame counts; EXIF orientation is applied; grey,
    palette, CMYK and 16-bit (its high byte) become RGB, colour profiles are ignored; what is transparent shows white,
    as on a page. The square in the middle is kept and resized (bicubic): shapes stay true, a round galaxy is never
    squashed, at the price of the edges. A picture of size x size comes out unchanged. Not for several threads at once.

    Args:
        path: a JPEG, PNG, GIF, BMP, WebP or TIFF file, whatever its extension.
        size: int, pixels a side of the result.
        min_side: int, the shortest side accepted, in pixels.
        max_pixels: int, the largest width * height, compared before anything is decoded.

    Returns:
        (size, size, 3) uint8 array: red, green, blue in 0..255.

    Raises:
        FolderError: names the file and why it cannot be used; or Pillow, which decodes, cannot be imported.
    """
    try:
        return decoded(path, size, min_side, max_pixels)[0]
    except Bad as bad:
        raise FolderError(f"{shown(path)} cannot be used: {bad.args[1]}") from None


def decoded(path, size, min_side, max_pixels):
    """(pixels, width, height, EXIF orientation) of a file, or Bad, whatever it holds."""

    def work(image):
        image, *about = _upright(image, size, min_side, max_pixels)
        return _resized(_rgb(_middle(image), "white"), size), *about

    return _read(path, max_pixels, work)


def digest(path):
    """SHA-256 of a file's bytes, in hexadecimal digits, or Bad."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise Bad(*trouble(error)) from None


def difference(path, other, size, max_pixels, seen):
    """Why two files whose pixels came out equal look different all the same, and the way out; "" if they do not.

    Args:
        path, other: two files.
        size, max_pixels: as they were decoded.
        seen: dict that keeps what was found of each file, for other pairs.

    Returns:
        str, a sentence, or "" (also if a file cannot be read any more).
    """

    def work(image):
        image = _upright(image, size, 1, max_pixels)[0]
        middle = _middle(image)
        on_white = _rgb(middle, "white")
        views = _resized(_rgb(middle, "black"), size), _resized(_rgb(image, "white"), size), np.asarray(on_white)
        return [hashlib.sha256(f"{view.shape}".encode() + view.tobytes()).digest() for view in views]

    for file in (path, other):
        if file not in seen:
            try:
                seen[file] = _read(file, max_pixels, work)
            except Bad:
                seen[file] = None
    if not seen[path] or not seen[other]:
        return ""
    on_black, with_edges, in_full = (a != b for a, b in zip(seen[path], seen[other], strict=True))
    if on_black:
        return (
            "They differ where they are transparent, which shows white here; save them on a ground of another colour."
        )
    if with_edges:
        return "They differ at the edges, and only the middle square is used; crop them, or pad them to squares."
    if in_full:
        return f"They differ only in what {size} x {size} pixels do not show; choose a larger size."
    return ""


def _read(path, max_pixels, work):
    """work(image) for the opened picture, or Bad, whatever the file holds."""
    Image = _pillow()[0]
    head, length = b"", 0
    try:
        state = os.stat(path)
        length = state.st_size
        if not stat.S_ISREG(state.st_mode):
            raise Bad("not a file", "It is a folder, pipe, socket or device.")
        if not length:
            raise Bad("empty", "It has no bytes.")
        if length > 8 * max_pixels + 1_000_000:  # no picture within the limit takes more, 16-bit RGBA included
            raise Bad("too large", f"It has {length:,} bytes, more than {max_pixels:,} pixels can take.")
        with open(path, "rb") as file, _strict_pillow():
            head = file.read(8)
            with _silent(head):
                worked = _worked_png if head.startswith(FORMATS["PNG"]) else _worked
                return worked(Image, file, work)
    except Bad:
        raise
    except Exception as error:  # decoders of broken bytes raise anything: struct.error, KeyError, MemoryError
        raise _told(error, head, length) from None


def _worked(Image, file, work):
    """work(image) for the picture in a stream."""
    file.seek(0)
    with Image.open(file, formats=list(FORMATS)) as image:
        return work(image)


def _worked_png(Image, file, work):
    """The same for a PNG: checksums are compared; if it cannot be used whole, then without texts and profiles."""
    for whole in (True, False):
        stream = file if whole else _bare_png(file)
        try:
            result = _worked(Image, stream, work)
            _worked(Image, stream, lambda image: image.verify())
            return result
        except Bad:
            raise
        except Exception as error:
            damage = error
    raise damage


def _told(error, head, length):
    """The Bad that says what an error means for a file of this length that begins with these bytes."""
    if isinstance(error, OSError) and error.errno:
        return Bad(*trouble(error))
    said = shown(str(error) or type(error).__name__)
    if isinstance(error, ValueError) and not head:  # a NUL, or letters that the system cannot write
        return Bad("unreadable", f"No file can have such a name ({said}).")
    said = "its header cannot be read" if "cannot identify" in said else said
    missing = head[:4] == b"RIFF" and int.from_bytes(head[4:], "little") + 8 > length
    if missing or isinstance(error, EOFError) or re.search(r"truncated|\beof\b", said, re.IGNORECASE):
        return Bad("truncated", f"It is cut short ({said}).")
    if head.startswith(tuple(start for starts in FORMATS.values() for start in starts)):
        return Bad("undecodable", f"It begins like a picture but is damaged ({said}).")
    return Bad("not an image", f"Its content is none of {', '.join(FORMATS)}.")


def _pillow():
    """The modules Image, ImageFile and ImageOps of Pillow, imported when they are first needed."""
    try:
        from PIL import Image, ImageFile, ImageOps
    except ImportError as error:
        raise FolderError(
            f"Pillow, which decodes pictures, cannot be imported ({error}); 'make doctor' says how to mend it."
        ) from None
    return Image, ImageFile, ImageOps


@contextlib.contextmanager
def _strict_pillow():
    """Pillow for a while without warnings, without mercy for truncated files, and with our pixel limit, not its."""
    Image, ImageFile, _ = _pillow()
    kept = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = kept


@contextlib.contextmanager
def _silent(head):
    """File descriptor 2 leads nowhere while a TIFF is decoded: libtiff complains there, from C."""
    try:
        kept = os.dup(2) if head[:2] in (b"II", b"MM") else None
    except OSError:  # there is none
        kept = None
    if kept is None:
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _bare_png(file):
    """A PNG as a stream with no more than its pixels, palette, transparency and intact EXIF data.

    Pillow refuses large texts and colour profiles, and wrong checksums in them; no viewer does.
    """
    file.seek(0)
    content, at = file.read(), 8
    kept = [content[:at]]
    while at + 8 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        tag, checksum = content[at + 4 : at + 8], content[end - 4 : end]
        needed = tag[:1].isupper() or tag == b"tRNS" or end > len(content)  # the last: to find it cut short
        if needed or (tag == b"eXIf" and zlib.crc32(content[at + 4 : end - 4]).to_bytes(4, "big") == checksum):
            kept.append(content[at:end])
        at = end
    return io.BytesIO(b"".join(kept))


def _upright(image, size, min_side, max_pixels):
    """(the whole picture, width, height, EXIF orientation); a large JPEG is decoded at a part of its size."""
    ImageOps = _pillow()[2]
    width, height = image.size
    if width * height > max_pixels:
        raise Bad("too large", f"It has {width} x {height} pixels, more than {max_pixels:,}.", width, height)
    if min(width, height) < min_side:
        raise Bad("too small", f"It has {width} x {height} pixels; each side needs {min_side}.", width, height)
    image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at 1/2, 1/4 or 1/8, never below twice the size
    turn = _orientation(image)
    image.load()
    if turn in SIDEWAYS and _orientation(image) == turn:  # a TIFF has turned itself by now, in its size too
        width, height = height, width
    if image.mode in ("I", "F"):
        why = "Its grey has 32 bits, and nothing says which value is white; save it with 8 or 16."
        raise Bad("undecodable", why, width, height)
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # broken EXIF data does not make a picture bad; where the orientation was read, it has turned
        pass
    return image, width, height, turn


def _orientation(image):
    """EXIF orientation, 1 (upright) to 8; 1 where there is none or it cannot be read."""
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:
        return 1


def _middle(image):
    """The square in the middle."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _rgb(image, ground):
    """A picture of any mode as RGB, on a ground of this colour where it is transparent."""
    Image = _pillow()[0]
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, ground), image)
    return image.convert("RGB")


def _resized(image, size):
    """(size, size, 3) uint8 array of an RGB picture, which is squashed if it is no square."""
    if image.size != (size, size):
        image = image.resize((size, size), _pillow()[0].Resampling.BICUBIC)
    return np.asarray(image)
