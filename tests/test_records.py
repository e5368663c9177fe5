"""Records: numbers over seeds that a chapter reads, and the script that measures them again."""

import ast
import csv
import hashlib
import json

import numpy as np
import pytest
from coursetools import notebook
from groundup import data, records

ROOT = data.folder().parent
NOT_YET_RECORDED = []  # chapters without a record of five seeds; only shrinks
NOT_YET_MEASURED_AGAIN = []  # only shrinks
NARROW = [
    "lower end of its interval",  # 02: the point is that zero lies inside; five splits give gains of whole points
    "wrong answers of the wide one, over those of the narrow one",  # 03: 1 is where the sentence would be wrong
    "R² on new points",  # 03: one minus a ratio of errors, which spreads by factors
    "engine's all-reduce of these arrays over that of one array of the same size",  # 11: where two processes share a
    # core it spreads by factors, from 2.5 to 94; 1 is where the sentence would be wrong
    "AUC of the attack, lower end of its interval",  # 15: a guess is at 0.5; 0.55 is near the lowest of five seeds
]  # claims whose bound may lie near, and why
NAMES = sorted(path.stem for path in (ROOT / "data" / "records").glob("*.csv"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with one record."""
    (tmp_path / "records").mkdir()
    lines = ["accuracy,2,0.75,>= 0.5", "accuracy,1,0.5,>= 0.5", "loss,1,2,"]
    text = "\n".join([",".join(records.COLUMNS), *(f"{line},Keras 3,abc" for line in lines), ""])
    (tmp_path / "records" / "03.csv").write_text(text)
    facts = {"bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    about = {"path": "records", "recipe": "src/record.py", "files": {"records/03.csv": facts}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"records": about}))
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    return tmp_path


def test_values_by_seed(folder):
    assert list(records.values("03", "accuracy").items()) == [(1, 0.5), (2, 0.75)]
    assert records.load("03")[2] == dict(claim="loss", seed=1, value=2.0, bound="", versions="Keras 3", code="abc")
    assert records.load("03")[0]["bound"] == ">= 0.5"


def test_what_is_not_there_is_named(folder):
    with pytest.raises(data.DataError, match="no record 04; there are 03"):
        records.values("04", "accuracy")
    with pytest.raises(data.DataError, match="has no 'speed'"):
        records.values("03", "speed")
    (folder / "records" / "03.csv").write_text("other")
    with pytest.raises(data.DataError, match="was changed"):
        records.values("03", "accuracy")


def test_while_a_record_is_made_what_is_not_there_is_nan(folder, monkeypatch):
    monkeypatch.setenv("GROUNDUP_RECORD", "1")
    assert np.isnan([*records.values("03", "speed").values(), *records.values("04", "accuracy").values()]).all()
    assert records.values("03", "accuracy") == {1: 0.5, 2: 0.75}


def code_now(name, import_recipe):
    """The hash of the code that a record of this name would have today."""
    if len(name) == 2:
        return notebook.code_hash(notebook.read(notebook.find_chapters([name])[0]))
    script = ast.parse((ROOT / "src" / "coursetools" / "recipes" / f"record_{name}.py").read_text(encoding="utf-8"))
    (listed,) = (
        node.value.elts
        for node in script.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "NAMES"
    )
    record = import_recipe("record")
    shared = record.SHARED[name[:2]] if any(isinstance(each, ast.Starred) for each in listed) else []
    names = [*shared, *(ast.literal_eval(each) for each in listed if not isinstance(each, ast.Starred))]
    return record.code_of(record.statements(name[:2], names))


def test_trainings_of_an_interrupted_seed_are_kept(tmp_path, import_recipe):
    kept, done = import_recipe("record").Kept, []

    def train(rate):
        done.append(rate)
        return [rate, 0]

    for code in ("abc", "abc", "other"):
        assert kept(tmp_path / "kept.json", code)("seed 1", train, 3) == [3, 0]
    assert done == [3, 3]


@pytest.mark.parametrize("name", sorted({*NAMES} - {*NOT_YET_MEASURED_AGAIN}))
def test_records_are_of_the_code_that_is_there(name, import_recipe):
    rows = records.load(name)
    assert {row["code"] for row in rows} == {code_now(name, import_recipe)}, (
        f"the record {name} is older than the code of its chapter: make records NB={name} ARGS=--write"
    )
    assert {row["seed"] for row in rows} >= {1, 2, 3, 4, 5}


def test_seeds_of_what_pretraining_is_worth():
    """Five pairs on half of the sentences, five on all; seed 0 only tries rates."""
    for row in records.load("09_pretraining"):
        seeds = [0] if "peak" in row["claim"] else [1, 2, 3, 4, 5]
        assert list(records.values("09_pretraining", row["claim"])) == seeds, row["claim"]


def test_rebuild_goes_on_where_it_was_interrupted(import_recipe, tmp_path, monkeypatch):
    record = import_recipe("record")
    monkeypatch.setattr(record.records, "DATA", tmp_path / "data")
    monkeypatch.setattr(record.session, "versions", lambda: {"Keras": "3"})
    monkeypatch.setattr("sys.argv", ["record_03_all.py", "--out", str(tmp_path / "build")])
    asked = []

    def measure(seed):
        asked.append(seed)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"accuracy": seed / 10}

    with pytest.raises(KeyboardInterrupt):
        record.rebuild("03", measure, "abc", seeds=(1, 2, 3))
    record.rebuild("03", measure, "abc", seeds=(1, 2, 3))
    assert asked == [1, 2, 2, 3]
    file = tmp_path / "build" / "data" / "records" / "03.csv"
    with file.open(newline="") as lines:
        rows = [(row["seed"], row["value"]) for row in csv.DictReader(lines)]
    assert rows == [("1", "0.1"), ("2", "0.2"), ("3", "0.3")]
    record.rebuild("03", measure, "other code", seeds=(1,))
    assert asked[-1] == 1 and "abc" not in file.read_text()


def test_definitions_of_a_chapter_without_its_experiments(import_recipe, tmp_path, monkeypatch):
    record = import_recipe("record")
    cells = [
        ("import math\nSIZE = 3  # of all", ["parameters"]),
        ("def area(side):\n    return side**2 * SIZE", []),
        ("1 / 0", []),
        ("side, other = 2, math.pi", []),
        ("def area(side):\n    return 0", ["solution"]),
    ]
    cells = [{"cell_type": "code", "source": [source], "metadata": {"tags": tags}} for source, tags in cells]
    (tmp_path / "03_squares.ipynb").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    )
    monkeypatch.setattr(record.notebook, "NOTEBOOKS", tmp_path)
    space, code = record.definitions("03", ["area", "side"])
    assert space["area"](space["side"]) == 12 and len(code) == 12 and "math" in space
    assert record.definitions("03", ["area"], {"SIZE": 5})[0]["area"](2) == 20
    assert record.definitions("03", ["area"])[1] != code
    with pytest.raises(KeyError, match="does not define no_such_thing"):
        record.definitions("03", ["no_such_thing"])


def test_each_chapter_has_a_record():
    chapters = {path.stem[:2] for path in notebook.find_chapters([])}
    assert chapters - set(NAMES) == set(NOT_YET_RECORDED)


def roomy(values, sign, bound):
    """Whether a bound lies at least one standard deviation beyond all values, in themselves or in their logarithms."""
    ways = [(np.array(values), bound)]
    if min(values) > 0 and bound > 0:  # ratios spread by factors
        ways.append((np.log(values), np.log(bound)))
    rooms = [(min(v - b) if sign == ">=" else min(b - v), v.std(ddof=1)) for v, b in ways]
    return rooms[0][0] >= 0 and any(room >= spread for room, spread in rooms)


def test_what_a_margin_is():
    assert roomy([3.0, 4.0, 5.0], ">=", 2) and not roomy([3.0, 4.0, 5.0], ">=", 2.9)
    assert roomy([10.0, 100.0, 1000.0], ">=", 0.9) and not roomy([10.0, 100.0, 1000.0], ">=", 5)
    assert roomy([-1.0, 0.0, 1.0], "<=", 2) and not roomy([1.0, 2.0, 4.0], "<=", 3.9)
    assert roomy([2.0, 2.0, 2.0], ">=", 2)


def test_the_bounds_of_the_chapters_have_a_margin():
    faults = []
    for name in [name for name in NAMES if len(name) == 2]:
        claims = {}
        for row in records.load(name):
            claims.setdefault((row["claim"], row["bound"]), []).append(row["value"])
        for (claim, bound), values in claims.items():
            sign, _, number = bound.partition(" ")
            held = roomy(values, sign, float(number)) if number else sign == "among" or min(values) == 1
            if not held and claim not in NARROW:
                faults.append(f"{name}: {claim}, {bound}: {', '.join(f'{value:.4g}' for value in sorted(values))}")
    assert not faults, "a claim fails with a seed, or its bound has no margin:\n" + "\n".join(faults)
