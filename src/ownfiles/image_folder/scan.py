"""A folder of classes from its files to arrays: every file decoded once, with a status, and why it is not used."""

import hashlib
import io
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from .base import STATUSES, Bad, File, FolderError, Pictures, Scan, shown
from .decode import MAX_PIXELS, TURNED, decoded, difference, digest
from .files import concealed, existing, refuse_inside, say, walk, write_csv

KERAS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # image_dataset_from_directory drops the rest
NOT_BAD = ("used", "duplicate", "hidden", "no class")  # all others count for max_bad
SIDES = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}  # folders with names of two of these are sides of a split, no classes


def scan(
    folder, *, size, min_side=32, max_pixels=MAX_PIXELS, min_images=20, min_per_class=5, max_bad=0.3, budget_mb=1000
):
    """Decode every file below a folder of classes once; say of each whether it is used, or why not.

    Hidden are names that start with ".", those that systems make (`__MACOSX`, Thumbs.db ...), and all below them. Links
    are used if they lead to a file in the folder. Of files with the same pixels the first is used; if they lie in two
    classes, none. Such files are read a second time, to say whether they differ in what training does not see: in
    transparent parts, at the edges, in fine detail. Every 1,000 files a line is printed.

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
        FolderError: no such folder, a file, no classes or only one, sides such as train and test in place of classes,
            an empty class, too few pictures, too many bad files, no room for the temporary file, no Pillow.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise FolderError(f"size is {size!r}; it needs to be a whole number of pixels, such as 150.")
    root = existing(folder)
    found = sorted(walk(root), key=lambda item: (_natural(_label(item[0])), item[0]))
    classes = sorted({_label(path) for path, status, _ in found if status == "class"}, key=_natural)
    found = [item for item in found if item[1] != "class"]
    _refuse_folders(folder, root, classes, found)
    length = sum(not status for _, status, _ in found) * size * size * 3
    files, first = [], {}  # first: content -> index into files
    try:
        store = tempfile.TemporaryFile() if length > budget_mb * 1e6 else io.BytesIO()
        with store:
            for path, status, why in found:
                if len(files) % 1000 == 999:
                    say(f"{len(files) + 1} of {len(found)} files read")
                label = _label(path) if _label(path) in classes else ""
                note, width, height, content, source = "", 0, 0, "", ""
                if not status:
                    try:
                        pixels, width, height, turn = decoded(os.path.join(root, path), size, min_side, max_pixels)
                        source = digest(os.path.join(root, path))
                    except Bad as bad:
                        status, why, width, height = bad.args
                    else:
                        content = hashlib.sha256(pixels).hexdigest()
                        status, note = "used", _note(path, turn)
                        if content not in first:
                            first[content] = len(files)
                            store.write(pixels)
                files.append(File(path, label, status, why, note, width, height, content, source))
            files = _without_equals(files, root, size, max_pixels)
            pixels = _stored(store, [row for row, i in enumerate(first.values()) if files[i].status == "used"], size)
    except OSError as error:  # of the temporary file: decoding keeps its own to itself
        raise FolderError(
            f"The pixels, {length / 1e6:.0f} MB, do not fit into a temporary file "
            f"in {tempfile.gettempdir()} ({error.strerror}); make room, let TMPDIR name another folder, "
            "or raise budget_mb if there is memory."
        ) from None
    scan = Scan(Path(folder), classes, files, int(size), pixels)
    _refuse(scan, min_images, min_per_class, max_bad)
    return scan


def _label(path):
    """The top folder of a path as it is shown: its class, if it is one."""
    return shown(path.split("/")[0])


def _refuse_folders(folder, root, classes, found):
    """Raises FolderError where the folders cannot be classes."""
    sides = {label: SIDES[label.strip().casefold()] for label in classes if label.strip().casefold() in SIDES}
    several = len(set(sides.values())) > 1
    if len(classes) > 1 and not several:
        return
    where = shown(folder)
    inner = {label: _folders(root, label) for label in classes}
    deep = next((label for label in classes if len(inner[label]) > 1), None)
    inside = deep and f"'{shown(inner[deep][0])}' and '{shown(inner[deep][1])}'"
    if several:
        names = ", ".join(f"'{label}'" for label in sides)
        way = (
            f"the classes seem to be its subfolders, such as {inside}: give {where}/{deep}, which is split by itself"
            if deep
            else "give a folder with one subfolder a class, which is split by itself"
        )
        raise FolderError(
            f"The subfolders of {where}, {names}, have the names of sides of a split, not of classes; {way}. "
            "If they are classes, rename them."
        )
    links = [path for path, status, _ in found if status == "link" and "/" not in path]
    hint = f" Links such as '{shown(links[0])}' are not followed: give the folder they lead to." if links else ""
    hint += f" If {inside} in it are classes, give {where}/{deep}." if deep else ""
    has = f"has one class, '{classes[0]}'" if classes else "has no classes"
    raise FolderError(f"{where} {has}; it needs two or more subfolders, each with the pictures of a class." + hint)


def _folders(root, label):
    """The names of the visible folders in a folder of root, sorted; none if they cannot be listed."""
    try:
        with os.scandir(os.path.join(root, label)) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not concealed(entry.name))
    except OSError:
        return []


def _note(path, turn):
    """What is unusual about a picture that is used."""
    extension = os.path.splitext(path)[1].lower()
    notes = [f"turned upright (EXIF {turn})"] if turn in TURNED else []
    if extension not in KERAS:
        notes.append(f"dropped by Keras ({shown(extension) or 'no extension'})")
    return "; ".join(notes)


def _without_equals(files, root, size, max_pixels):
    """The files once more: of those with equal pixels one stays "used", or none if they lie in two classes."""
    first, labels, seen = {}, {}, {}  # content -> path; content -> class -> path; for `difference`
    for file in files:
        if file.content:
            first.setdefault(file.content, file.path)
            labels.setdefault(file.content, {}).setdefault(file.label, file.path)
    result = []
    for file in files:
        others = [path for label, path in labels.get(file.content, {}).items() if label != file.label]
        if others:
            other, status, why = others[0], "two classes", f"The same pixels lie in another class: {shown(others[0])}."
        elif file.content and first[file.content] != file.path:
            other, status = first[file.content], "duplicate"
            why = f"It has the same pixels as {shown(other)}."
        else:
            result.append(file)
            continue
        paths = os.path.join(root, file.path), os.path.join(root, other)
        why = f"{why} {difference(*paths, size, max_pixels, seen)}".strip()
        result.append(file._replace(status=status, why=why, note=""))
    return result


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
    where = shown(scan.folder)
    counts = Counter(file.label for file in scan.files if file.status == "used")
    for label in scan.classes:
        if counts[label] < max(1, min_per_class):
            lost = [file for file in scan.files if file.label == label and file.status != "used"]
            has = (
                f"{counts[label]} usable pictures, fewer than {min_per_class}" if counts[label] else "no usable picture"
            )
            raise FolderError(
                f"Class '{label}' in {where} has {has}{_reasons(lost)}; add pictures to it, or "
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
    """ " (3 truncated, 1 empty; such as cat/a.jpg: It is cut short)", or "" for no files."""
    if not files:
        return ""
    counts = Counter(file.status for file in files)
    words = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    file = next(file for file in files if file.status == counts.most_common(1)[0][0])
    return f" ({words}; such as {shown(file.path)}: {file.why.removesuffix('.')})"


def _natural(name):
    """Sort key by which "2" comes before "10"."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)], name


def table(scan):
    """str: a table, a line for each class, of how many files are used, and not used for which reason."""
    statuses = [status for status in STATUSES if status == "used" or any(f.status == status for f in scan.files)]
    counts = Counter((file.label, file.status) for file in scan.files)
    labels = [*scan.classes, *([""] if any(not file.label for file in scan.files) else [])]
    rows = [["class", *statuses]]
    rows += [[label or "(none)", *(str(counts[label, status]) for status in statuses)] for label in labels]
    rows.append(["all", *(str(sum(counts[label, status] for label in labels)) for status in statuses)])
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
    """Write what the scan found as CSV, a row for each file: path, class, status, why, note, width, height, hashes.

    Args:
        scan: Scan.
        file: path of the CSV, replaced in one step; names are written as `shown`.

    Raises:
        FolderError: the CSV would lie in the scanned folder, in which nothing is ever made, or cannot be written.
    """
    refuse_inside(file, scan.folder, "pictures")
    write_csv(file, [["path", "class", *File._fields[2:]], *scan.files])


def load(scan):
    """The used pictures of a scan as arrays; nothing is read or decoded again, and nothing copied.

    Args:
        scan: Scan.

    Returns:
        Pictures. `images` above the budget is mapped from a file: `images[i]` reads one picture. Give it to Keras
        in batches, by a `keras.utils.PyDataset`, since `model.fit(images, ...)` would copy all of it into memory.
    """
    used = [file for file in scan.files if file.status == "used"]
    labels = np.array([scan.classes.index(file.label) for file in used], dtype=np.int64)
    counts = np.bincount(labels, minlength=len(scan.classes))
    weights = {i: float(len(used) / (len(counts) * count)) for i, count in enumerate(counts) if count}
    return Pictures(
        scan.pixels,
        labels,
        list(scan.classes),
        [file.path for file in used],
        [file.file for file in used],
        weights,
        float(counts.max() / max(1, len(used))),
    )
