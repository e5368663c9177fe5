"""Chapter 06 on a reader's own folder, headlessly: what it must write, and what it says of a folder it cannot use."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from groundup import check, data, image_folder, session

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "06_cnn_folder_classifier.ipynb"
CLASSES = ["2", "10", "Äpfel & Birnen"]  # in natural order


def run(out, *arguments, cwd=ROOT, notebooks=ROOT / "notebooks"):
    """(exit status, everything printed) of `make run NB=06` with arguments."""
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(notebooks))
    words = [sys.executable, "-m", "coursetools.run", "06", "--out", str(out), *arguments]
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


def test_own_folder(photos, tmp_path):
    new = tmp_path / "neue Bilder"
    new.mkdir()
    for k in range(3):
        Image.new("RGB", (64, 48), tuple(200 if c == k else 45 for c in range(3))).save(new / f"{k}.png")
    (new / "Notiz.txt").write_text("kein Bild")
    before = {file: file.stat().st_mtime_ns for file in photos.rglob("*")}
    # relative to where it is called from
    status, printed = run(
        tmp_path / "out",
        "-p",
        "DATA_DIR",
        "Früchte",
        "-p",
        "PREDICT_DIR",
        str(new),
        "-p",
        "SIZE",
        "32",
        "-p",
        "EPOCHS",
        "3",
        cwd=photos.parent,
    )
    assert status == 0, printed
    assert {file: file.stat().st_mtime_ns for file in photos.rglob("*")} == before
    out = tmp_path / "out" / "06"

    with (out / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        manifest = {row["path"]: row["status"] for row in csv.DictReader(lines)}
    assert len(manifest) == 37
    assert [path for path, word in manifest.items() if word != "used"] == ["10/halb.jpg"]

    with (out / "predictions.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["path"] for row in rows] == ["0.png", "1.png", "2.png", "Notiz.txt"]
    assert all(row["class"] in CLASSES for row in rows[:3])
    assert rows[3]["class"] == "" and rows[3]["why"]
    assert [name for name in rows[0] if name.startswith("p(")] == [f"p({name})" for name in CLASSES]

    saved = image_folder.restore(out / "model")
    assert saved.classes == CLASSES and saved.size == 32
    again = image_folder.predict(saved, new)
    for row, prediction in zip(rows[:3], again, strict=False):
        assert float(row["probability"]) == pytest.approx(prediction.probability, abs=1e-4)

    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["06_cnn_folder_classifier"]
    assert report["error"] is None and report["claims"] and all(claim["ok"] for claim in report["claims"])
    assert not any("cross-validated" in claim["name"] for claim in report["claims"])  # that is about the sky


def test_a_folder_that_cannot_be_used_ends_in_a_sentence(tmp_path):
    status, printed = run(tmp_path / "out", "-p", "DATA_DIR", "nowhere", cwd=tmp_path)
    assert status == 1
    said = [line for line in printed.splitlines() if line.startswith("FolderError: ")]
    assert len(said) == 1 and "There is no folder nowhere" in said[0], printed
    assert "Traceback" not in printed and "cell 3 of" in printed


@pytest.mark.parametrize(
    ("parameter", "what", "sentence"),
    [
        ("DATA_DIR", "one", "has one class, 'cats'"),
        ("PREDICT_DIR", "nowhere", "There is no folder nowhere of new pictures"),
    ],
)
def test_other_faults_of_a_folder_are_found_in_the_same_cell(tmp_path, monkeypatch, parameter, what, sentence):
    (tmp_path / "one" / "cats").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    cells = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]]
    parameters, scanning = (next(text for text in cells if words in text) for words in ("DATA_DIR = ", "own = bool("))
    space = {"check": check, "data": data, "image_folder": image_folder, "session": session}
    exec(parameters, space)
    space[parameter] = what
    with pytest.raises(image_folder.FolderError) as error:
        exec(scanning, space)
    assert sentence in str(error.value)
