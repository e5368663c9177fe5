"""Say whether each answer in data/questions/course.csv stands in the section that it names: the files are hand-written.

The sums in answers.csv were drawn once; all else in both files was written for this course, and read by a person.
"""

import re

from coursetools import notebook
from groundup import data


def sections(chapter):
    """{heading: text} of a chapter's markdown, code left out; a section begins with # or ##."""
    found, heading = {}, ""
    cells = notebook.read(notebook.find_chapters([chapter])[0]).cells
    for text in ("".join(cell.source) for cell in cells if cell.cell_type == "markdown"):
        if match := re.match(r"#{1,2} (.+)", text):
            heading, text = match[1], text[match.end() :]
        found[heading] = found.get(heading, "") + text + "\n\n"
    return found


def missing():
    """Rows of course.csv, as dicts, whose section is not there or holds none of the answers."""
    rows = data.load("questions").course
    texts = {chapter: sections(chapter) for chapter in {row["chapter"] for row in rows}}
    return [
        row
        for row in rows
        if not any(a in texts[row["chapter"]].get(row["section"], "") for a in row["answers"].split("|"))
    ]


if __name__ == "__main__":
    for row in missing():
        print(f"chapter {row['chapter']}, {row['section']}: no {row['answers']!r}")
    raise SystemExit(len(missing()) > 0)
