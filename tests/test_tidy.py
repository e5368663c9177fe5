"""Notebooks in one form."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from coursetools import tidy


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


@pytest.fixture
def untidy():
    nb = new_notebook(
        metadata={
            "kernelspec": {"name": "my env", "display_name": "Mine"},
            "papermill": {"a": 1},
            "language_info": {"name": "python", "version": "3.11.7"},
        }
    )
    timing = {"papermill": {"duration": 1.5}, "execution": {"iopub.status.busy": "2025"}, "ExecuteTime": {}}
    nb.cells = [
        new_markdown_cell("# 01", id="title", metadata={"papermill": {}, "tags": []}),
        new_code_cell(
            "1",
            id="one",
            execution_count=3,
            metadata=dict(timing, tags=["parameters"]),
            outputs=[
                stream("a\n"),
                stream("b\n"),
                new_output("execute_result", {"text/plain": "1"}, execution_count=3),
                stream("c\n"),
            ],
        ),
        new_code_cell("", id="empty", execution_count=4, outputs=[stream("left")]),
        new_code_cell("2", id="two", execution_count=7, metadata={"tags": ["solution"]}),
    ]
    return nb


def test_clean(untidy):
    nb = tidy.clean(untidy)
    assert nb.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell.id for cell in nb.cells] == ["title", "one", "empty", "two"]
    title, one, empty, two = nb.cells
    assert title.metadata == {} and one.metadata == {"tags": ["parameters"]}
    assert [output.get("text") for output in one.outputs] == ["a\nb\n", None, "c\n"]
    assert (one.execution_count, one.outputs[1].execution_count) == (1, 1)
    assert (empty.execution_count, empty.outputs) == (None, [])
    assert two.execution_count == 2
    assert two.metadata == {"tags": ["solution"], "jupyter": {"source_hidden": True}}


def test_idempotent(untidy, tmp_path):
    path = tmp_path / "01 ü.ipynb"
    nbformat.write(untidy, path)
    assert tidy.main([str(path)]) == 0
    once = path.read_bytes()
    time = path.stat().st_mtime_ns
    assert tidy.main([str(path)]) == 0
    assert path.read_bytes() == once and path.stat().st_mtime_ns == time
    assert once.endswith(b"}\n") and once.startswith(b'{\n "cells"')
    nbformat.write(nbformat.read(path, as_version=4), path)  # and stays so when others write it
    assert path.read_bytes() == once
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_ids_are_added_where_missing_or_double(untidy):
    del untidy.cells[0]["id"]
    untidy.cells[3]["id"] = "one"
    ids = [cell.id for cell in tidy.clean(untidy).cells]
    assert ids[1:3] == ["one", "empty"] and len(set(ids)) == 4
    assert [cell.id for cell in tidy.clean(untidy).cells] == ids
    nbformat.validate(untidy)


@pytest.mark.parametrize("counts", [(2, 1), (1, None), (3, 3)])
def test_counts_out_of_order_stay(untidy, counts):
    untidy.cells[1].execution_count, untidy.cells[3].execution_count = counts
    nb = tidy.clean(untidy)
    assert (nb.cells[1].execution_count, nb.cells[3].execution_count) == counts


@pytest.mark.parametrize(
    "output, sentence",
    [
        (new_output("error", ename="ValueError", evalue="no", traceback=[]), "code cell 1 ended in ValueError: no"),
        (stream("see /home/anna/course/x.py:3"), "shows the path of a machine: /home/anna/course/x.py:3"),
        (stream("'/root/x'"), "/root/x"),
        (stream("C:\\Users\\anna\\x"), "Users"),
        (new_output("execute_result", {"text/plain": "PosixPath('/tmp/abc/x')"}), "/tmp/abc/x"),
        (new_output("display_data", {"text/html": "<a href='/work/x'>"}), "/work/x"),
        (stream("lib/python3.11/site-packages/keras/x.py:1: UserWarning", "stderr"), "site-packages"),
    ],
)
def test_refused_and_left_alone(tmp_path, capsys, output, sentence):
    path = tmp_path / "01_x.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1", id="a", execution_count=5, outputs=[output])]), path)
    before = path.read_bytes()
    assert tidy.main([str(path)]) == 1
    printed = capsys.readouterr().err
    assert sentence in printed and printed.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["https://example.org/home/page", "a/tmp/b", "1/work/2", "data/root/x", "~/home"])
def test_not_every_slash_is_a_machine_path(text):
    nb = new_notebook(
        cells=[
            new_code_cell(
                "1", outputs=[stream(text), new_output("display_data", {"image/png": "iVBO/tmp/abc+/home/x"})]
            )
        ]
    )
    assert tidy.problems(nb) == []


def test_a_notebook_without_cells(tmp_path):
    assert tidy.clean(new_notebook()).cells == []


def test_no_notebook(tmp_path, capsys):
    (tmp_path / "a.ipynb").write_text("{")
    (tmp_path / "b.ipynb").write_text(
        json.dumps(
            {
                "nbformat": 4,
                "nbformat_minor": 5,
                "metadata": {},
                "cells": [
                    {
                        "cell_type": "code",
                        "source": "1",
                        "id": "a",
                        "metadata": {},
                        "outputs": [{"output_type": "nonsense"}],
                        "execution_count": None,
                    }
                ],
            }
        )
    )
    assert tidy.main([str(tmp_path / name) for name in ("a.ipynb", "b.ipynb", "c.ipynb")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
