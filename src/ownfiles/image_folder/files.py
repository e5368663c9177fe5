"""Files and folders: which there are below a folder, and how results are written."""

import contextlib
import csv
import errno
import io
import os
import tempfile

from groundup import files

from .base import FolderError, shown, trouble

SYSTEM = {
    name.casefold()
    for name in (
        "__MACOSX",
        "Icon\r",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "lost+found",
        "$RECYCLE.BIN",
        "System Volume Information",
        "@eaDir",
    )
}  # compared without regard to case, as the systems that make them do
HIDDEN = "hidden", "It is hidden, or the system's own."


def concealed(name):
    """Whether a file or folder is hidden by its name, or made by the system and not by people."""
    return name.startswith(".") or name.casefold() in SYSTEM


def place(path):
    """A path as str with ~ replaced, or FolderError if no file can have such a name."""
    path = os.path.expanduser(os.fspath(path))
    try:
        if "\0" not in os.fsdecode(os.fsencode(path)):
            return path
    except UnicodeEncodeError:
        pass
    raise FolderError(f"{shown(path)} cannot be the name of a file or folder; check its spelling.")


def existing(folder):
    """The real path of an existing folder, or FolderError."""
    if not str(folder).strip():
        raise FolderError("The folder's name is empty; give the path of a folder of pictures.")
    root = os.path.realpath(place(str(folder)))
    if not os.path.isdir(root):
        if os.path.exists(root):
            raise FolderError(f"{shown(folder)} is a file; give the folder that holds one subfolder a class.")
        try:
            here = shown(os.getcwd())
        except OSError:
            here = "a folder that is gone"
        raise FolderError(f"There is no folder {shown(folder)}; seen from {here}, check its spelling.")
    try:
        os.scandir(root).close()
    except OSError as error:
        raise FolderError(f"{shown(folder)} cannot be listed ({error.strerror}); ask its owner.") from None
    return root


def walk(root):
    """Yields (path relative to root, status, why) of every file; status is "" if only decoding can tell, "class" for a
    visible folder right below root."""
    stack = [("", False)]
    while stack:
        inside, hidden = stack.pop()
        try:
            with os.scandir(os.path.join(root, inside)) as entries:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]
        except OSError as error:
            yield inside, *(HIDDEN if hidden else trouble(error))
            continue
        for name, is_folder, is_link in entries:
            path = f"{inside}/{name}" if inside else name
            unseen = hidden or concealed(name)
            if is_folder:
                stack.append((path, unseen))
                if not inside and not unseen:
                    yield path, "class", ""
            elif unseen:
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
            return trouble(error)
        return "link", "It is a link in a loop." if error.errno == errno.ELOOP else "It is a link to nothing."
    if not target.startswith(os.path.join(root, "")):
        return "link", "It is a link out of the folder."
    return ("link", "It is a link to a folder.") if os.path.isdir(target) else None


def refuse_inside(file, folder, what):
    """Raises FolderError if a file to be written is another one (`folder` may be a file), or lies in a folder."""
    file_, root = os.path.realpath(place(file)), os.path.realpath(place(folder))
    if str(folder).strip() and (file_ == root or file_.startswith(os.path.join(root, ""))):
        where = f"lies in the folder of the {what}" if os.path.isdir(root) else f"is one of the {what}"
        raise FolderError(f"{shown(file)} {where}, never changed; write it elsewhere.")


def try_to_write(file):
    """Raises FolderError where no file can be written; before the work is done whose result it is to hold."""
    file = place(file)
    if os.path.isdir(file):
        raise FolderError(f"{shown(file)} is a folder; name a file to write, such as answers.csv.")
    if os.path.exists(file) and not os.path.isfile(file):  # a pipe or a device
        return
    file_ = os.path.realpath(file)
    try:
        os.makedirs(os.path.dirname(file_), exist_ok=True)
        tempfile.TemporaryFile(dir=os.path.dirname(file_)).close()
    except OSError as error:
        raise FolderError(f"{shown(file_)} cannot be written ({error.strerror}); choose another place.") from None


def write_csv(file, rows):
    """Write rows as UTF-8, a line each: every text in them as `shown`."""
    text = io.StringIO(newline="")
    rows = [[shown(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    csv.writer(text, lineterminator="\n").writerows(rows)
    write(file, text.getvalue().encode())


def write(file, content):
    """Replace a file by bytes in one step: it is never half written."""
    file = place(file)
    try:
        if not os.path.exists(file):
            file = os.path.realpath(file)
            os.makedirs(os.path.dirname(file), exist_ok=True)
        files.write(file, content)
    except OSError as error:
        raise FolderError(f"{shown(file)} cannot be written ({error.strerror}); choose another place.") from None


def say(line):
    """Print a line, if there is still anyone to print it to: work is not lost because its progress cannot be shown."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: standard output was closed
        print(line)
