"""The learner's and the instructor's edition of a chapter, and what docs/teaching.md says of it."""

import copy
import re

from coursetools import notebook
from coursetools.tidy import nbformat

GUIDE = notebook.SRC.parent / "docs" / "teaching.md"


def tags(cell):
    """The tags of a cell, a set."""
    return set(cell.metadata.get("tags", []))


def title(nb):
    """The title of a chapter: "01 · Gradient descent"."""
    return nb.cells[0].source.splitlines()[0].lstrip("# ")


def learner_edition(nb):
    """The notebook without solution cells and outputs, a new one."""
    from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

    nb, _ = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True).preprocess(copy.deepcopy(nb), {})
    return ClearOutputPreprocessor(enabled=True).preprocess(nb, {})[0]


def instructor_edition(nb, guide):
    """The notebook with open solutions, and notes where the guide has them; no code and no output is changed.

    Args:
        nb: the chapter.
        guide: str, the chapter's part of docs/teaching.md; "" when it has none.
    """
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        if "solution" in tags(cell):
            cell.metadata.pop("jupyter", None)
    notes = {}  # cell id: sentences
    for line in guide.splitlines():
        for reference in references(line):
            notes.setdefault(find_cell(nb, reference).id, []).append(line.removeprefix("- "))
    cells = []
    for cell in nb.cells:
        if cell.id in notes:
            text = "\n>\n> ".join(notes[cell.id])
            cells.append(nbformat.v4.new_markdown_cell(f"> **Teaching note.** {text}", id=f"note-{cell.id}"))
        cells.append(cell)
    opening = guide or "docs/teaching.md says nothing about this chapter yet."
    cells.insert(1, nbformat.v4.new_markdown_cell(f"---\n**To teach this chapter**\n\n{opening}\n\n---", id="notes"))
    nb.cells = cells
    return nb


def references(text):
    """The places that a line of docs/teaching.md names: cell ids like `c01-014`, sections like `§5` or `§Break it`."""
    return re.findall(r"`(c\d\d-\d{3}|§[^`]+)`", text)


def find_cell(nb, reference):
    """The cell that a reference of docs/teaching.md means. Raises Refused when there is none."""
    for cell in nb.cells:
        heading = re.match(r"## (?:(\d+)\. )?(.*)", cell.source) if cell.cell_type == "markdown" else None
        if cell.id == reference or (heading and reference[1:] in heading.groups()):
            return cell
    raise notebook.Refused(
        f"docs/teaching.md names {reference} in the chapter {title(nb)!r}, which has no such cell or "
        "section: correct the guide, where a cell goes by its id (c01-014), a section by §5 or §Break it"
    )


def read_guide(path=None):
    """{chapter number: its part of docs/teaching.md, without the heading}; empty if there is no such file."""
    path = path or GUIDE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = re.split(r"(?m)^## (\d\d) · .*\n|^## .*\n", text)
    return {number: part.strip() for number, part in zip(parts[1::2], parts[2::2], strict=True) if number}
