"""A reader's text and tables: read as they are meant, or refused in one sentence."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ownfiles import text

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
        ("ab".encode("utf-16")[:-1], "mark of UTF-16, but is damaged or cut short at byte 4 of 5"),
        ("日本".encode("iso-2022-jp"), "is in ISO-2022"),
        (("café " * 20).encode() + b"\xe9", "though the rest is UTF-8 (1 places are wrong)"),
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
        ("~nobody-of-this-name/x.txt", r"cannot be read \(Could not determine home directory"),
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
        ({"header": "\t".join(f"c{i}" for i in range(10_000))}, "'c18', 'c19', ...."),
        ({"header": "text\ttext"}, "two columns 'text'"),
        ({"rows": GOOD + GOOD}, "has 30 different texts"),
        ({"rows": GOOD + [(words + "!", label) for words, label in GOOD]}, "has one class, 'good'"),
        ({"rows": [*GOOD, ("", "bad"), ("words", " ")]}, "has 30 different texts with one label each (2 rows are left"),
        ({"header": '{"text": "a", "label": "b"}'}, "looks like JSON"),
        ({"rows": [*GOOD, ("a\tb", "bad"), *BAD]}, "line 32: 3 fields, but the first line names 2"),
        ({"rows": GOOD[:5] + BAD[:5]}, "has 10 different texts"),
        ({"rows": []}, "has 0 different texts"),
        ({"rows": [*GOOD, *BAD, ("odd", "1.5")]}, "of 3 classes, '1.5' has 1 texts"),
        (
            {"rows": [(words, str(i)) for i, (words, _) in enumerate(GOOD + BAD)]},
            "is 'label' the column of the labels?",
        ),
        ({"rows": [*GOOD, ("café", "bad"), *BAD], "encoding": "latin-1"}, "is not UTF-8: byte 0xe9"),
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


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_with_and_without_a_mark(tmp_path, name):
    words = "Привет, мир 🙂\r\nein Satz, 苹果 一\r\n"
    (tmp_path / "x.txt").write_bytes(words.encode(name))
    assert text.read(tmp_path / "x.txt") == words.replace("\r", "")


@pytest.mark.parametrize(
    "content",
    [
        np.arange(-300, 300, dtype="<i2").tobytes(),
        np.linspace(0, 1, 500, dtype="<f4").tobytes(),
        np.random.default_rng(0).integers(0, 256, 4000).astype(np.uint8).tobytes() + b"\0\0\0\0",
    ],
)
def test_numbers_are_not_taken_for_wide_text(tmp_path, content):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(text.TextError, match="is binary"):
        text.read(tmp_path / "x.txt")


def test_cesu(tmp_path):
    """Emoji as two halves of three bytes each, as old databases write them."""
    halves = "🙂".encode("utf-16-be")
    three = b"".join(chr(int.from_bytes(halves[i : i + 2], "big")).encode("utf-8", "surrogatepass") for i in (0, 2))
    (tmp_path / "x.txt").write_bytes("é ".encode() + three)
    assert text.read(tmp_path / "x.txt") == "é 🙂"
    (tmp_path / "x.txt").write_bytes(three[:3])
    with pytest.raises(text.TextError, match="starts no character"):
        text.read(tmp_path / "x.txt")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("吾輩は猫である。名前はまだ無い。", "SHIFT_JIS"),
        ("吾輩は猫である。名前はまだ無い。", "EUC-JP"),
        ("道可道，非常道。", "BIG5"),
        ("道可道，非常道。", "GB18030"),
        ("나는 학교에 간다", "EUC-KR"),
        ("Привет, мир", "KOI8-R"),
        ("Привет, мир", "WINDOWS-1251"),
        ("Élodie était là", "MACINTOSH"),
        ("Élodie était là", "WINDOWS-1252"),
    ],
)
def test_encodings_that_decode_are_named_and_none_is_guessed(tmp_path, words, name):
    (tmp_path / "x.txt").write_bytes(words.encode(name))
    with pytest.raises(text.TextError) as error:
        text.read(tmp_path / "x.txt")
    said = str(error.value)
    start = next(i for i, c in enumerate(words) if not c.isascii())
    assert f"{name} ('{words[start : start + 2]}" in said and "iconv -f ENCODING -t UTF-8" in said and "\n" not in said
    assert said.count(" ('") >= 2 or name == "SHIFT_JIS"  # more than one, to choose from


def test_too_large_for_the_memory(tmp_path, monkeypatch):
    file = tmp_path / "x.txt"
    file.write_bytes(b"a word " * 1_000_000)
    assert len(text.read(file)) == 7_000_000
    monkeypatch.setattr(text, "_room", lambda: text.CHAPTER + 6_500_000 * text.EACH_BYTE)
    with pytest.raises(text.TextError, match=r"has 7\.0 MB, .* is enough for 6\.5 MB"):
        text.read(file)
    file.write_bytes(b"a word " * 700_000)  # as large as what the course brings itself
    monkeypatch.setattr(text, "_room", lambda: 0)
    assert len(text.read(file)) == 4_900_000


def test_room():
    assert 1e8 < text._room() < 1e14


def test_pieces():
    words = "one  two\n\nthree " * 500 + "ACGT" * 2000 + " end\n"
    found = text.pieces(words, 100)
    assert "".join(found) == words and max(map(len, found)) == 100
    assert (
        all(piece[0].isspace() for piece in found[1:60])
        and text.pieces("", 5) == []
        and text.pieces("ab\n") == ["ab\n"]
    )


def test_pieces_leave_tokens_as_they_are():
    from tokenizers import pre_tokenizers

    cut = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    words = "It is  a truth,\n\n  that's\tuniversally \n acknowledged. " * 40
    parts = [token for piece in text.pieces(words, 70) for token, _ in cut(piece)]
    assert parts == [token for token, _ in cut(words)]


def test_text_without_blanks_takes_linear_time():
    """400,000 letters of DNA took 107 s, the square of their number."""
    import time

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = "".join(np.random.default_rng(0).choice(list("ACGT"), 400_000))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    begun = time.process_time()
    tokenizer.train_from_iterator(text.pieces(words), trainers.BpeTrainer(vocab_size=1024, show_progress=False))
    assert time.process_time() - begun < 20


def test_a_long_field(tmp_path):
    """In .csv as in .tsv; the limit of Python's csv stays for everyone else."""
    import csv

    before = csv.field_size_limit()
    for name, between in (("x.csv", ","), ("x.tsv", "\t")):
        rows = [f'"{"word " * 40_000}, {i}"{between}{i % 2}' for i in range(60)]
        (tmp_path / name).write_text("\n".join([f"text{between}label", *rows]))
        assert len(text.read_table(tmp_path / name).texts[0]) == 200_003
    assert csv.field_size_limit() == before


def written(tmp_path, lines, name="x.tsv"):
    """The table of a file with such lines, %d in each numbered, once good and once bad."""
    body = [line % i for i in range(30) for line in lines[1:]]
    (tmp_path / name).write_text("\n".join([lines[0], *body, ""]), encoding="utf-8")
    return text.read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "lines", "wanted"),
    [
        ("x.tsv", ["text\tlabel", '"a\tb%d\n""c"""\tgood', "plain %d\tbad"], 'a\tb0\n"c"'),  # pandas
        ("x.csv", ["sep=;\ntext;label", "a, %d;good", "b, %d;bad"], "a, 0"),
        ("x.csv", ["text,label", '"a \\"b\\", %d","good"', '"c %d","bad"'], 'a "b", 0'),  # MySQL
        ("x.tsv", ["text\tlabel", "a\\\tb %d\tgood", "c %d\tbad"], "a\tb 0"),  # MySQL, without quotes
        ("x.csv", ["text|label", "a, b %d|good", "c %d|bad"], "a, b 0"),
        ("x.txt", ["text,label", "a %d,good", "b %d,bad"], "a 0"),
        ("x.txt", ["label;text", "good;a, b %d", "bad;c %d"], "a, b 0"),
        ("x.tsv", ["text,label", "a %d,good", "b %d,bad"], "a 0"),
        ("x.csv", ["text,label", '"a" b %d,good', "c %d,bad"], '"a" b 0'),
        ("x.csv", ["text,label", "a %d,good,", "b %d,bad,"], "a 0"),
        ("x.tsv", ["text\tlabel", '"a" b %d\tgood', '"c %d\tbad'], '"a" b 0'),
    ],
)
def test_tables_as_programs_write_them(tmp_path, name, lines, wanted):
    found = written(tmp_path, lines, name)
    assert found.texts[0] == wanted and found.classes == ["bad", "good"] and len(found.texts) == 60


def test_a_quotation_over_two_rows_is_two_rows(tmp_path):
    rows = [row for i in range(30) for row in ((f'"it begins {i}', "good"), (f'and ends {i}"', "bad"))]
    assert text.read_table(table(tmp_path, rows)).texts[:2] == ['"it begins 0', 'and ends 0"']


def test_row_names_of_r_and_the_index_of_pandas(tmp_path):
    r = [f'"{i}"\t"a \\"b\\"\tc {i}"\t"{i % 2}"' for i in range(60)]
    (tmp_path / "x.tsv").write_text("\n".join(['"text"\t"label"', *r]))
    assert text.read_table(tmp_path / "x.tsv").texts[0] == 'a "b"\tc 0'
    pandas = [f'{i}\t"a\nb {i}"\t{i % 2}' for i in range(60)]
    (tmp_path / "x.tsv").write_text("\n".join(["\ttext\tlabel", *pandas]))
    assert text.read_table(tmp_path / "x.tsv").texts[0] == "a\nb 0"


def test_empty_texts_and_labels_are_counted_and_left_out(tmp_path):
    rows = [*GOOD, ("", "bad"), ("words", " "), ("\\N", "bad"), ("more", "\\N"), *BAD]
    found = text.read_table(table(tmp_path, rows))
    assert len(found.texts) == 60 and found.dropped == 4


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("1", "--1"), ["--1", "1"]),
        (("10", "-2", "+3"), ["-2", "+3", "10"]),
        (("1", "−1"), ["1", "−1"]),
        (("9" * 5000, "1"), ["1", "9" * 5000]),
        (("🙂", "🙁"), ["🙁", "🙂"]),
        (("²", "1"), ["1", "²"]),
    ],
)
def test_labels(tmp_path, names, wanted):
    found = text.read_table(table(tmp_path, [(f"text {i}", names[i % len(names)]) for i in range(60)]))
    assert found.classes == wanted


def test_one_column_twice(tmp_path):
    with pytest.raises(text.TextError, match="name two columns"):
        text.read_table(table(tmp_path), "label", "label")


def test_import_is_light():
    code = "import sys; from ownfiles import text; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
