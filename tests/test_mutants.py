"""`make mutants`: what is changed, what notices it, and what the page of the course says of it."""

import ast
import os

import pytest
from coursetools import mutants, notebook
from coursetools.notebook import nbformat

CHAPTER = [
    ("STEPS = 3", ["parameters"]),
    ("import numpy as np\nfrom groundup import check", []),
    ("def slope(w):\n    return 2 * (w - 3)", []),
    ("w = 0.0\nfor _ in range(STEPS):\n    w -= 0.5 * slope(w)\nunused = 7 + 1", []),
    ('check.close("the minimum", w, 3.0)\nprint("slope at 5:", slope(5))', []),
    ("1 / 0", ["solution"]),
]
PRINTED = "ok  the minimum 3 (within 1e-06 relative)\nslope at 5: 4\n"


@pytest.fixture(autouse=True)
def environment():
    """What the program sets for its own process must not reach later tests."""
    kept = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in CHAPTER]
    nb.cells[4].outputs = [nbformat.v4.new_output("stream", name="stdout", text=PRINTED)]
    nbformat.write(nb, tmp_path / "11_squares.ipynb")  # 11: Keras is not loaded first
    monkeypatch.setattr(notebook, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(mutants, "DOCS", tmp_path)
    return nb


def changed(source):
    """The code that the mutants of one cell have, as Python writes it."""
    cell = nbformat.v4.new_code_cell(source)
    return [ast.unparse(ast.parse(mutant.source)) for mutant in mutants.mutants_of([cell])]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a + b", ["a - b"]),
        ("-a", ["a"]),
        ("a @ b", ["a.T @ b"]),
        ("a.T", ["a"]),
        ("a < b", ["a <= b", "a > b"]),
        ("f(a, axis=0)", ["pass", "f(a, axis=1)"]),
        ("a[-1]", ["a[1]", "a[-2]"]),
        ("x = np.argmax(a)", ["x = np.argmin(a)"]),
        ("x = list(range(n))", ["x = list(range(n - 1))"]),
        ("a += 1", ["pass", "a -= 1", "a += 2"]),
        ("x = 0.5, 300, True", ["x = (1.0, 300, True)", "x = (0.5, 300, False)"]),
        ("ä = 'é', 1 + n", ["ä = ('é', 1 - n)", "ä = ('é', 2 + n)"]),
    ],
)
def test_one_change_at_a_time(source, wanted):
    assert changed(source) == wanted


@pytest.mark.parametrize(
    "source",
    [
        "import a",
        'check.at_least("a", 1, 0)',
        "fig, ax = plt.subplots(1, 2)\nax.plot(x, 3 * x)",
        "left, right = plt.subplots(1, 2)[1]\nright.plot([1, 2])",
        "grid = np.linspace(0, 1, 5)\nplt.plot(grid)",
        "for ax, k in zip(axes, (1, 2)):\n    ax.plot(k + 1)",
        "fig, top = plt.subplots()\nsurface(top, lambda a: a + 1)",
        "for k in steps:\n    line = k + 1\n    plt.plot(line)",
        "def draw(a):\n    return a + 1",
        "rng = np.random.default_rng(4)",
        "x = f'{a + 1}'",
    ],
)
def test_what_is_not_changed(source):
    assert changed(source) == []


def test_a_grid_that_is_also_computed_with_is_changed():
    assert len(changed("grid = np.linspace(0, 1, 5)\nplt.plot(grid)\nprint(grid)")) == 3


def test_mutants_are_tried_and_the_page_is_written(chapter, capsys):
    assert mutants.main(["11", "--minutes", "2"]) == 0
    rows = {row["change"].partition(" in: ")[0]: row["noticed"] for row in mutants.load()}
    assert rows["w - 3 → (w + 3)"] == "claim: the minimum -3 (within 1e-06 relative)"
    assert rows["2 * (w - 3) → (2 / (w - 3))"].startswith("claim: the minimum")
    assert rows["5 → (6)"] == "output of code cell 5"
    assert rows["w -= 0.5 * slope(w) → pass"].startswith("claim")
    unnoticed = {change for change, what in rows.items() if not what}
    assert unnoticed == {"7 + 1 → (7 - 1)", "7 → (8)", "1 → (2)", "0.0 → (1.0)", "range(STEPS) → (range(STEPS - 1))"}
    kept = mutants.load()
    kept[0]["verdict"], kept[0]["noticed"] = "never used", ""
    mutants.save(kept)
    assert "never used" in (mutants.DOCS / "mutants.md").read_text()
    said = capsys.readouterr().out
    assert "not noticed: 7 + 1 → (7 - 1)" in said and f"{len(rows)} of {len(rows)} tried" in said


def test_a_verdict_stays_when_the_mutant_is_tried_again(chapter):
    mutants.main(["11", "--limit", "3"])
    rows = [dict(row, verdict="" if row["noticed"] else "because") for row in mutants.load()]
    mutants.save(rows)
    mutants.main(["11", "--limit", "3"])
    assert mutants.load() == rows


def test_a_shorter_run_takes_away_no_verdicts_on_the_same_code(chapter):
    mutants.main(["11", "--limit", "3"])
    rows = [dict(row, verdict="" if row["noticed"] else "because") for row in mutants.load()]
    mutants.save(rows)
    mutants.main(["11", "--limit", "1"])
    assert mutants.load() == rows
    mutants.save([dict(row, code="of old") for row in rows])
    mutants.main(["11", "--limit", "1"])
    assert len(mutants.load()) == 1


def test_a_chapter_that_fails_unchanged_is_refused(chapter, capsys):
    chapter.cells.insert(2, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(chapter, notebook.NOTEBOOKS / "11_squares.ipynb")
    assert mutants.main(["11"]) == 1
    assert "fails unchanged: ZeroDivisionError" in capsys.readouterr().err


def test_a_mutant_that_does_not_end_is_noticed(chapter):
    mutant, told = mutants.Mutant(0, "while True:\n    pass", "endless"), []
    mutants.try_all([mutant], [""], [None], 2, 1, lambda mutant, what: told.append(what))
    assert told == ["exception: it does not end"]
