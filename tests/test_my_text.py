"""my_text on a reader's own text, headlessly, and what it says of a file it cannot use."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from groundup import data
from ownfiles import text

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "my_text.ipynb"


def run(out, *arguments, cwd=ROOT):
    """(exit status, everything printed) of `make run NB=my_text` with arguments."""
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(ROOT / "notebooks"))
    words = [sys.executable, "-m", "coursetools.run", "my_text", "--out", str(out), *arguments]
    done = subprocess.run(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=600
    )
    return done.returncode, done.stdout


def outputs(out):
    """What the executed notebook printed."""
    cells = json.loads((out / "my_text.ipynb").read_text(encoding="utf-8"))["cells"]
    return "".join("".join(o.get("text", "")) for cell in cells for o in cell.get("outputs", []))


def test_own_text(tmp_path):
    words = data.load("austen")["Emma"][:40_000].replace("e", "é").replace("w", "ж").replace("\n", "\r\n")
    (tmp_path / "mein Buch.txt").write_bytes(b"\xef\xbb\xbf" + words.encode())
    given = {"TEXT_FILE": "mein Buch.txt", "STEPS": "12", "LAYERS": "1", "TOKENS": "20", "PROMPT": "Жéné "}
    arguments = [word for name, value in given.items() for word in ("-p", name, value)]
    status, printed = run(tmp_path / "out", *arguments, cwd=tmp_path)
    assert status == 0, printed[-3000:]
    said = outputs(tmp_path / "out")
    length = len(words.replace("\r\n", "\n"))
    assert f"{length * 9 // 10:,} characters to learn from, {length - length * 9 // 10:,} held out" in said
    assert "not claimed on this data" in said
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["my_text"]
    assert report["error"] is None and report["claims"] and all(claim["ok"] for claim in report["claims"])
    names = [claim["name"] for claim in report["claims"]]
    assert "tokens turned into text again give the text" in names  # that holds whatever the reader brings
    assert "the GPT's bits per character" not in names
    folder = tmp_path / "out" / "my_text"
    assert {file.name for file in folder.iterdir()} == {"model.keras", "tokenizer.json", "written.txt"}
    assert (folder / "written.txt").read_text(encoding="utf-8").startswith("Жéné ")


FILES = {
    "short.txt": b"It is a truth universally acknowledged.\n" * 20,
    "latin1.txt": "Élodie était déjà là. ".encode("latin-1") * 2000,
    "binary.txt": np.random.default_rng(8).integers(0, 256, 50_000).astype(np.uint8).tobytes(),
    "empty.txt": b"",
    "same.txt": b"a" * 30_000,
}


@pytest.fixture(scope="module")
def opening():
    """The code down to the cell that refuses a text which says the same over and over, before a network is built."""
    code = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            code.append("".join(cell["source"]))
            if "over and over" in code[-1]:
                return code
    raise AssertionError("no cell refuses a text that says the same over and over")


def execute(code, given):
    """The namespace after the cells ran with parameters of a reader."""
    space = {}
    for cell in code:
        exec(cell, space)
        if "TEXT_FILE = " in cell:
            space |= given
    return space


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("short.txt", "holds 800 characters: give it at least 20,000"),
        ("latin1.txt", "not UTF-8"),
        ("binary.txt", "binary"),
        ("empty.txt", "is empty"),
        ("same.txt", "the same over and over"),
        ("nowhere.txt", "There is no file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_a_network_is_built(opening, tmp_path, file, sentence):
    if file in FILES:
        (tmp_path / file).write_bytes(FILES[file])
    with pytest.raises(text.TextError, match=sentence):
        execute(opening, {"TEXT_FILE": str(tmp_path / file)})


@pytest.mark.parametrize(
    ("name", "value", "least"), [("STEPS", 0, 1), ("VOCABULARY", 255, 256), ("LAYERS", -1, 1), ("TOKENS", 0, 1)]
)
def test_a_parameter_too_small_is_refused(opening, name, value, least):
    with pytest.raises(text.TextError, match=f"{name} is {value}: give it {least} or more"):
        execute(opening[:3], {name: value})


def test_a_text_without_blanks_takes_no_longer_than_others(opening, tmp_path):
    letters = np.random.default_rng(8).choice(list(b"ACGT"), 400_000).astype(np.uint8).tobytes()
    (tmp_path / "dna.txt").write_bytes(letters)
    began = time.monotonic()
    space = execute(opening, {"TEXT_FILE": str(tmp_path / "dna.txt")})
    assert time.monotonic() - began < 15  # as one word: 107 s, and four times as long for twice the letters
    assert len(space["held"]) * 2 < 40_000


def test_a_file_that_cannot_be_used_ends_in_a_sentence(tmp_path):
    (tmp_path / "short.txt").write_bytes(FILES["short.txt"])
    status, printed = run(tmp_path / "out", "-p", "TEXT_FILE", "short.txt", cwd=tmp_path)
    assert status == 1
    said = [line for line in printed.splitlines() if line.startswith("TextError: ")]
    assert len(said) == 1 and "holds 800 characters" in said[0], printed
    assert "Traceback" not in printed
