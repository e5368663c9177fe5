"""my_pictures on a reader's own folder, headlessly: what it must write, and what it says of a folder it cannot use."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from groundup import check, data, session
from ownfiles import image_folder

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "my_pictures.ipynb"
CLASSES = ["2", "10", "Äpfel & Birnen"]  # in natural order


def run(out, *arguments, cwd=ROOT, notebooks=ROOT / "notebooks"):
    """(exit status, everything printed) of `make run NB=my_pictures` with arguments."""
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(notebooks))
    words = [sys.executable, "-m", "coursetools.run", "my_pictures", "--out", str(out), *arguments]
    done = subprocess.run(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=300
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of coloured noise, in files of three formats and sizes, and one that is cut short."""
    root = tmp_path_factory.mktemp("eigene Fotos") / "Früchte"
    rng = np.random.default_rng(6)
    for k, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 90, (40 + i, 50, 3))
            pixels[..., k] += 150
            file = root / name / f"Foto {i}{('.jpg', '.png', '.webp')[i % 3]}"
            Image.fromarray(pixels.astype(np.uint8)).save(file)
    whole = (root / "10" / "Foto 0.jpg").read_bytes()
    (root / "10" / "halb.jpg").write_bytes(whole[: len(whole) // 2])
    return root


@pytest.mark.parametrize("network", ["pretrained", "small"])
def test_own_folder(photos, tmp_path, network):
    new = tmp_path / "neue Bilder"
    new.mkdir()
    for k in range(3):
        Image.new("RGB", (64, 48), tuple(200 if c == k else 45 for c in range(3))).save(new / f"{k}.png")
    (new / "Notiz.txt").write_text("kein Bild")
    before = {file: file.stat().st_mtime_ns for file in photos.rglob("*")}
    given = {"DATA_DIR": "Früchte", "PREDICT_DIR": str(new), "SIZE": "32", "EPOCHS": "3", "FOLDS": "3", "TURN": "true"}
    if network == "small":
        given |= {"GROUP": r"Foto [01]\."}
    else:
        (photos.parent / "Gruppen.csv").write_text("path,group\n10/Foto 1.png,A\n10/Foto 2.webp,A\n", encoding="utf-8")
        given |= {"GROUP_TABLE": "Gruppen.csv"}
    given |= {"NETWORK": network}
    arguments = [word for name, value in given.items() for word in ("-p", name, value)]
    status, printed = run(tmp_path / "out", *arguments, cwd=photos.parent)
    assert status == 0, printed
    assert {file: file.stat().st_mtime_ns for file in photos.rglob("*")} == before
    out = tmp_path / "out" / "my_pictures"

    with (out / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        manifest = {row["path"]: row["status"] for row in csv.DictReader(lines)}
    assert len(manifest) == 37
    assert [path for path, word in manifest.items() if word != "used"] == ["10/halb.jpg"]

    with (out / "predictions.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["path"] for row in rows] == ["0.png", "1.png", "2.png", "Notiz.txt"]
    assert all(row["class"] in CLASSES for row in rows[:3])
    assert rows[3]["class"] == "" and rows[3]["why"]
    marks = {row["unsure"]: [] for row in rows[:3]} | {"": []}
    for row in rows[:3]:
        marks[row["unsure"]].append(float(row["probability"]))
    assert set(marks) <= {"", "unsure"} and rows[3]["unsure"] == ""
    assert max(marks.get("unsure", [0])) < min(marks[""] or [1])
    assert [name for name in rows[0] if name.startswith("p(")] == [f"p({name})" for name in CLASSES]

    with (out / "doubtful.csv").open(encoding="utf-8", newline="") as lines:
        doubtful = list(csv.DictReader(lines))
    assert {row["path"] for row in doubtful} <= set(manifest)
    assert all(row["answer"] != row["class of its folder"] == row["path"].split("/")[0] for row in doubtful)
    own = [float(row["p(class of its folder)"]) for row in doubtful]
    assert own == sorted(own)

    saved = image_folder.restore(out / "model")
    assert saved.classes == CLASSES and saved.size == 32
    again = image_folder.predict(saved, new)
    for row, prediction in zip(rows[:3], again, strict=False):
        assert float(row["probability"]) == pytest.approx(prediction.probability, abs=1e-4)

    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["my_pictures"]
    assert report["error"] is None and report["claims"] and all(claim["ok"] for claim in report["claims"])
    assert not any("cross-validated" in claim["name"] for claim in report["claims"])  # that is about the sky


def test_on_pictures_of_clothes_the_pretrained_network_is_no_worse_than_the_small_one(tmp_path):
    """A folder that is not the sky: five kinds of clothes that look alike, thirty small grey pictures of each."""
    x, y = data.load("fashion_mnist")[0]
    for k in (0, 2, 3, 4, 6):  # T-shirt, pullover, dress, coat, shirt
        kind = tmp_path / "clothes" / str(k)
        kind.mkdir(parents=True)
        for i in np.flatnonzero(y == k)[:30]:
            Image.fromarray(x[i]).resize((84, 84)).save(kind / f"{i}.png")
    right = {}
    for network, size in (("pretrained", "64"), ("small", "28")):
        given = {"DATA_DIR": str(tmp_path / "clothes"), "NETWORK": network, "SIZE": size, "FOLDS": "3"}
        out = tmp_path / network
        status, printed = run(out, *(word for name, value in given.items() for word in ("-p", name, value)))
        assert status == 0, printed
        right[network] = int(re.search(r"(\d+) of 150 right", (out / "my_pictures.ipynb").read_text("utf-8"))[1])
    assert right["pretrained"] >= right["small"] - 5, right  # measured: 105 and 100, and 123 each on digits
    assert right["pretrained"] >= 90, right  # guessing: 30


def test_a_folder_that_cannot_be_used_ends_in_a_sentence(tmp_path):
    status, printed = run(tmp_path / "out", "-p", "DATA_DIR", "nowhere", cwd=tmp_path)
    assert status == 1
    said = [line for line in printed.splitlines() if line.startswith("FolderError: ")]
    assert len(said) == 1 and "There is no folder nowhere" in said[0], printed
    assert "Traceback" not in printed and "cell 4 of" in printed


def code_with(*words):
    """The code cells that hold these words, one for each."""
    cells = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]]
    return [next(cell for cell in cells if word in cell) for word in words]


@pytest.mark.parametrize(
    ("parameter", "value", "sentence"),
    [
        ("SIZE", 31, "SIZE is 31: give it 32 or more"),
        ("NETWORK", "big", "NETWORK is 'big': give it 'pretrained' or 'small'"),
        ("EPOCHS", 0, "EPOCHS is 0: give it 1 or more"),
        ("DATA_DIR", "one", "has one class, 'cats'"),
        ("PREDICT_DIR", "nowhere", "There is no folder nowhere of new pictures"),
        ("PREDICT_DIR", ".", "would lie in PREDICT_DIR, .; give another OUT"),
        ("GROUP", "(", "GROUP is '(', which is no regular expression"),
        ("GROUP_TABLE", "nowhere.csv", "nowhere.csv cannot be read"),
        ("FOLDS", 1, "it needs to be a whole number of parts, 2 or more"),
        ("FOLDS", 13, "for 13 parts, and none may be in two"),
        ("GROUP", "^[^/]+", "for 5 parts, and none may be in two"),
    ],
)
def test_faults_are_found_before_the_training(photos, tmp_path, monkeypatch, parameter, value, sentence):
    (tmp_path / "one" / "cats").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDUP_OUT", str(tmp_path / "out"))
    parameters, *others = code_with(
        "DATA_DIR = ",
        "claims = check",
        "image_folder.scan(",
        "write_manifest",
        "new.is_dir()",
        "load(scan)",
        "folds = ",
    )
    space = {"check": check, "data": data, "image_folder": image_folder, "session": session}
    exec(parameters, space)
    space |= {"DATA_DIR": str(photos), parameter: value}
    with pytest.raises(image_folder.FolderError) as error:
        for cell in others:
            exec(cell, space)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_many_classes_with_odd_names(tmp_path):
    """More classes than a figure has room for; formula signs, bytes that are not UTF-8, files of the system."""
    root, rng = tmp_path / "photos", np.random.default_rng(6)
    for k in range(14):
        kind = root / f"price_${k}0_to_${k + 1}0"
        kind.mkdir(parents=True)
        for i in range(5):
            file = os.path.join(os.fsencode(kind), (b"\xff%d.png" if i % 2 else b"%d.png") % i)
            with open(file, "xb") as stream:
                Image.fromarray(rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(stream, "PNG")
        (kind / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    arguments = [
        "-p",
        "DATA_DIR",
        str(root),
        "-p",
        "EPOCHS",
        "1",
        "-p",
        "FOLDS",
        "2",
        "-p",
        "SIZE",
        "16",
        "-p",
        "NETWORK",
        "small",
    ]
    status, printed = run(tmp_path / "out", *arguments)
    assert status == 0, printed
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["my_pictures"]
    assert report["claims"] and all(claim["ok"] for claim in report["claims"])


def test_two_classes_and_a_class_that_a_fold_lacks(tmp_path):
    """The dense layer of the pretrained network where the logistic regression has one column, or misses a class."""
    code = code_with("def learn_head", "def logits_of")
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1, 2], 20)
    features = rng.normal(size=(60, 5)) + labels[:, None]
    for classes, rows in ((["a", "b"], labels < 2), (["a", "b", "c"], labels < 2), (["a", "b", "c"], labels >= 0)):
        space = {"np": np, "features": features, "labels": labels, "classes": classes, "pretrained": True}
        exec("from sklearn.linear_model import LogisticRegression", space)
        for cell in code:
            exec(cell, space)
        rows = np.flatnonzero(rows)
        logits = space["logits_of"](rows, space["learn_head"](rows))
        model = space["LogisticRegression"](C=0.1, max_iter=1000).fit(features[rows], labels[rows])
        assert logits.shape == (len(rows), len(classes))
        np.testing.assert_array_equal(logits.argmax(axis=1), model.predict(features[rows]))
        chances = space["chances_of"](logits)
        np.testing.assert_allclose(chances[:, model.classes_], model.predict_proba(features[rows]), atol=1e-6)


def test_pictures_far_from_what_was_learned_are_unsure():
    """The limit is one that nine in ten held-out pictures reach; strangers between two classes fall below it."""
    rng = np.random.default_rng(6)
    labels, features = np.repeat([0, 1, 2], 40), np.zeros((120, 3))
    features[:, :2] = np.array([[-4, 0], [4, 0], [0, 0.5]])[labels] + rng.normal(0, 0.3, (120, 2))
    folds = [(np.arange(120)[np.arange(120) % 4 != k], np.arange(120)[np.arange(120) % 4 == k]) for k in range(4)]
    space = {"np": np, "features": features, "labels": labels, "classes": ["a", "b", "c"], "pretrained": True}
    space |= {"folds": folds, "claims": check.values_only}
    space |= {"sure": np.linspace(0.5, 0.99, 50), "right": np.arange(50) >= 5}
    exec("from sklearn.linear_model import LogisticRegression", space)
    for cell in code_with("def learn_head", "def logits_of", "def strangers_marked"):
        exec(cell, space)
    assert space["strangers_marked"](2) > 0.9  # between the two others: neither is likely
    assert (space["sure"] < space["limit"]).sum() == 5 and space["unsure_right"] == 0 and space["sure_right"] == 1
