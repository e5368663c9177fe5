"""A reader's text and tables: read as they are meant, or refused in one sentence."""

import os
import subprocess
import sys

import numpy as np
import pytest
from groundup import text

GOOD = [(f"a fine film, number {i}", "good") for i in range(30)]
BAD = [(f"a poor film, number {i}", "bad") for i in range(30)]


def table(tmp_path, rows=GOOD + BAD, name="table.tsv", header="text\tlabel", encoding="utf-8"):
    """A file with a header and rows, tab-separated."""
    file = tmp_path / name
    file.write_bytes("\n".join([header, *map("\t".join, rows), ""]).encode(encoding))
    return file


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"plain\n", "plain\n"),
        (b"\xef\xbb\xbfmark", "mark"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        ("Äpfel — 苹果".encode(), "Äpfel — 苹果"),
        (b"tab\t form\f feed", "tab\t form\f feed"),
    ],
)
def test_read(tmp_path, content, wanted):
    file = tmp_path / "mein Text.txt"
    file.write_bytes(content)
    assert text.read(file) == text.read(str(file)) == wanted


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b" \n\n", "is empty (3 bytes)"),
        (b"\xef\xbb\xbf", "is empty but for blanks"),
        (b"GIF89a\0\0\0", "is binary"),
        (b"abc\x01\x02\x03", "is binary (3 control characters in 6 bytes)"),
        (b"%PDF-1.7 and so on", "is a PDF"),
        (b"PK\x03\x04...", "Word or Excel"),
        ("ab".encode("utf-16"), "-f UTF-16 -t"),
        (b"caf\xe9", "byte 0xe9 at place 3 (line 1)"),
        (b"one\ntwo\r\n\xef\xbb\xbf\xff", "byte 0xff at place 12 (line 3)"),
        (b"\xef\xbb\xbfa\xe9", "byte 0xe9 at place 4"),
        (b"cut short \xe8\x8b", "byte 0xe8 at place 10"),
    ],
)
def test_read_refuses(tmp_path, content, words):
    file = tmp_path / "x.txt"
    file.write_bytes(content)
    with pytest.raises(text.TextError) as error:
        text.read(file)
    assert words in str(error.value) and "x.txt" in str(error.value) and "\n" not in str(error.value)


def test_read_refuses_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.txt", "There is no file"),
        (tmp_path / "pipe", "a pipe or a device"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(text.TextError, match=words):
            text.read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    file = tmp_path / "x.txt"
    file.write_text("x")
    file.chmod(0)
    with pytest.raises(text.TextError, match="Permission denied"):
        text.read(file)


def test_read_table(tmp_path):
    found = text.read_table(table(tmp_path))
    assert found.classes == ["bad", "good"] and found.dropped == 0
    assert found.texts == [words for words, _ in GOOD + BAD]
    assert found.labels.dtype == np.int64 and found.labels.tolist() == [1] * 30 + [0] * 30


def test_columns_by_name_and_numbers_by_value(tmp_path):
    rows = [(str(i), str(i % 3 + 9), f"sentence {i}") for i in range(60)]
    found = text.read_table(table(tmp_path, rows, header="id\tstars\twords"), "words", "stars")
    assert found.classes == ["9", "10", "11"] and found.labels[:4].tolist() == [0, 1, 2, 0]


def test_identical_texts(tmp_path):
    twice = [*GOOD, GOOD[0], *BAD, (BAD[0][0], "good")]
    found = text.read_table(table(tmp_path, twice))
    assert len(found.texts) == 59 and found.dropped == 3 and BAD[0][0] not in found.texts


def test_quotes_and_line_ends(tmp_path):
    rows = [(f'"a ""quoted"" text {i}"', "a") for i in range(30)] + [(f'"so" he said "{i}"', "b") for i in range(30)]
    file = table(tmp_path, rows)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    found = text.read_table(file)
    assert found.texts[0] == 'a "quoted" text 0' and found.texts[30] == '"so" he said "0"'


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_csv(tmp_path, delimiter):
    rows = [f'"one, two; ""three""\nfour {i}"{delimiter}{i % 2}' for i in range(60)]
    lines = [delimiter.join(("text", "label")), "", *rows]
    (tmp_path / "x.CSV").write_text("\n".join(lines))
    found = text.read_table(tmp_path / "x.CSV")
    assert found.texts[5] == 'one, two; "three"\nfour 5' and found.classes == ["0", "1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"header": "sentence\tlabel"}, "no column 'text'; its first line has 'sentence', 'label'"),
        ({"header": "text\ttext"}, "two columns 'text'"),
        ({"rows": GOOD + GOOD}, "has 30 different texts"),
        ({"rows": GOOD + [(words + "!", label) for words, label in GOOD]}, "has one class, 'good'"),
        ({"rows": [*GOOD, ("", "bad"), *BAD]}, "line 32: 'text' is empty"),
        ({"rows": [*GOOD, ("words", " "), *BAD]}, "line 32: 'label' is empty"),
        ({"rows": [*GOOD, ("a\tb", "bad"), *BAD]}, "line 32: 3 fields, but the first line names 2"),
        ({"rows": GOOD[:5] + BAD[:5]}, "has 10 different texts"),
        ({"rows": []}, "has 0 different texts"),
        ({"rows": [*GOOD, *BAD, ("odd", "1.5")]}, "of 3 classes, '1.5' has 1 texts"),
        (
            {"rows": [(words, str(i)) for i, (words, _) in enumerate(GOOD + BAD)]},
            "is 'label' the column of the labels?",
        ),
        ({"rows": [*GOOD, ("café", "bad"), *BAD], "encoding": "latin-1"}, "is not UTF-8: byte 0xe9"),
        ({"encoding": "utf-16"}, "is in UTF-16"),
        ({"name": "table.xlsx"}, "ends in '.xlsx'"),
        ({"name": "table.csv", "header": 'text,"label'}, "the quotes do not fit"),
    ],
)
def test_read_table_refuses(tmp_path, changes, words):
    file = table(tmp_path, **changes)
    before = file.read_bytes()
    with pytest.raises(text.TextError) as error:
        text.read_table(file)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert file.read_bytes() == before


def test_one_column_twice(tmp_path):
    with pytest.raises(text.TextError, match="name two columns"):
        text.read_table(table(tmp_path), "label", "label")


def test_import_is_light():
    code = "import sys; from groundup import text; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
