"""groundup.data: every set is as described, and where a file is bad the error says the way out."""

import functools
import json
import os
import shutil
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from groundup import data

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
load = functools.cache(data.load)  # for tests that only look
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A data folder of two small sets, in a place whose name has a space and letters beyond ASCII."""
    folder = tmp_path / "mes données ü"
    shutil.copytree(DATA / "movie_reviews", folder / "movie_reviews")
    shutil.copy(DATA / "penguins.csv", folder)
    manifest = json.loads((DATA / "MANIFEST.json").read_text(encoding="utf-8"))
    kept = {name: manifest[name] for name in ("movie_reviews", "penguins")}
    (folder / "MANIFEST.json").write_text(json.dumps(kept), encoding="utf-8")
    monkeypatch.setenv("GROUNDUP_DATA", str(folder))
    return folder


@pytest.mark.parametrize(
    "name, size, counts, first",
    [
        ("mnist", 55000, [5444, 6179, 5470, 5638, 5307, 4987, 5417, 5715, 5389, 5454], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]),
        (
            "fashion_mnist",
            20000,
            [1935, 2025, 1982, 2011, 1967, 2010, 2068, 2003, 1971, 2028],
            [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        ),
    ],
)
def test_images(name, size, counts, first):
    images = load(name)
    for (x, y), n in ((images.train, size), (images.test, 10000)):
        assert x.shape == (n, 28, 28) and x.dtype == np.uint8 and (x.min(), x.max()) == (0, 255)
        assert y.shape == (n,) and y.dtype == np.int64
    assert np.bincount(images.train[1]).tolist() == counts
    assert np.bincount(images.test[1]).tolist() == (MNIST_TEST if name == "mnist" else [1000] * 10)
    assert images.test[1][:10].tolist() == first
    assert len(images.classes) == 10 and all(isinstance(kind, str) for kind in images.classes)


def test_images_fit_their_labels():
    """A one is thin and a zero is round; a trouser is narrow and a bag is wide."""
    for name, thin, wide in (("mnist", "1", "0"), ("fashion_mnist", "Trouser", "Bag")):
        (x, y), _, classes = load(name)
        ink = [x[y == classes.index(kind)].mean() for kind in (thin, wide)]
        assert ink[0] < 0.7 * ink[1]


def test_penguins():
    penguins = load("penguins")
    assert all(column.shape == (344,) for column in penguins)
    assert Counter(penguins.species.tolist()) == {"Adelie": 152, "Gentoo": 124, "Chinstrap": 68}
    assert Counter(penguins.island.tolist()) == {"Biscoe": 168, "Dream": 124, "Torgersen": 52}
    assert Counter(penguins.sex.tolist()) == {"male": 168, "female": 165, "": 11}
    assert penguins.year.dtype == np.int64 and Counter(penguins.year.tolist()) == {2007: 110, 2008: 114, 2009: 120}
    bounds = {
        "bill_length_mm": (32.1, 59.6),
        "bill_depth_mm": (13.1, 21.5),
        "flipper_length_mm": (172, 231),
        "body_mass_g": (2700, 6300),
    }
    for name, bound in bounds.items():
        column = getattr(penguins, name)
        assert column.dtype == np.float64 and np.isnan(column).sum() == 2
        assert (np.nanmin(column), np.nanmax(column)) == bound


def test_adult():
    people = load("adult")
    assert all(column.shape == (48842,) for column in people.values()) and len(people) == 14
    numbers = [name for name, column in people.items() if column.dtype == np.int64]
    assert numbers == ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    missing = {name: int((column == "").sum()) for name, column in people.items() if name not in numbers}
    gaps = {"workclass": 2799, "occupation": 2809, "native_country": 857}
    assert {name: n for name, n in missing.items() if n} == gaps
    assert Counter(people["salary"].tolist()) == {"<=50K": 37155, ">50K": 11687}
    assert Counter(people["sex"].tolist()) == {"Male": 32650, "Female": 16192}
    assert [column[0] for column in people.values()][:3] == [39, "State-gov", "Bachelors"]


def test_deep_sky():
    sky = load("deep_sky")
    assert sky.images.shape == (350, 150, 150, 3) and sky.images.dtype == np.uint8
    assert sky.labels.shape == (350,) and sky.labels.dtype == np.int64
    assert sky.classes == ["galaxy", "nebula", "star_cluster"] and np.bincount(sky.labels).tolist() == [133, 127, 90]
    assert [sky.classes[label] for label in sky.labels] == [path.split("/")[0] for path in sky.paths]
    root = data.path("deep_sky")
    assert sorted(path.relative_to(root).as_posix() for path in root.glob("*/*")) == sky.paths
    assert all(sky.photographers) and sky.photographers[sky.paths.index("galaxy/ic10.jpg")] == "Starhopper"
    assert len(set(sky.photographers)) == 57 and sky.photographers.count("Adam Block") == 56
    assert sky.telescopes.count("Hubble") == 43 and sky.telescopes.count("") == 164
    with Image.open(root / sky.paths[200]) as image:
        assert np.array_equal(np.asarray(image), sky.images[200])
    assert len({image.tobytes() for image in sky.images}) == 350


def test_movie_reviews():
    reviews = load("movie_reviews")
    assert [len(part.texts) for part in reviews] == [10605, 3708, 5190, 4200]
    assert [int((part.ratings > 0).sum()) for part in reviews] == [5242, 2128, 2204, 2897]
    for part in reviews:
        assert part.ratings.shape == (len(part.texts),) and part.ratings.dtype == np.float64
        assert (np.abs(part.ratings) <= 4).all() and all(part.texts)
        assert not any("\ufffd" in text for text in part.texts)
    assert reviews.movies.texts[0].startswith("The Rock is destined") and reviews.movies.ratings[0] == 2.26666666667
    assert reviews.tweets.texts[-1] == "Execute like lightning not like wind"
    assert len(set(reviews.movies.texts)) == 10603


def test_austen():
    novels = load("austen")
    assert list(novels) == [
        "Emma",
        "Mansfield Park",
        "Northanger Abbey",
        "Persuasion",
        "Pride and Prejudice",
        "Sense and Sensibility",
    ]
    assert sum(map(len, novels.values())) == 4025028
    assert all(text.lower().startswith(name.lower() + "\n") for name, text in novels.items())
    assert "£20,000" in novels["Mansfield Park"] and "\r" not in "".join(novels.values())


def test_unknown_name_says_what_is_near_and_what_there_is():
    with pytest.raises(data.DataError, match=r"'mnits'; did you mean 'mnist'.*austen, deep_sky, fashion_mnist, mnist"):
        data.load("mnits")
    with pytest.raises(data.DataError, match=r"no data set \['mnist'\]"):
        data.load(["mnist"])
    with pytest.raises(data.DataError, match="knows no 'cifar'"):
        data.path("cifar")


def test_changed_file_is_named_with_hashes_and_a_way_out(copy):
    assert data.load("penguins").species[0] == "Adelie" and data.path("penguins") == copy / "penguins.csv"
    with (copy / "penguins.csv").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(data.DataError) as caught:
        data.load("penguins")
    manifest = json.loads((copy / "MANIFEST.json").read_text(encoding="utf-8"))
    wanted = manifest["penguins"]["files"]["penguins.csv"]["sha256"]
    for part in ("penguins.csv was changed", wanted[:12], "checkout -- data/penguins.csv`", "penguins.py --write"):
        assert part in str(caught.value)


def test_change_of_the_same_size_is_seen_after_a_first_load(copy):
    data.load("movie_reviews")
    file = copy / "movie_reviews" / "tweets.tsv"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"lightning", b"Lightning"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
    with pytest.raises(data.DataError, match=r"tweets\.tsv was changed"):
        data.load("movie_reviews")


def test_missing_files(copy):
    (copy / "movie_reviews" / "amazon.tsv").unlink()
    with pytest.raises(data.DataError, match=r"amazon.tsv cannot be read \(No such.*checkout -- data/movie_reviews/a"):
        data.load("movie_reviews")
    (copy / "movie_reviews" / "LICENSE.txt").unlink()
    with pytest.raises(data.DataError, match=r"\(and 1 more\).*git checkout -- data/`"):
        data.load("movie_reviews")


@pytest.mark.parametrize(
    "text", ["{", "{}", "[" * 100_000, "[]", '{"a": {}}', '{"a": {"path": "", "recipe": "", "files": {"b": 1}}}']
)
def test_broken_manifest(copy, text):
    (copy / "MANIFEST.json").write_text(text)
    with pytest.raises(data.DataError, match=r"MANIFEST.json is broken.*git checkout"):
        data.load("penguins")


def test_no_manifest(copy):
    (copy / "MANIFEST.json").unlink()
    with pytest.raises(data.DataError, match=r"MANIFEST.json cannot be read.*GROUNDUP_DATA"):
        data.load("penguins")


def test_verify_finds_changed_missing_and_unknown_files(copy, capsys):
    assert data.verify() == 0
    assert capsys.readouterr().out == "ok  movie_reviews: 5 file(s), 2.73 MB\nok  penguins: 1 file(s), 0.02 MB\n"
    (copy / "penguins.csv").write_bytes(b"species\n")
    (copy / "movie_reviews" / "movies.tsv").unlink()
    (copy / "movie_reviews" / "extra.tsv").write_bytes(b"")
    (copy / ".DS_Store").write_bytes(b"")
    assert data.verify() == 3
    said = capsys.readouterr().out
    assert "penguins.csv was changed" in said and "movies.tsv cannot be read" in said
    assert said.endswith("does not know\n    movie_reviews/extra.tsv\n") and "ok " not in said


def test_command_line_fails_on_a_bad_file(copy):
    def run():
        environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-m", "groundup.data"]
        return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")

    assert run().returncode == 0
    (copy / "penguins.csv").write_bytes(b"species\n")
    assert run().returncode == 1
    (copy / "MANIFEST.json").unlink()
    failed = run()
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and "MANIFEST.json cannot be read" in failed.stderr


def test_the_checkout_is_whole(capsys):
    assert data.verify() == 0, capsys.readouterr().out
    # 54 MB until chapters 14 and 15; chapter 15's people and records are 0.5 MB
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file() and file.suffix != ".pyc") < 58e6


def test_every_set_has_licence_credit_source_recipe_and_a_line_in_the_readme():
    manifest = json.loads((DATA / "MANIFEST.json").read_text(encoding="utf-8"))
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert sorted(manifest) == sorted(
        [*data.LOADERS, "gpt", "gan", "resnet", "bert", "efficientnet", "records"]
    )  # not by data.load
    for about in manifest.values():
        assert list(about) == ["path", "licence", "credit", "source", "recipe", "files"] and all(about.values())
        assert (DATA.parent / about["recipe"]).is_file() and (DATA / about["path"]).exists() and about["path"] in readme
        assert all((DATA / file).stat().st_size == facts["bytes"] for file, facts in about["files"].items())


def test_import_is_light():
    code = "import sys, groundup.data; print(sorted({'keras', 'tensorflow', 'PIL', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def keras(monkeypatch):
    """A stand-in for keras.datasets.fashion_mnist, whose load_data the test sets."""
    monkeypatch.setattr(data, "load", load)
    module = types.ModuleType("keras.datasets")
    module.fashion_mnist = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "keras", types.ModuleType("keras"))
    monkeypatch.setitem(sys.modules, "keras.datasets", module)
    return module.fashion_mnist


def test_all_of_fashion_mnist(keras):
    (x, y), test, classes = load("fashion_mnist")
    full = (np.concatenate([x] * 3), np.concatenate([y] * 3).astype(np.uint8))
    keras.load_data = lambda: (full, test)
    images = data.load_all_fashion_mnist()
    assert images.train[0].shape == (60000, 28, 28) and images.train[1].dtype == np.int64 and images.classes == classes
    keras.load_data = lambda: ((full[0], 9 - full[1]), test)
    with pytest.raises(data.DataError, match="other images"):
        data.load_all_fashion_mnist()


def test_all_of_fashion_mnist_without_a_network(keras):
    def load_data():
        raise Exception("URL fetch failure")

    keras.load_data = load_data
    with pytest.raises(data.DataError, match=r"cannot be fetched \(URL fetch failure\).*20,000 training"):
        data.load_all_fashion_mnist()
