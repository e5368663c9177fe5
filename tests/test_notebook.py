"""The one reader of notebooks: a sentence for whatever a file may hold, and the parameters of a chapter."""

import copy
import json

import nbformat
import pytest
from nbformat import v3
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from coursetools import notebook

GOOD = json.loads(
    nbformat.writes(
        new_notebook(
            cells=[
                new_markdown_cell("# ü", id="a"),
                new_code_cell(
                    "1\n2", id="b", outputs=[new_output("stream", text="x\ny")], metadata={"tags": ["check"]}
                ),
            ]
        )
    )
)


@pytest.fixture
def file(tmp_path):
    """Function that writes a file, of JSON or bytes, and returns its path."""

    def write(content):
        path = tmp_path / "01_mine.ipynb"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def refusal(path):
    """The sentence that the reader has for a file."""
    with pytest.raises(notebook.Refused) as refused:
        notebook.read(path)
    said = str(refused.value)
    assert said.startswith("01_mine.ipynb is not a notebook: ") and "\n" not in said and len(said) < 300
    return said.partition(": ")[2]


def test_it_reads_what_nbformat_reads(file):
    assert notebook.read(file(GOOD)) == nbformat.from_dict(nbformat.reads(json.dumps(GOOD), as_version=4))
    assert notebook.read(str(file(GOOD))).cells[1].source == "1\n2"
    assert notebook.read(file(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())).cells[0].source == "# ü"


def test_an_older_format_is_read(file):
    cells = [v3.new_text_cell("markdown", source="# ü"), v3.new_code_cell("1\n2", prompt_number=1)]
    old = v3.writes_json(v3.new_notebook(worksheets=[v3.new_worksheet(cells=cells)]))
    nb = notebook.read(file(old.encode()))
    assert [(cell.cell_type, cell.source) for cell in nb.cells] == [("markdown", "# ü"), ("code", "1\n2")]


def test_what_may_be_left_out(file):
    nb = notebook.read(file({"nbformat": 4, "cells": [{"cell_type": "code", "source": ["1\n", "2"]}]}))
    assert nb.cells == [{"cell_type": "code", "source": "1\n2", "metadata": {}, "outputs": [], "execution_count": None}]


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
        (b"[" * 100_000, "maximum recursion depth"),
        ("a text", "it holds a text where a notebook has {...}"),
        (None, "it holds nothing (null) where"),
        ([], "it holds a list where"),
        (3, "it holds a number where"),
        ({}, "its nbformat is None, and 4 is the present one"),
        ({"nbformat": 5, "cells": []}, "its nbformat is 5"),
        ({"nbformat": 3, "cells": []}, ""),
        ({"nbformat": [4]}, "its nbformat is [4]"),
        ({"nbformat": 4}, "its cells are nothing (null), not a list"),
        ({"nbformat": 4, "cells": {}}, "its cells are {...}, not a list"),
        ({"nbformat": 4, "cells": [], "metadata": []}, "its metadata is a list, not {...}"),
    ],
)
def test_not_a_notebook(file, content, sentence):
    assert sentence in refusal(file(content))


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"cell_type": ...}, "cell_type is None, not code, markdown or raw"),
        ({"cell_type": ["code"]}, "cell_type is ['code'], not code"),
        ({"source": ...}, "source is nothing (null), not text"),
        ({"source": 3}, "source is a number, not text"),
        ({"source": ["a", None]}, "source is a list, not text"),
        ({"source": "\ud800"}, "source holds half a surrogate pair"),
        ({"metadata": None}, "metadata is not {...}"),
        ({"metadata": {"jupyter": 3}}, "metadata is not {...}"),
        ({"metadata": {"tags": None}}, "tags are None, not a list of words"),
        ({"metadata": {"tags": "check"}}, "tags are 'check', not"),
        ({"metadata": {"tags": [["check"]]}}, "tags are [['check']], not"),
        ({"id": []}, "id is [], not text"),
        ({"execution_count": "3"}, "execution_count is '3', not a number"),
        ({"outputs": {}}, "outputs are {...}, not a list"),
        ({"outputs": ["x"]}, "an output is none that Jupyter writes"),
        ({"outputs": [{"output_type": "stream"}]}, "an output is none"),
        ({"outputs": [{"output_type": {}}]}, "an output is none"),
        ({"outputs": [{"output_type": "error", "ename": "a"}]}, "an output is none"),
        ({"attachments": 3}, "'int' object has no attribute"),
    ],
)
def test_a_cell_that_is_none(file, change, sentence):
    content = copy.deepcopy(GOOD)
    content["cells"][1].update(change)
    content["cells"][1] = {key: value for key, value in content["cells"][1].items() if value is not ...}
    said = refusal(file(content))
    assert said.startswith(("in cell 2, " + sentence, sentence))


def test_a_cell_that_is_no_object(file):
    assert (
        refusal(file({"nbformat": 4, "cells": [None]})) == "in cell 1, there is nothing (null) where a cell has {...}"
    )


def parameters(source, kind=new_code_cell):
    nb = new_notebook(cells=[new_markdown_cell("# x"), kind(source, metadata={"tags": ["parameters"]})])
    return notebook.parameters_of(nb, "01_mine.ipynb")


def test_parameters():
    source = (
        'A = 0.1  # ü; x == y\nB: int = 3\nC: int\nprint(A)\nD = -1e-3\nE = (1, "#")  # two\nF = 1 / 2\nG = {[]: 1}'
    )
    assert parameters(source) == {
        "A": (0.1, "ü; x == y"),
        "B": (3, ""),
        "D": (-0.001, ""),
        "E": ((1, "#"), "two"),
        "F": (..., ""),
        "G": (..., ""),
    }
    assert parameters("") == {} and parameters("# %x", new_markdown_cell) == {}


@pytest.mark.parametrize(
    "line, shown",
    [("%matplotlib inline", "2, '%matplotlib"), ("!ls", "2, '!ls'"), ("B = = 1", "2, 'B = = 1'"), ("B = '\0'", "")],
)
def test_parameters_that_are_not_plain_python(line, shown):
    with pytest.raises(notebook.Refused) as refused:
        parameters(f"A = 1\n{line}")
    said = str(refused.value)
    assert said.startswith("01_mine.ipynb: cell 2, which sets the parameters, is not plain Python in line " + shown)
    assert "\n" not in said and said.endswith("; without -p it runs as it is")
