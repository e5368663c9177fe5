"""Text that a reader brings along: a file of text, or a table of texts and labels, checked before anything is learned.

text = text.read("my_book.txt")
table = text.read_table("my_reviews.tsv", "text", "label")
"""

import codecs
import contextlib
import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROWS, EACH = 50, 10  # a table needs so many different texts, and so many of each class
DELIMITERS = {".tsv": "\t,;|", ".tab": "\t,;|", ".txt": "\t,;|", ".csv": ",;\t|"}  # in the order they are tried
ALWAYS = 5_000_000  # bytes of a file that is read whatever the memory: more than the course's own texts and tables
CHAPTER = 1_500_000_000  # bytes of memory that chapters 08 and 09 take beside what grows with a reader's file
EACH_BYTE = 60  # bytes of memory for each of a file, measured: counting in 08, and the bag of words in 09
EMPTY = ("", "\\N")  # a field without a value; the second is how databases write it
PIECE = 2000  # characters; a tokenizer's time grows with the square of what has no blank in it
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
MARKS = {  # that of UTF-32 first: it begins as that of UTF-16 does
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
ENCODINGS = (  # older ones that are often met, by the names that iconv and Python share
    *("WINDOWS-1252", "WINDOWS-1250", "WINDOWS-1251", "KOI8-R", "MACINTOSH", "CP850"),
    *("SHIFT_JIS", "EUC-JP", "BIG5", "GB18030", "EUC-KR"),
)
UNCLEAN = re.compile("[\0-\x08\x0e-\x19\x1c-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")  # controls, private characters


class TextError(Exception):
    """A file that cannot be used; one sentence names it, what was seen and the way out."""


class Table(NamedTuple):
    """Labelled texts; of identical texts with one label the first is kept, with several labels none."""

    texts: list  # (n,) of str
    labels: np.ndarray  # (n,) int64, index into classes
    classes: list  # of str, sorted; whole numbers by value
    dropped: int  # rows left out because their text or label is empty, their text was there before, or has two labels


def read(path):
    r"""The text of a file in UTF-8, UTF-16 or UTF-32.

    Args:
        path: str or Path of a file.

    Returns:
        str without byte-order mark; the line ends of Windows (\r\n) and of the old Mac (\r) are made \n.

    Raises:
        TextError: there is no such file, or it is a folder, empty, binary, in another encoding, too large for the
            memory, or cannot be read.
    """
    try:
        file = Path(path).expanduser()
        if file.is_dir():
            raise TextError(f"{path} is a folder: name a file in it.")
        if file.exists() and not file.is_file():
            raise TextError(f"{path} is a pipe or a device: name a file.")
        _fit(path, file.stat().st_size)
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
    content = _as_utf8(path, content)
    controls = len(content) - len(content.translate(None, bytes(set(range(32)) - set(HARMLESS)) + b"\x7f"))
    if b"\0" in content or controls > len(content) / 100:
        raise TextError(
            f"{path} is binary ({controls} control characters in {len(content)} bytes), no text: "
            "name a text file in UTF-8."
        )
    if b"\x1b$" in content:  # seven bits, and so no error in UTF-8
        raise TextError(f"{path} is in ISO-2022, not UTF-8: save it as UTF-8, or {_convert(path, 'ISO-2022-JP')}.")
    try:
        words = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start + 3 * content.startswith(codecs.BOM_UTF8)  # that codec counts after the mark
        words = _by_halves(content)
        if words is None:
            raise TextError(_not_utf8(path, content, place)) from None
    if not words.strip():
        raise TextError(f"{path} is empty but for blanks: put text into it, or name another file.")
    return words.replace("\r\n", "\n").replace("\r", "\n")


def pieces(words, size=PIECE):
    """A text cut into pieces, for what takes too much time or memory on a text as a whole.

    Args:
        words: str.
        size: int, characters of a piece at most.

    Returns:
        list of str, which joined give the text; cut before a blank where there is one, else anywhere.
    """
    return re.findall(rf"(?s).{{1,{size}}}(?=\s\S|\Z)|.{{1,{size}}}", words)


def read_table(path, text_column="text", label_column="label"):
    r"""Texts and labels of a table whose first line names the columns.

    A .tsv, .tab or .txt file has tabs, a .csv file commas; where the first line has the columns' names between
    other signs, tabs, commas, semicolons or pipes, or is `sep=;` as Excel writes it, these count. A field may stand
    in quotes and then hold such signs and line breaks, with quotes written twice (pandas) or after a backslash (R,
    MySQL); in a file with tabs quotes may also be text. The row names of R are left out, and \N is an empty field.

    Args:
        path: str or Path of the file, in one of the encodings of `read`. No field is too long.
        text_column, label_column: str, names in the first line.

    Returns:
        Table with at least 50 different texts in at least two classes, each of at least 10.

    Raises:
        TextError: as `read`, or it is no such table; names the line or the columns.
    """
    content, suffix = read(path), Path(path).suffix.lower()
    if suffix not in DELIMITERS:
        raise TextError(f"{path} ends in {suffix or 'nothing'!r}: a table's name ends in .tsv or .csv.")
    if text_column == label_column:
        raise TextError(f"{path}: {text_column!r} cannot be both the text and the label; name two columns.")
    rows = _rows(path, content, DELIMITERS[suffix], {text_column, label_column}, label_column)
    _, header = rows[0]
    for name in (text_column, label_column):
        if header.count(name) != 1:
            kind = {"{": "JSON", "[": "JSON", "<": "HTML or XML"}.get(content.lstrip()[0])
            if kind and name not in header:
                raise TextError(f"{path} looks like {kind}: save it as a table, .tsv or .csv, a row for each text.")
            seen = "two columns" if name in header else "no column"
            names = [*map(repr, header[:20]), *["..."] * (len(header) > 20)]
            raise TextError(f"{path} has {seen} {name!r}; its first line has {', '.join(names)}.")
    text_at, label_at, kept, dropped = header.index(text_column), header.index(label_column), {}, 0
    for line, fields in rows[1:]:
        if len(fields) != len(header):
            raise TextError(
                f"{path}, line {line}: {len(fields)} fields, but the first line names {len(header)} "
                "columns; is there a tab, comma or quote too many?"
            )
        words, label = (fields[at].strip() for at in (text_at, label_at))
        if words in EMPTY or label in EMPTY:
            dropped += 1
            continue
        dropped += words in kept
        kept[words] = label if kept.get(words, label) == label else None  # None: it has two labels
    dropped += sum(label is None for label in kept.values())
    kept = {words: label for words, label in kept.items() if label is not None}
    counts = Counter(kept.values())
    left = f" ({dropped} rows are left out: empty, repeated or with two labels)" if dropped else ""
    if len(kept) < ROWS:
        raise TextError(
            f"{path} has {len(kept)} different texts with one label each{left}; {ROWS} is the least that "
            "can be divided into training, validation and test."
        )
    if len(counts) == 1:
        raise TextError(f"{path} has one class, {next(iter(counts))!r}{left}: there is nothing to tell apart.")
    rare, fewest = min(counts.items(), key=lambda pair: pair[1])
    if fewest < EACH:
        raise TextError(
            f"{path}: of {len(counts)} classes, {rare!r} has {fewest} texts and each needs {EACH}{left}; "
            f"is {label_column!r} the column of the labels?"
        )
    whole = all(re.fullmatch(r"[+-]?\d{1,18}", label) for label in counts)
    classes = sorted(counts, key=lambda label: (int(label) if whole else 0, label))
    place = {label: i for i, label in enumerate(classes)}
    labels = np.array([place[label] for label in kept.values()], dtype=np.int64)
    return Table(list(kept), labels, classes, dropped)


def _room():
    """Bytes of memory that this process may still take: the machine's, or what its container leaves it."""
    import psutil

    room, held = psutil.virtual_memory().available, psutil.Process().memory_info().rss
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # there is none, or "max"
            room = min(room, int(Path(limit).read_text(encoding="ascii")) - held)
    return room


def _fit(path, size):
    """Refuse a file of so many bytes if what a chapter does with it needs more memory than there is."""
    if size > ALWAYS and size > (fits := max(ALWAYS, (_room() - CHAPTER) // EACH_BYTE)):
        raise TextError(
            f"{path} has {size / 1e6:.1f} MB, and the memory that is free here is enough for {fits / 1e6:.1f} MB: "
            "close other programs, or take a part of the file."
        )


def _as_utf8(path, content):
    """The bytes of a file in UTF-8 if they were in UTF-16 or UTF-32, with a mark or plainly so; else as they are."""
    for mark, name in MARKS.items():
        if content.startswith(mark):
            try:
                return content.decode(name).encode()
            except UnicodeDecodeError as error:
                raise TextError(
                    f"{path} begins with the mark of {name}, but is damaged or cut short at byte {error.start} of "
                    f"{len(content)}: save it again, as UTF-8."
                ) from None
    best, most = content, 0
    for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be") if b"\0" in content else ():
        with contextlib.suppress(UnicodeDecodeError):
            words = content.decode(name)
            first = words[:10_000]
            odd = any(unicodedata.category(c) in ("Cn", "Co") for c in set(first))
            plain = sum(c.isascii() for c in first)  # in the wrong order of bytes, blanks and letters are Chinese
            if plain > most and not odd and not UNCLEAN.search(first):
                best, most = words.encode(), plain
    return best


def _by_halves(content):
    """A text in CESU-8, UTF-8 but for characters such as emoji, which are two halves of three bytes; None if not."""
    try:
        halves = content.decode("utf-8-sig", "surrogatepass")
        return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None


def _not_utf8(path, content, place):
    """What to say of bytes that are not UTF-8 at a place: in which encodings they are text, and what they say there."""
    line = content[:place].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
    at = f"{path} is not UTF-8: byte {content[place]:#04x} at place {place} (line {line}) starts no character"
    patched = content.decode("utf-8", "replace")
    wrong, right = patched.count("\ufffd"), sum(not c.isascii() for c in patched)
    if right > 10 * wrong:  # wrong ones included in both
        return f"{at}, though the rest is UTF-8 ({wrong} places are wrong): mend them in an editor, or save it again."
    clean = []
    for name in ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            words = content.decode(name)
            if not UNCLEAN.search(words):
                shown = re.search(r"[^\W\d_]{0,6}[^\x00-\x7f]\S{0,6}", words)
                clean.append(f"{name} ({shown[0] if shown else ''!r})")
    if not clean:
        return f"{at}, and it is text in none of {', '.join(ENCODINGS)}: save it as UTF-8."
    return (
        f"{at}; save it as UTF-8, or see which of these encodings reads right, {', '.join(clean)}, and "
        f"{_convert(path, 'ENCODING')}."
    )


def _convert(path, encoding):
    return f"convert it with `iconv -f {encoding} -t UTF-8 {path} > new{Path(path).suffix}`"


def _rows(path, content, delimiters, names, label_column):
    """[(line number, fields)] of a table; blank lines are left out, the fields of the first are stripped.

    Of several ways to read it, the first that gives every row as many fields as the header has; best one in which
    each label is there often enough, since a quoted field cut at its tabs puts words among the labels.
    """
    said = re.match(r'(?i)"?sep=(.)"?[ \t]*\n', content)  # what Excel writes and heeds
    delimiter = said[1] if said else _delimiter(content, delimiters, names)
    content, first = (content[said.end() :], 2) if said else (content, 1)
    quoted = {"delimiter": delimiter, "strict": True}
    ways = [lambda: _lines(content, delimiter), lambda: _csv(content, **quoted)]
    if delimiter != "\t":  # between tabs quotes are text first, elsewhere they are quotes first
        ways.reverse()
    null = re.compile(rf"(?m)(^|{re.escape(delimiter)})\\N(?=$|{re.escape(delimiter)})")
    marked = null.sub(r"\1", content) if "\\" in content else None
    if marked is not None:
        ways += [lambda: _csv(marked, escapechar="\\", **quoted)]
        ways += [lambda: _csv(marked, escapechar="\\", quoting=csv.QUOTE_NONE, **quoted)]
    readings, wrong = [], None
    for i, way in enumerate(ways):
        try:
            rows = _fitted([(line + first - 1, fields) for line, fields in way() if "".join(fields).strip()])
        except csv.Error as error:
            begins, why = error.args
            wrong = wrong or TextError(
                f"{path}, line {begins + first - 1}: the quotes do not fit ({why}); a quote inside a quoted field "
                "is written twice."
            )
            continue
        header = rows[0][1]
        bad = sum(len(fields) != len(header) for _, fields in rows)
        if not bad and names <= set(header):
            labels = Counter(fields[header.index(label_column)] for _, fields in rows[1:])
            bad = -1 - (min(labels.values(), default=0) >= EACH)
        if i < 2 or bad < 0:
            readings.append((bad, i, rows))
        if bad == -2:
            break
    if wrong and delimiter != "\t" and min(readings)[0] >= 0:
        raise wrong
    return min(readings)[2]  # if no way is right, its first wrong row is named


def _delimiter(content, delimiters, names):
    """What stands between the names of the columns in the first line that is not blank."""
    header = content.lstrip("\n \f").split("\n", 1)[0]
    for delimiter in delimiters:
        if names <= {field.strip() for field in next(csv.reader([header], delimiter=delimiter), [])}:
            return delimiter
    return max(delimiters, key=header.count)


def _fitted(rows):
    """Rows without the names that R gives them, and without an empty field that ends each; the header stripped."""
    if not rows:
        return [(1, [""])]
    header = [field.strip() for field in rows[0][1]]
    more = [fields for _, fields in rows[1:]]
    if more and all(len(fields) == len(header) + 1 for fields in more):
        if not any(fields[-1].strip() for fields in more):
            rows = [(line, fields[:-1]) for line, fields in rows]
        elif len({fields[0] for fields in more}) == len(more):
            rows = [(line, fields[1:]) for line, fields in rows]
    return [(rows[0][0], header), *rows[1:]]


def _lines(content, delimiter):
    """[(line number, fields)], a row a line; quotes are text, unless a spreadsheet put them around a whole field."""
    return [(i, [_unquoted(f) for f in line.split(delimiter)]) for i, line in enumerate(content.split("\n"), 1)]


def _csv(content, **dialect):
    """[(line number, fields)] by Python's csv, whose errors get the line in which the row begins."""
    rows, begins = [], 1
    reader = csv.reader((line + "\n" for line in content.split("\n")), **dialect)
    limit = csv.field_size_limit(min(len(content) + 1, 2**31 - 1))  # 131,072 until now; the file itself is the limit
    try:
        for fields in reader:
            rows.append((begins, fields))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(begins, str(error)) from None
    finally:
        csv.field_size_limit(limit)
    return rows


def _unquoted(field):
    inner = field[1:-1]
    whole = len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if whole else field
