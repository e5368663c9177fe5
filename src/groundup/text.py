"""Text that a reader brings along: a file of text, or a table of texts and labels, checked before anything is learned.

text = text.read("my_book.txt")
table = text.read_table("my_reviews.tsv", "text", "label")
"""

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROWS, EACH = 50, 10  # a table needs so many different texts, and so many of each class
DELIMITERS = {".tsv": "\t", ".tab": "\t", ".txt": "\t", ".csv": ","}
KINDS = {
    b"PK\x03\x04": "a ZIP archive, perhaps of a Word or Excel document",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "gzipped",
    b"\xd0\xcf\x11\xe0": "an old Word or Excel document",
    b"{\\rtf": "an RTF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
HARMLESS = b"\t\n\v\f\r\x1a\x1b"  # control characters that text files have


class TextError(Exception):
    """A file that cannot be used; one sentence names it, what was seen and the way out."""


class Table(NamedTuple):
    """Labelled texts; of identical texts with one label the first is kept, with several labels none."""

    texts: list  # (n,) of str
    labels: np.ndarray  # (n,) int64, index into classes
    classes: list  # of str, sorted; whole numbers by value
    dropped: int  # rows left out because their text was there before, or has two labels


def read(path):
    r"""The text of a file in UTF-8.

    Args:
        path: str or Path of a file.

    Returns:
        str without byte-order mark; the line ends of Windows (\r\n) and of the old Mac (\r) are made \n.

    Raises:
        TextError: there is no such file, or it is a folder, empty, binary, not UTF-8, or cannot be read.
    """
    file = Path(path).expanduser()
    try:
        if file.is_dir():
            raise TextError(f"{path} is a folder: name a file in it.")
        if file.exists() and not file.is_file():
            raise TextError(f"{path} is a pipe or a device: name a file.")
        content = file.read_bytes()
    except FileNotFoundError:
        raise TextError(f"There is no file {path}; a relative path starts at {Path.cwd()}.") from None
    except (OSError, ValueError, RuntimeError) as error:  # no permission; a NUL in the name; an unknown ~user
        raise TextError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    if not content.strip():
        raise TextError(f"{path} is empty ({len(content)} bytes): put text into it, or name another file.")
    for begins, kind in KINDS.items():
        if content.startswith(begins):
            raise TextError(f"{path} is {kind}, no text: save or convert it as plain text in UTF-8.")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TextError(f"{path} is in UTF-16, not UTF-8: save it as UTF-8, or {_convert(path, 'UTF-16')}.")
    controls = len(content) - len(content.translate(None, bytes(set(range(32)) - set(HARMLESS)) + b"\x7f"))
    if b"\0" in content or controls > len(content) / 100:
        raise TextError(
            f"{path} is binary ({controls} control characters in {len(content)} bytes), no text: "
            "name a text file in UTF-8."
        )
    try:
        words = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start + 3 * content.startswith(b"\xef\xbb\xbf")  # that codec counts after the mark
        line = content[:place].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
        raise TextError(
            f"{path} is not UTF-8: byte {content[place]:#04x} at place {place} (line {line}) starts no "
            f"character; save it as UTF-8, or {_convert(path, 'WINDOWS-1252')}."
        ) from None
    if not words.strip():
        raise TextError(f"{path} is empty but for blanks: put text into it, or name another file.")
    return words.replace("\r\n", "\n").replace("\r", "\n")


def read_table(path, text_column="text", label_column="label"):
    """Texts and labels of a table whose first line names the columns.

    Args:
        path: str or Path of a .tsv (tabs, a row a line) or .csv file (commas or semicolons, quotes), in UTF-8.
        text_column, label_column: str, names in the first line.

    Returns:
        Table with at least 50 different texts in at least two classes, each of at least 10.

    Raises:
        TextError: as `read`, or it is no such table; names the line or the columns.
    """
    content, suffix = read(path), Path(path).suffix.lower()
    if suffix not in DELIMITERS:
        raise TextError(f"{path} ends in {suffix or 'nothing'!r}: a table's name ends in .tsv or .csv.")
    rows = _rows(path, content, DELIMITERS[suffix])
    _, header = rows[0]
    for name in (text_column, label_column):
        if header.count(name) != 1:
            seen = "two columns" if name in header else "no column"
            raise TextError(f"{path} has {seen} {name!r}; its first line has {', '.join(map(repr, header))}.")
    if text_column == label_column:
        raise TextError(f"{path}: {text_column!r} cannot be both the text and the label; name two columns.")
    text_at, label_at, kept, dropped = header.index(text_column), header.index(label_column), {}, 0
    for line, fields in rows[1:]:
        if len(fields) != len(header):
            raise TextError(
                f"{path}, line {line}: {len(fields)} fields, but the first line names {len(header)} "
                "columns; is there a tab, comma or quote too many?"
            )
        words, label = fields[text_at].strip(), fields[label_at].strip()
        if not words or not label:
            empty = text_column if not words else label_column
            raise TextError(f"{path}, line {line}: {empty!r} is empty; fill it in, or delete the line.")
        dropped += words in kept
        kept[words] = label if kept.get(words, label) == label else None  # None: it has two labels
    dropped += sum(label is None for label in kept.values())
    kept = {words: label for words, label in kept.items() if label is not None}
    counts = Counter(kept.values())
    if len(kept) < ROWS:
        raise TextError(
            f"{path} has {len(kept)} different texts with one label each; {ROWS} is the least that "
            "can be divided into training, validation and test."
        )
    if len(counts) == 1:
        raise TextError(f"{path} has one class, {next(iter(counts))!r}: there is nothing to tell apart.")
    rare, fewest = min(counts.items(), key=lambda pair: pair[1])
    if fewest < EACH:
        raise TextError(
            f"{path}: of {len(counts)} classes, {rare!r} has {fewest} texts and each needs {EACH}; "
            f"is {label_column!r} the column of the labels?"
        )
    whole = all(label.lstrip("-").isdecimal() for label in counts)
    classes = sorted(counts, key=int if whole else None)
    labels = np.array([classes.index(label) for label in kept.values()], dtype=np.int64)
    return Table(list(kept), labels, classes, dropped)


def _convert(path, encoding):
    return f"convert it with `iconv -f {encoding} -t UTF-8 {path} > new{Path(path).suffix}`"


def _rows(path, content, delimiter):
    """[(line number, fields)] of a table; blank lines are left out, the fields of the first are stripped."""
    lines = content.split("\n")
    if delimiter == "\t":  # a row a line; quotes are text, unless a spreadsheet put them around a whole field
        rows = [(i, [_unquoted(field) for field in line.split("\t")]) for i, line in enumerate(lines, 1)]
    else:
        if content.split("\n", 1)[0].count(";") > content.split("\n", 1)[0].count(","):
            delimiter = ";"
        rows, begins = [], 1
        reader = csv.reader([line + "\n" for line in lines], delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                rows.append((begins, fields))
                begins = reader.line_num + 1
        except csv.Error as error:
            raise TextError(
                f"{path}, line {begins}: the quotes do not fit ({error}); a quote inside a quoted field "
                "is written twice."
            ) from None
    rows = [(line, fields) for line, fields in rows if any(field.strip() for field in fields)]
    return [(rows[0][0], [field.strip() for field in rows[0][1]]), *rows[1:]]


def _unquoted(field):
    inner = field[1:-1]
    whole = len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if whole else field
