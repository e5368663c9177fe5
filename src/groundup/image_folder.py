"""A folder of pictures, one subfolder a class: scanned, split, learned from, and used on new pictures.

    scan = image_folder.scan("my_photos", size=150)
    print(image_folder.table(scan))
    pictures = image_folder.load(scan)
    train, validation, test = image_folder.split(pictures)

The scan decodes each file once, with the only operation there is (`decode`), and keeps the pixels. Training uses those:
what passed the scan cannot fail in training, not even when its file changes or vanishes. Nothing in the folder is
deleted, moved, changed or made. On the command line:

    python -m groundup.image_folder my_photos                                      # the table
    python -m groundup.image_folder predict my_model new_photos --out answers.csv  # a saved model on new pictures
"""

import argparse
import contextlib
import csv
import errno
import hashlib
import io
import json
import mmap
import os
import re
import stat
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .session import import_keras

FORMATS = {
    "JPEG": (b"\xff\xd8",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "WEBP": (b"RIFF",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}  # what is decoded, and how such files begin
KERAS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # image_dataset_from_directory drops the rest
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
SYSTEM = ("__MACOSX", "Thumbs.db", "desktop.ini", "lost+found", "$RECYCLE.BIN", "System Volume Information", "@eaDir")
NOT_BAD = ("used", "duplicate", "hidden", "no class")  # all others count for max_bad
HIDDEN = "hidden", "It is hidden, or the system's own."
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}  # EXIF orientation -> what turns it upright
PREPROCESSING = "RGB 0..255, upright, transparent on white, middle square, bicubic"
TILE = re.compile(r"(.+?)[ _.-]+(?:tile|patch|crop|aug)[ _.-]*(?:\d+[ _.xX-]*)*$", re.IGNORECASE)


class FolderError(Exception):
    """A folder, file or model that cannot be used; the message says how to mend it, `scan` what was seen (or None)."""

    def __init__(self, message, scan=None):
        super().__init__(message)
        self.scan = scan

    def _render_traceback_(self):  # Jupyter shows this in place of a traceback
        return [f"FolderError: {self}"]


class File(NamedTuple):
    """One file below the folder."""

    path: str  # relative to the folder, with "/"
    kind: str  # its class, "" if it lies in none
    status: str  # one of STATUSES
    why: str  # a sentence if it is not used, else ""
    note: str  # what is unusual about a used one: turned upright, dropped by Keras
    width: int  # upright, in pixels; 0 if unknown
    height: int
    content: str  # SHA-256 of the pixels training sees, "" if they could not be decoded


class Scan(NamedTuple):
    """What a folder holds."""

    folder: Path
    classes: list  # of str, "2" before "10"
    files: list  # of File, class by class and sorted by path in each
    size: int
    pixels: np.ndarray  # (used files, size, size, 3) uint8, read-only; a memory-mapped file if above the budget


class Pictures(NamedTuple):
    """The used pictures of a folder, in the order of the scan."""

    images: np.ndarray  # (n, size, size, 3) uint8, red, green, blue in 0..255; read-only
    labels: np.ndarray  # (n,) int64, index into classes
    classes: list  # of str
    paths: list  # of str, relative to the folder
    contents: list  # of str, a hash of each picture
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
    kind: str  # the most probable class, "" if the file could not be decoded
    probability: float  # of that class; NaN if not decoded
    probabilities: dict  # class -> probability; empty if not decoded
    why: str  # a sentence if not decoded, else ""


class _Bad(Exception):
    """Why one file is not used: (status, a sentence, width, height)."""

    def __init__(self, status, why, width=0, height=0):
        super().__init__(status, why, width, height)


def decode(path, size, *, min_side=1, max_pixels=50_000_000):
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
        FolderError: names the file and why it cannot be used.
    """
    try:
        return _decode(path, size, min_side, max_pixels)[0]
    except _Bad as bad:
        raise FolderError(f"{_shown(path)} cannot be used: {bad.args[1]}") from None


def _decode(path, size, min_side, max_pixels):
    """(pixels, width, height, EXIF orientation) of a file, or _Bad, whatever it holds."""
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise _Bad("not a file", "It is a folder, pipe, socket or device.")
        if not state.st_size:
            raise _Bad("empty", "It has no bytes.")
        if state.st_size > 8 * max_pixels + 1_000_000:  # no picture within the limit takes more, 16-bit RGBA included
            raise _Bad("too large", f"It has {state.st_size:,} bytes, more than {max_pixels:,} pixels can take.")
        with open(path, "rb") as file, _strict_pillow() as Image:
            head = file.read(8)
            file.seek(0)
            with _silent(head), Image.open(file, formats=list(FORMATS)) as image:
                result = _pixels(Image, image, size, min_side, max_pixels)
            if head.startswith(FORMATS["PNG"]):  # whose checksums are compared only here
                file.seek(0)
                with Image.open(file, formats=["PNG"]) as image:
                    image.verify()
            return result
    except _Bad:
        raise
    except Exception as error:  # decoders of broken bytes raise anything: struct.error, KeyError, MemoryError
        if isinstance(error, OSError) and error.errno:
            raise _Bad(*_trouble(error)) from None
        said = str(error) or type(error).__name__
        said = "its header cannot be read" if "cannot identify" in said else said
        missing = head[:4] == b"RIFF" and int.from_bytes(head[4:], "little") + 8 > state.st_size
        if missing or isinstance(error, EOFError) or re.search(r"truncated|\beof\b", said, re.IGNORECASE):
            raise _Bad("truncated", f"It is cut short ({said}).") from None
        if head.startswith(tuple(start for starts in FORMATS.values() for start in starts)):
            raise _Bad("undecodable", f"It begins like a picture but is damaged ({said}).") from None
        raise _Bad("not an image", f"Its content is none of {', '.join(FORMATS)}.") from None


@contextlib.contextmanager
def _strict_pillow():
    """PIL.Image for a while without warnings, without mercy for truncated files, and with our pixel limit, not its."""
    from PIL import Image, ImageFile

    kept = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Image
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


def _pixels(Image, image, size, min_side, max_pixels):
    width, height = image.size
    if width * height > max_pixels:
        raise _Bad("too large", f"It has {width} x {height} pixels, more than {max_pixels:,}.", width, height)
    if min(width, height) < min_side:
        raise _Bad("too small", f"It has {width} x {height} pixels; each side needs {min_side}.", width, height)
    image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at 1/2, 1/4 or 1/8, never below twice the size
    turn = _orientation(image)
    image.load()
    todo = _orientation(image)  # a TIFF has turned itself by now
    if todo in TURNS:
        image = image.transpose(Image.Transpose[TURNS[todo]])
    if turn in (5, 6, 7, 8) and todo == turn:
        width, height = height, width
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise _Bad(
            "undecodable",
            "Its grey has 32 bits, and nothing says which value is white; save it with 8 or 16.",
            width,
            height,
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if side != size:
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image), width, height, turn


def _orientation(image):
    """EXIF orientation, 1 (upright) to 8; 1 where there is none or it cannot be read."""
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # broken EXIF data does not make a picture bad
        return 1


def _trouble(error):
    """(status, why) for what the file system refused."""
    if isinstance(error, PermissionError):
        return "no permission", "It may not be read by this user."
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "vanished", "It was there when the folder was listed, and is no longer."
    return "unreadable", f"It cannot be read ({error.strerror})."


def scan(
    folder, *, size, min_side=32, max_pixels=50_000_000, min_images=20, min_per_class=5, max_bad=0.3, budget_mb=1000
):
    """Decode every file below a folder of classes once; say of each whether it is used, or why not.

    Hidden are names that start with ".", those in SYSTEM (`__MACOSX`, Thumbs.db ...), and all below them. Links are
    used if they lead to a file in the folder. Of files with the same pixels the first is used; if they lie in two
    classes, none. Every 1,000 files a line is printed.

    Args:
        folder: path of the folder; each subfolder is a class, with pictures at any depth.
        size, min_side, max_pixels: as in `decode`.
        min_images, min_per_class: int, fewest used pictures in all and in each class.
        max_bad: float, largest share of bad files; hidden files, files outside the classes and duplicates do not count.
        budget_mb: float, megabytes that pixels may take in memory. If there are more, they go to a temporary file,
            which the system removes with the process; TMPDIR says where.

    Returns:
        Scan.

    Raises:
        FolderError: no such folder, a file, no classes or only one, an empty class, too few pictures, too many bad
            files, no room for the temporary file.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise FolderError(f"size is {size!r}; it needs to be a whole number of pixels, such as 150.")
    root = _existing(folder)
    found = sorted(_walk(root), key=lambda item: (_natural(item[0].split("/")[0]), item[0]))
    classes = sorted((item[0] for item in found if item[1] == "class"), key=_natural)
    found = [item for item in found if item[1] != "class"]
    if len(classes) < 2:
        has = f"has one class, '{_shown(classes[0])}'" if classes else "has no classes"
        links = [path for path, status, _ in found if status == "link" and "/" not in path]
        links = f" Links such as '{_shown(links[0])}' are not followed: give the folder they lead to." if links else ""
        raise FolderError(
            f"{_shown(folder)} {has}; it needs two or more subfolders, each with the pictures of a class." + links
        )
    candidates = sum(not status for _, status, _ in found)
    files, first = [], {}  # first: content -> index into files
    try:
        store = tempfile.TemporaryFile() if candidates * size * size * 3 > budget_mb * 1e6 else io.BytesIO()
        with store:
            for path, status, why in found:
                if len(files) % 1000 == 999:
                    print(f"{len(files) + 1} of {len(found)} files read")
                kind = path.split("/")[0] if path.split("/")[0] in classes else ""
                note, width, height, content = "", 0, 0, ""
                if not status:
                    try:
                        pixels, width, height, turn = _decode(os.path.join(root, path), size, min_side, max_pixels)
                    except _Bad as bad:
                        status, why, width, height = bad.args
                    else:
                        content = hashlib.sha256(pixels).hexdigest()
                        status, note = "used", _note(path, turn)
                        if content in first:
                            status, note = "duplicate", ""
                            why = f"It has the same pixels as {_shown(files[first[content]].path)}."
                        else:
                            first[content] = len(files)
                            store.write(pixels)
                files.append(File(path, kind, status, why, note, width, height, content))
            files, rows = _contradictions(files, first)
            pixels = _stored(store, rows, size)
    except OSError as error:
        raise FolderError(
            f"The pixels, {candidates * size * size * 3 / 1e6:.0f} MB, do not fit into a temporary file "
            f"in {tempfile.gettempdir()} ({error.strerror}); make room, let TMPDIR name another folder, "
            "or raise budget_mb if there is memory."
        ) from None
    scan = Scan(Path(folder), classes, files, int(size), pixels)
    _refuse(scan, min_images, min_per_class, max_bad)
    return scan


def _existing(folder):
    """The real path of an existing folder, or FolderError."""
    if not str(folder).strip():
        raise FolderError("The folder's name is empty; give the path of a folder of pictures.")
    root = os.path.realpath(os.path.expanduser(str(folder).replace("\0", "?")))
    if not os.path.isdir(root):
        if os.path.exists(root):
            raise FolderError(f"{_shown(folder)} is a file; give the folder that holds one subfolder a class.")
        raise FolderError(f"There is no folder {_shown(folder)}; seen from {os.getcwd()}, check its spelling.")
    try:
        os.scandir(root).close()
    except OSError as error:
        raise FolderError(f"{_shown(folder)} cannot be listed ({error.strerror}); ask its owner.") from None
    return root


def _walk(root):
    """Yields (path relative to root, status, why) of every file; status is "" if only decoding can tell, "class" for a
    visible folder right below root."""
    stack = [("", False)]
    while stack:
        inside, hidden = stack.pop()
        try:
            with os.scandir(os.path.join(root, inside)) as entries:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]
        except OSError as error:
            yield inside, *(HIDDEN if hidden else _trouble(error))
            continue
        for name, is_folder, is_link in entries:
            path = f"{inside}/{name}" if inside else name
            concealed = hidden or name.startswith(".") or name in SYSTEM
            if is_folder:
                stack.append((path, concealed))
                if not inside and not concealed:
                    yield path, "class", ""
            elif concealed:
                yield path, *HIDDEN
            elif is_link and (reason := _link(root, path)):
                yield path, *reason
            elif not inside:
                yield path, "no class", "It lies beside the class folders, not in one."
            else:
                yield path, "", ""


def _link(root, path):
    """(status, why) for a link that is not followed, None for one to a file in the folder."""
    try:
        target = os.path.realpath(os.path.join(root, path), strict=True)
    except OSError as error:
        if isinstance(error, PermissionError):
            return _trouble(error)
        return "link", "It is a link in a loop." if error.errno == errno.ELOOP else "It is a link to nothing."
    if not target.startswith(os.path.join(root, "")):
        return "link", "It is a link out of the folder."
    return ("link", "It is a link to a folder.") if os.path.isdir(target) else None


def _note(path, turn):
    """What is unusual about a picture that is used."""
    extension = os.path.splitext(path)[1].lower()
    notes = [f"turned upright (EXIF {turn})"] if turn in TURNS else []
    if extension not in KERAS:
        notes.append(f"dropped by Keras ({_shown(extension) or 'no extension'})")
    return "; ".join(notes)


def _contradictions(files, first):
    """The files once more, with status "two classes" where it applies, and the stored rows that stay in use."""
    kinds = {}
    for file in files:
        if file.content:
            kinds.setdefault(file.content, {}).setdefault(file.kind, file.path)
    for i, file in enumerate(files):
        if others := [path for kind, path in kinds.get(file.content, {}).items() if kind != file.kind]:
            why = f"The same pixels lie in another class: {_shown(others[0])}."
            files[i] = file._replace(status="two classes", why=why, note="")
    return files, [row for row, i in enumerate(first.values()) if files[i].status == "used"]


def _stored(store, rows, size):
    """Rows of the store as a read-only uint8 array (n, size, size, 3): in memory, or mapped from the file."""
    length = size * size * 3
    for to, row in enumerate(rows):  # close the gaps
        if to != row:
            store.seek(row * length)
            pixels = store.read(length)
            store.seek(to * length)
            store.write(pixels)
    store.truncate(len(rows) * length)
    store.flush()
    shape = len(rows), size, size, 3
    if isinstance(store, io.BytesIO) or not rows:
        return np.frombuffer(store.getvalue() if rows else b"", np.uint8).reshape(shape)
    return np.memmap(store, np.uint8, "r", shape=shape)


def _refuse(scan, min_images, min_per_class, max_bad):
    """Raises FolderError where there is too little to learn from."""
    where = _shown(scan.folder)
    counts = Counter(file.kind for file in scan.files if file.status == "used")
    for kind in scan.classes:
        if counts[kind] < max(1, min_per_class):
            lost = [file for file in scan.files if file.kind == kind and file.status != "used"]
            has = f"{counts[kind]} usable pictures, fewer than {min_per_class}" if counts[kind] else "no usable picture"
            raise FolderError(
                f"Class '{_shown(kind)}' in {where} has {has}{_reasons(lost)}; add pictures to it, or "
                "move its folder elsewhere.",
                scan,
            )
    if counts.total() < min_images:
        lost = [file for file in scan.files if file.status not in NOT_BAD]
        raise FolderError(
            f"{where} has {counts.total()} usable pictures, fewer than {min_images}{_reasons(lost)}; add pictures.",
            scan,
        )
    seen = [file for file in scan.files if file.status not in ("hidden", "no class")]
    lost = [file for file in seen if file.status not in NOT_BAD]
    if len(lost) > max_bad * len(seen):
        raise FolderError(
            f"{where} has {len(lost)} bad files of {len(seen)}, more than {max_bad:.0%}{_reasons(lost)}; "
            "mend or move them, or raise max_bad.",
            scan,
        )


def _reasons(files):
    """ " (3 truncated, 1 empty; such as cat/a.jpg)", or "" for no files."""
    counts = Counter(file.status for file in files)
    words = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    return f" ({words}; such as {_shown(files[0].path)})" if files else ""


def _natural(name):
    """Sort key by which "2" comes before "10"."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)], name


def _shown(name):
    """A file's name as it can be printed anywhere: bytes that are not UTF-8 and control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fsdecode(name))


def table(scan):
    """str: a table, a line for each class, of how many files are used, and not used for which reason."""
    statuses = [status for status in STATUSES if status == "used" or any(f.status == status for f in scan.files)]
    counts = Counter((file.kind, file.status) for file in scan.files)
    kinds = [*scan.classes, *([""] if any(not file.kind for file in scan.files) else [])]
    rows = [["class", *statuses]]
    rows += [[_shown(kind) or "(none)", *(str(counts[kind, status]) for status in statuses)] for kind in kinds]
    rows.append(["all", *(str(sum(counts[kind, status] for kind in kinds)) for status in statuses)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{row[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    for word in ("turned upright", "dropped by Keras"):
        if number := sum(word in file.note for file in scan.files):
            lines.append(f"of the used, {word}: {number}")
    return "\n".join(lines)


def write_manifest(scan, file):
    """Write what the scan found as CSV: path, class, status, why, note, width, height, content; a row for each file.

    Args:
        scan: Scan.
        file: path of the CSV, replaced in one step; bytes of names that are not UTF-8 are written as escapes.

    Raises:
        FolderError: the CSV would lie in the scanned folder, in which nothing is ever made, or cannot be written.
    """
    root = os.path.realpath(os.path.expanduser(scan.folder))
    if os.path.realpath(os.path.expanduser(file)).startswith(os.path.join(root, "")):
        raise FolderError(f"{_shown(file)} lies in the folder of the pictures, never changed; write it elsewhere.")
    _write_csv(file, [["path", "class", *File._fields[2:]], *scan.files])


def _write_csv(file, rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    _write(file, text.getvalue().encode("utf-8", "backslashreplace"))


def _write(file, content):
    """Replace a file by bytes in one step: it is never half written."""
    file = os.path.realpath(os.path.expanduser(file))
    part = f"{file}.part-{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        try:
            Path(part).write_bytes(content)
            os.replace(part, file)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise FolderError(f"{_shown(file)} cannot be written ({error.strerror}); choose another place.") from None


def load(scan):
    """The used pictures of a scan as arrays; nothing is read or decoded again, and nothing copied.

    Args:
        scan: Scan.

    Returns:
        Pictures. `images` above the budget is mapped from a file: `images[i]` reads one picture; give it to Keras by
        `batches`, since `model.fit(images, ...)` would copy all of it into memory.
    """
    used = [file for file in scan.files if file.status == "used"]
    labels = np.array([scan.classes.index(file.kind) for file in used], dtype=np.int64)
    counts = np.bincount(labels, minlength=len(scan.classes))
    weights = {i: float(len(used) / (len(counts) * count)) for i, count in enumerate(counts) if count}
    return Pictures(
        scan.pixels,
        labels,
        list(scan.classes),
        [file.path for file in used],
        [file.content for file in used],
        weights,
        float(counts.max() / max(1, len(used))),
    )


def tiles(path):
    """The object that a tile shows, by its name: "galaxy/m31_tile_07.jpg" -> "galaxy/m31"; "" if the name says nothing.

    The marks are tile, patch, crop and aug at the end of a name, with numbers or without. A bare number is none: in
    IMG_001.jpg, IMG_002.jpg it counts photographs, not pieces of one.
    """
    inside, _, name = path.rpartition("/")
    match = TILE.match(os.path.splitext(name)[0])
    return f"{inside}/{match[1]}" if match else ""


def split(pictures, shares=(0.7, 0.15, 0.15), *, group=None, seed=0):
    """Deal the pictures to sides (training, validation, test) by a hash of what they show.

    A picture's side depends on its pixels alone (on its object's name, if it has one): renamed, moved or among newly
    added files it stays on its side. So each class is dealt with the same shares, but as chance does it: of n pictures
    a side gets n * share, give or take sqrt(n * share * (1 - share)). Where a class would have no picture on a side, as
    happens to small ones, that class is dealt with the next seed that mends it; only such a class may be dealt anew
    when it grows. Classes that share objects are dealt together.

    Args:
        pictures: Pictures or Scan.
        shares: the share of each side, floats of sum 1.
        group: function of a path relative to the folder to the name of the object it shows, or photographer, or
            night: pictures of one name are never on two sides. A picture with the name "" is its own object.
            None: `tiles`.
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
    names = [str((group or tiles)(path) or "") for path in pictures.paths]
    names = [
        f"object {name}" if name else f"pixels {content}"
        for name, content in zip(names, pictures.contents, strict=True)
    ]
    objects, members = np.unique(np.array(names, dtype=object), return_inverse=True)
    sizes = np.zeros((len(objects), len(pictures.classes)))
    np.add.at(sizes, (members, pictures.labels), 1)
    seen = sizes > 0
    for kind, number in zip(pictures.classes, seen.sum(axis=0), strict=True):
        if number < parts:
            raise FolderError(
                f"Class '{_shown(kind)}' has {number} objects for {parts} parts, and none may be in two; "
                "add pictures of other objects, or ask for fewer parts."
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
            few = "' and '".join(_shown(pictures.classes[label]) for label in classes)
            raise FolderError(
                f"None of 1,000 ways to deal class '{few}' has it in all {parts} parts; add pictures of "
                "other objects, ask for fewer or more even parts, or give a finer group."
            )
        totals += np.bincount(result[inside], sizes[inside].sum(axis=1), minlength=parts)
    return result[members]


def batches(pictures, indices, size=32, *, shuffle=True, seed=0):
    """The pictures as a keras.utils.PyDataset for `fit`, `evaluate` and `predict`, for folders above the budget too.

    A batch is copied from the decoded pixels when it is needed; no more than some batches are in memory at once.

    Args:
        pictures: Pictures.
        indices: (m,) int array, which of them, such as a side of `split`.
        size: int, pictures a batch.
        shuffle: bool, whether each epoch has its own order (for `predict` give False).
        seed: int, of the orders.

    Returns:
        keras.utils.PyDataset of (images (size, s, s, 3) uint8, labels (size,) int64).
    """
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.random, self.order = np.random.default_rng(seed), np.array(indices)
            self.on_epoch_end()

        def __len__(self):
            return -(-len(self.order) // size)

        def on_epoch_end(self):
            if shuffle:
                self.order = self.random.permutation(self.order)

        def __getitem__(self, i):
            which = self.order[i * size : (i + 1) * size]
            result = np.asarray(pictures.images[which]), pictures.labels[which]
            if isinstance(pictures.images, np.memmap) and hasattr(pictures.images._mmap, "madvise"):
                pictures.images._mmap.madvise(mmap.MADV_DONTNEED)  # the pages leave this process, not the file
            return result

    return Batches()


def save(model, pictures, folder):
    """Save a model with its class names and the size of its pictures: `model.keras` and `model.json` in one folder.

    Each file is replaced in one step, and the JSON holds the model's hash: a save cut short is noticed by `restore`.

    Args:
        model: keras.Model of (n, size, size, 3) pictures in 0..255, with an output a class that are probabilities
            (softmax), or one for two classes (sigmoid: the probability of the second).
        pictures: Pictures or Scan it was trained on, or a pair (classes, size).
        folder: path, made if it is not there.

    Returns:
        pathlib.Path of the folder.

    Raises:
        FolderError: the model does not fit the classes and the size, or the folder cannot be written.
    """
    if isinstance(pictures, Pictures):
        classes, size = pictures.classes, pictures.images.shape[1]
    else:
        classes, size = (pictures.classes, pictures.size) if isinstance(pictures, Scan) else pictures
    saved = Saved(model, list(map(str, classes)), int(size))
    if fault := _misfit(saved):
        raise FolderError(f"The model is not saved: {fault}.")
    folder = Path(folder).expanduser()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.keras"
        model.save(file)
        content = file.read_bytes()
    about = {
        "classes": saved.classes,
        "size": saved.size,
        "pictures": PREPROCESSING,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    _write(folder / "model.keras", content)
    _write(folder / "model.json", json.dumps(about, indent=1).encode())
    return folder


def restore(folder):
    """A model saved by `save`, ready to predict (not compiled).

    Args:
        folder: path given to `save`.

    Returns:
        Saved.

    Raises:
        FolderError: a file of it is missing, broken, or does not fit the other.
    """
    folder = Path(folder).expanduser()
    again = "save the model again with image_folder.save"
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        content = (folder / "model.keras").read_bytes()
    except OSError as error:
        raise FolderError(
            f"{_shown(error.filename)} cannot be read ({error.strerror}); give a folder written by image_folder.save."
        ) from None
    except ValueError as error:
        raise FolderError(f"{_shown(folder / 'model.json')} is broken ({error}); {again}.") from None
    fits = isinstance(about, dict) and isinstance(about.get("classes"), list) and isinstance(about.get("size"), int)
    if not fits or not all(isinstance(kind, str) for kind in about["classes"]):
        raise FolderError(f"{_shown(folder / 'model.json')} lacks the list classes or the number size; {again}.")
    if about.get("sha256") != hashlib.sha256(content).hexdigest() or about.get("pictures") != PREPROCESSING:
        raise FolderError(f"{_shown(folder)}: model.json and model.keras are not of one save; {again}.")
    keras = import_keras()
    try:
        model = keras.models.load_model(folder / "model.keras", compile=False)  # safe_mode stays on: no code is run
    except Exception as error:  # Keras raises many kinds
        raise FolderError(
            f"{_shown(folder / 'model.keras')} cannot be loaded ({_first_line(error)}); {again}, "
            "without Lambda layers or layers of your own."
        ) from None
    saved = Saved(model, about["classes"], about["size"])
    if fault := _misfit(saved):
        raise FolderError(f"{_shown(folder)}: {fault}; {again}.")
    return saved


def _misfit(saved):
    """Why a model does not fit its classes and size, or ""."""
    model, classes, size = saved
    if len(set(classes)) != len(classes) or len(classes) < 2:
        return f"its classes are {classes}, but need to be two or more different names"
    wanted, seen = (None, size, size, 3), getattr(model, "input_shape", None)
    if seen and (len(seen) != 4 or any(a not in (None, b) for a, b in zip(seen, wanted, strict=True))):
        return f"its input is {seen}, the pictures are {wanted}"
    try:
        _probabilities(saved, np.zeros((1, size, size, 3), np.uint8))
    except FolderError as error:
        return str(error)
    except Exception as error:  # Keras raises many kinds
        return f"it fails on a black picture ({_first_line(error)})"
    return ""


def _first_line(error):
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _probabilities(saved, images):
    """(n, classes) float64 for (n, size, size, 3) uint8 pictures, or FolderError for an output that is none."""
    result = np.asarray(saved.model.predict_on_batch(images), dtype=np.float64)
    if result.shape == (len(images), 1) and len(saved.classes) == 2:
        result = np.concatenate([1 - result, result], axis=1)
    if result.shape != (len(images), len(saved.classes)):
        raise FolderError(f"its output has shape {result.shape[1:]}, the classes are {len(saved.classes)}")
    if not (result.min() >= 0 and np.allclose(result.sum(axis=1), 1, atol=1e-3)):
        raise FolderError("its outputs are no probabilities; let it end in a softmax (or a sigmoid, for two classes)")
    return result


def predict(saved, pictures):
    """What a model says of new pictures.

    Args:
        saved: Saved.
        pictures: path of a folder, whose files are taken at any depth, or of a file, or a list of paths of files.

    Returns:
        list of Prediction, a row for each file: sorted by path relative to the folder, or in the order of the list. A
        file that cannot be decoded has a row that says why.

    Raises:
        FolderError: no such folder or file, or a folder without files.
    """
    if isinstance(pictures, str | os.PathLike):
        if os.path.isfile(os.path.expanduser(pictures)):
            root, found = "", [(os.path.expanduser(pictures), "", "")]
        else:
            root = _existing(pictures)
            found = sorted(item for item in _walk(root) if item[1] != "class")
            if not found:
                raise FolderError(f"{_shown(pictures)} has no files; give a folder with pictures in it.")
    else:
        root, found = "", [(os.fspath(path), "", "") for path in pictures]
    rows, waiting = [], []  # waiting: (number of a row, pixels)

    def answer():
        answers = _probabilities(saved, np.stack([pixels for _, pixels in waiting])) if waiting else []
        for (i, _), chances in zip(waiting, answers, strict=True):
            best = int(np.argmax(chances))
            chances = dict(zip(saved.classes, map(float, chances), strict=True))
            rows[i] = Prediction(rows[i].path, saved.classes[best], chances[saved.classes[best]], chances, "")
        waiting.clear()

    for path, status, why in found:
        if status in ("", "no class"):
            try:
                waiting.append((len(rows), _decode(os.path.join(root, path), saved.size, 1, 50_000_000)[0]))
                why = ""
            except _Bad as bad:
                why = bad.args[1]
        rows.append(Prediction(path, "", float("nan"), {}, why))
        if len(waiting) == 32:
            answer()
    answer()
    return rows


def write_predictions(rows, file):
    """Write predictions as CSV: path, class, probability, why, and a column p(class) for each class.

    Args:
        rows: list of Prediction.
        file: path of the CSV, replaced in one step.

    Raises:
        FolderError: it cannot be written.
    """
    classes = next((list(row.probabilities) for row in rows if row.probabilities), [])
    lines = [["path", "class", "probability", "why", *(f"p({kind})" for kind in classes)]]
    for row in rows:
        chances = [f"{row.probabilities[kind]:.6f}" for kind in classes] if row.kind else [""] * len(classes)
        lines.append([row.path, row.kind, f"{row.probability:.6f}" if row.kind else "", row.why, *chances])
    _write_csv(file, lines)


def main(arguments):
    """The command line. Returns the exit status: None, or the sentence of what went wrong."""
    predicting = arguments[:1] == ["predict"]
    parser = argparse.ArgumentParser(
        prog="python -m groundup.image_folder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if predicting:
        parser.add_argument("predict")
        parser.add_argument("model", help="folder written by image_folder.save")
        parser.add_argument("pictures", help="folder of new pictures, or one file")
        parser.add_argument("--out", default="predictions.csv", help="CSV to write (default: %(default)s)")
    else:
        parser.add_argument("folder", help="folder with one subfolder a class (one named predict: ./predict)")
        parser.add_argument("--size", type=int, default=150, help="pixels a side (default: %(default)s)")
        parser.add_argument("--manifest", help="CSV to write, with a row for each file")
    chosen = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")
    seen, fault = None, None
    try:
        if predicting:
            rows = predict(restore(chosen.model), chosen.pictures)
            write_predictions(rows, chosen.out)
            done = sum(not row.why for row in rows)
            left = len(rows) - done
            print(f"{done} pictures predicted, {left} file{'s' * (left != 1)} not; see {_shown(chosen.out)}")
        else:
            seen = scan(chosen.folder, size=chosen.size)
    except FolderError as error:
        seen, fault = error.scan, str(error)
    if seen:
        print(table(seen))
        if chosen.manifest:
            write_manifest(seen, chosen.manifest)
    return fault


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FolderError as error:
        sys.exit(str(error))
