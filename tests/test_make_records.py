"""`make records`: a chapter with other seeds, every claim written down, and on where it was interrupted."""

import csv
import json

import pytest
from coursetools import notebook, records
from coursetools.notebook import nbformat

CHAPTER = [
    ("SEED = 3", ["parameters"]),
    ("from groundup import check", []),
    ('check.at_least("twice the seed", 2 * SEED, 3)', []),
    ('for n in (1, 2):\n    check.holds("a number", n > 1)', []),
    ('check.among("the seed", SEED, [1, 2, 3])', []),
    ("1 / 0", ["solution"]),
]


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Function that writes a chapter of the given cells, the only one that there is."""
    monkeypatch.setattr(notebook, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(records.session, "versions", lambda: {"Keras": "3"})

    def write(cells):
        nb = nbformat.v4.new_notebook()
        for source, tags in cells:
            nb.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
        nbformat.write(nb, tmp_path / "03_squares.ipynb")
        return tmp_path / "out"

    return write


def rows(out):
    with (out / "data" / "records" / "03.csv").open(newline="") as lines:
        return [(row["claim"], row["seed"], row["value"], row["bound"]) for row in csv.DictReader(lines)]


def test_every_claim_is_written_down_and_the_failed_ones_are_named(chapter, capsys):
    out = chapter(CHAPTER[:-1])
    assert records.main(["03", "--seeds", "1", "2", "--out", str(out)]) == 0
    assert rows(out) == [
        ("a number", "1", "0", "holds"),
        ("a number", "2", "0", "holds"),
        ("a number (2)", "1", "1", "holds"),
        ("a number (2)", "2", "1", "holds"),
        ("the seed", "1", "1", "among"),
        ("the seed", "2", "2", "among"),
        ("twice the seed", "1", "2", ">= 3"),
        ("twice the seed", "2", "4", ">= 3"),
    ]
    said = capsys.readouterr().out
    assert "not so with seed 1: twice the seed 2 (>= 3)" in said and "seed 2: twice" not in said
    assert [path.name for path in out.iterdir()] == ["data"]  # nothing of the runs is left


def test_it_goes_on_and_measures_again_what_is_of_other_code(chapter, monkeypatch):
    asked = []

    def measure(path, seed, out):
        asked.append(seed)
        return {"sum": (seed, ">= 0")}

    monkeypatch.setattr(records, "measure", measure)
    out = chapter(CHAPTER)
    records.main(["03", "--seeds", "1", "2", "--out", str(out)])
    records.main(["03", "--seeds", "1", "2", "3", "--out", str(out)])
    assert asked == [1, 2, 3]
    chapter([("SEED = 3  # a comment, and a solution that is not there", ["parameters"]), *CHAPTER[1:-1]])
    records.main(["03", "--seeds", "1", "--out", str(out)])
    assert asked == [1, 2, 3]
    chapter([("SEED = 4", ["parameters"]), *CHAPTER[1:]])
    records.main(["03", "--seeds", "1", "--out", str(out)])
    assert asked == [1, 2, 3, 1] and len(rows(out)) == 1


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([("STEPS = 3", ["parameters"])], "03_squares has no parameter SEED"),
        ([*CHAPTER[:1], ("1 / 0", [])], "03_squares stopped with seed 1: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_measured_is_said(chapter, capsys, cells, words):
    out = chapter(cells)
    assert records.main(["03", "--out", str(out)]) == 1
    assert words in capsys.readouterr().err and not (out / "data" / "records" / "03.csv").exists()


def test_wrong_names_and_places_are_said_before_anything_is_measured(chapter, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(records, "measure", lambda *_: pytest.fail("it was measured"))
    out = chapter(CHAPTER[:-1])
    assert records.main(["03", "07_shedules", "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert "there is no chapter 07_shedules" in said and "experiments 03_candidates, " in said
    (tmp_path / "file").touch()
    assert records.main(["03", "--out", str(tmp_path / "file")]) == 1
    assert "File exists" in capsys.readouterr().err


def test_in_data_the_manifest_knows_each_seed_at_once(chapter, tmp_path, monkeypatch):
    """A chapter that reads records would refuse them else, from the second seed on."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "MANIFEST.json").write_text('{"records": {"licence": "MIT", "files": {}}}')
    monkeypatch.setattr(records, "DATA", data)
    seen, measure = [], records.measure

    def and_look(*arguments):
        manifest = json.loads((data / "MANIFEST.json").read_text())["records"]["files"]
        seen.append(all(manifest[f"records/{p.name}"]["bytes"] == p.stat().st_size for p in data.glob("records/*")))
        return measure(*arguments)

    monkeypatch.setattr(records, "measure", and_look)
    out = chapter(CHAPTER[:-1])
    assert records.main(["03", "--seeds", "1", "2", "3", "--write", "--out", str(out)]) == 0
    assert seen == [True] * 3 and len(list(data.glob("records/*.csv"))) == 1
