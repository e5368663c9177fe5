"""Files that are there whole or not at all, whatever ends the program that writes them."""

import contextlib
import os
import secrets
import time
from pathlib import Path

LITTER = 3600  # seconds after which a part that was never put in its place belongs to no one any more


@contextlib.contextmanager
def whole(path):
    """Context: a stream for bytes, whose content takes the place of `path` at the end, and only if all went well.

    The content is on the disk before it gets its name, so that not even a power cut leaves half a file. Two programs
    that write one file at once do not mix: the last one wins.

    Args:
        path: str or Path; its folder must exist. Of a link, the file that it leads to is replaced.

    What is no file but a pipe or a device, such as /dev/null, is written to and stays what it is.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        with open(path, "wb") as stream:
            yield stream
        return
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(part):  # a reader knows nothing of parts
            error.filename, error.filename2 = str(path), None
        raise
    if os.name == "posix":  # the name, too, should outlive a power cut; some file systems know no such thing
        with contextlib.suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    with contextlib.suppress(OSError):
        for other in path.parent.iterdir():  # of a program that was killed while it wrote this file
            mine = other.name.startswith(f".{path.name[:60]}.") and other.name.endswith(".part")
            if mine and time.time() - other.stat().st_mtime > LITTER:
                other.unlink()


def write(path, content):
    """Write a file whole or not at all; see `whole`.

    Args:
        path: str or Path; its folder must exist.
        content: bytes, or str, which is written in UTF-8; what UTF-8 has no bytes for (half a surrogate pair, from a
            file name in another encoding) becomes an escape such as `\\udcff`, which JSON reads again.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    with whole(path) as stream:
        stream.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
