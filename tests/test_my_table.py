"""my_table on a reader's own table, headlessly: what it must write, and what it says of a table it cannot use.

All the ways in which a table can be bad are in test_text.py.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from groundup import check, data, session
from groundup.models import bert
from ownfiles import text

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "my_table.ipynb"
CLASSES = ["food", "sport", "weather"]
WORDS = {
    "food": ["soup", "bread", "cheese", "dinner", "salad"],
    "sport": ["goal", "match", "team", "coach", "race"],
    "weather": ["rain", "storm", "cloud", "frost", "breeze"],
}


def command(out, *arguments):
    return [sys.executable, "-m", "coursetools.run", "my_table", "--out", str(out), *arguments]


def run(out, *arguments, cwd=ROOT):
    """(exit status, everything printed) of `make run NB=my_table` with arguments."""
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(ROOT / "notebooks"))
    done = subprocess.run(
        command(out, *arguments),
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """150 short texts of three classes, in columns of the reader's own names."""
    file = tmp_path_factory.mktemp("mes données") / "Sätze.csv"
    rng = np.random.default_rng(9)
    lines = ["id;Satz;Thema"]
    for i in range(150):
        kind = CLASSES[i % 3]
        first, second = rng.choice(WORDS[kind], 2, replace=False)
        lines.append(f'{i};"On day {i} we talked, at length, of the {first} and the {second}";{kind}')
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_own_table_interrupted_and_resumed(table, tmp_path):
    before = table.read_bytes()
    given = {"TABLE_FILE": table.name, "TEXT_COLUMN": "Satz", "LABEL_COLUMN": "Thema", "EPOCHS": "12"}
    arguments = [word for name, value in given.items() for word in ("-p", name, value)]
    env = dict(os.environ, GROUNDUP_NOTEBOOKS=str(ROOT / "notebooks"))
    state = tmp_path / "out" / "my_table" / "training.npz"
    first = subprocess.Popen(
        command(tmp_path / "out", *arguments),
        cwd=table.parent,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 600
    while not state.exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 130 and state.exists()

    status, printed = run(tmp_path / "out", *arguments, cwd=table.parent)
    assert status == 0, printed
    assert table.read_bytes() == before and not state.exists()
    page = (tmp_path / "out" / "my_table.ipynb").read_text(encoding="utf-8")
    assert "resumed after epoch" in page
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["my_table"]
    assert report["error"] is None and all(claim["ok"] for claim in report["claims"])
    names = [claim["name"] for claim in report["claims"]]
    assert "its logits for raw texts" in names and not any("test accuracy" in name for name in names)

    model = tmp_path / "out" / "my_table" / "model"
    program = (
        "import json, sys\n"
        "from groundup.models import bert\n"
        "restored = bert.restore(sys.argv[1])\n"
        "z = restored.predict(['a storm and rain', 'soup with bread', 'the team and the coach'])\n"
        "print(json.dumps([restored.classes[i] for i in z.argmax(axis=1)]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, str(model)], env=env, check=True, encoding="utf-8", stdout=subprocess.PIPE
    ).stdout
    assert json.loads(printed.splitlines()[-1]) == ["weather", "food", "sport"]


UNUSABLE = [
    (None, "There is no file table.tsv"),
    (b"sentence\tlabel\na\tb\n", "no column 'text'; its first line has 'sentence', 'label'"),
    (b"text\tlabel\n" + b"".join(b"text %d\tgood\n" % i for i in range(60)), "has one class, 'good'"),
    (b"text\tlabel\ncaf\xe9\tgood\n", "is not UTF-8: byte 0xe9"),
]


def test_a_table_that_cannot_be_used_ends_in_a_sentence(tmp_path):
    content, sentence = UNUSABLE[1]
    file = tmp_path / "table.tsv"
    file.write_bytes(content)
    status, printed = run(tmp_path / "out", "-p", "TABLE_FILE", "table.tsv", cwd=tmp_path)
    assert status == 1
    said = [line for line in printed.splitlines() if line.startswith("TextError: ")]
    assert len(said) == 1 and sentence in said[0], printed
    assert "Traceback" not in printed and "cell 5 of" in printed
    assert file.read_bytes() == content


@pytest.fixture
def opening(tmp_path, monkeypatch):
    """(cells, namespace): parameters, their bounds and the reading of a table, without a kernel and without TensorFlow,
    which take ten seconds to start."""
    page = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in page["cells"] if cell["cell_type"] == "code"][1:6]
    assert code[0].startswith("TABLE_FILE") and "text.read_table" in code[3]  # the fifth cell, as above
    monkeypatch.setenv("GROUNDUP_OUT", str(tmp_path / "out"))
    monkeypatch.chdir(tmp_path)
    space = {"np": np, "bert": bert, "check": check, "data": data, "session": session, "text": text}
    exec(code[0], space)
    return code[1:], space


@pytest.mark.parametrize(("content", "sentence"), UNUSABLE)
def test_what_is_said_of_a_table_that_cannot_be_used(opening, tmp_path, content, sentence):
    (bounds, example, reading, _), space = opening
    file = tmp_path / "table.tsv"
    if content is not None:
        file.write_bytes(content)
    space["TABLE_FILE"] = "table.tsv"
    exec(bounds, space)
    exec(example, space)
    with pytest.raises(text.TextError) as error:
        exec(reading, space)
    assert sentence in str(error.value) and "\n" not in str(error.value)
    assert error.value.__cause__ is None and error.value.__suppress_context__  # one traceback, not two
    assert content is None or file.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("LENGTH", 600, "3 to 512"),
        ("LENGTH", 2, "3 to 512"),
        ("FROZEN", 6, "1 to 5"),
        ("FROZEN", 0, "1 to 5"),
        ("EPOCHS", 0, "1 to 1000"),
        ("RATE", float("nan"), "1e-09 to 1"),
    ],
)
def test_a_parameter_out_of_bounds_is_refused_before_anything_is_read(opening, name, value, bounds):
    (refusing, *_), space = opening
    space[name] = value
    with pytest.raises(text.TextError, match=f"^{name} is {value}: give it {bounds}\\.$"):
        exec(refusing, space)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_smallest_tables_can_be_divided(opening, tmp_path, classes):
    """10 texts of each class and 50 in all are what text.read_table asks for; each class must be in each part."""
    from sklearn.model_selection import train_test_split

    (bounds, example, reading, dividing), space = opening
    sizes = [50 - 10 * (classes - 1), *[10] * (classes - 1)]
    lines = [f"{k} {i}\t{k}" for k, size in enumerate(sizes) for i in range(size)]
    (tmp_path / "table.tsv").write_text("\n".join(["text\tlabel", *lines]), encoding="utf-8")
    space |= {"TABLE_FILE": "table.tsv", "train_test_split": train_test_split}
    for code in (bounds, example, reading, dividing):
        exec(code, space)
    for part in ("train", "valid", "test"):
        assert set(space["labels"][space[part]]) == set(range(classes))


def test_texts_without_words_can_be_counted():
    """Emoji and single letters: a bag of words finds none of two letters, and scikit-learn then raises."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    page = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    line = next(line for cell in page["cells"] for line in cell["source"] if line.startswith("words = Tfidf"))
    space = {"TfidfVectorizer": TfidfVectorizer}
    exec(line, space)
    assert space["words"].fit_transform(["😀 😀 👍", "a b", "👎"]).shape[0] == 3
