"""A new chapter to write into: `python -m coursetools.new NUMBER TITLE [--out OUT]`

Writes a small whole chapter that multiplies, and all that the tests ask of a chapter: its graders and their answers,
the place for its errata, its row and section in docs/teaching.md, the pages that `coursetools.docs` writes. Runs it
once, so that it has outputs. Every part is there to be replaced. Exit status: 0 done, 1 it could not be written or
did not run, 2 refused before anything was written, with one sentence that says why.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import jinja2
from coursetools import notebook, run, tidy
from coursetools.notebook import Refused
from coursetools.tidy import nbformat

ROOT = notebook.SRC.parent
SKELETON = Path(__file__).with_name("skeleton")


def slug_of(title):
    """The part of a file's name that a title gives: "A café" is a_cafe. Raises Refused if nothing is left."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = "_".join(re.findall(r"[a-z0-9]+", plain))
    if not slug or re.search(r"[|\[\]\r\n]", title):
        raise Refused(
            f"the title {title!r} gives no name to a file, or holds one of | [ ], which would break a table or a link: "
            'give one with letters or digits, as in make new NB=12 TITLE="A language model that answers"'
        )
    return slug


def notebook_of(text):
    """The notebook that a text describes: a line %% and a type (and a tag) begins each cell."""
    nb = nbformat.v4.new_notebook()
    parts = re.split(r"(?m)^%% (markdown|code)(?: (\w+))?\n", text)
    number = re.search(r"# (\d\d) ", text)[1]
    for k, (kind, tag, source) in enumerate(zip(parts[1::3], parts[2::3], parts[3::3], strict=True), 1):
        new = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        metadata = {"tags": [tag]} if tag else {}
        nb.cells.append(new(source.strip("\n"), id=f"c{number}-{k:03}", metadata=metadata))
    return tidy.clean(nb)


def taught(guide, number, section):
    """docs/teaching.md with a row and a section for a chapter, both before those of the next one there is.

    Raises:
        Refused: the guide has no table of minutes, or knows the chapter already.
    """
    rows = re.findall(r"(?m)^\| \d\d \| \d+ \| \d+ \| \d+ \| section \d+ \|\n", guide)
    if not rows or re.search(rf"(?m)^(\| {number} \| \d+ \| \d+ |## {number} ·)", guide):
        raise Refused(f"docs/teaching.md has no table of minutes, or knows a chapter {number} already: mend it first")
    before = [row for row in rows if row[2:4] < number]
    row = f"| {number} | 30 | 20 | 20 | section 3 |\n"
    guide = guide.replace(before[-1], before[-1] + row) if before else guide.replace(rows[0], row + rows[0])
    later = [match for match in re.finditer(r"(?m)^## (\d\d) ·", guide) if match[1] > number]
    at = later[0].start() if later else len(guide)
    return f"{guide[:at].rstrip()}\n\n{section.strip()}\n\n{guide[at:]}".rstrip() + "\n"


def make(number, title):
    """Write the chapter and what belongs to it; returns the notebook's path.

    Args:
        number: str, two digits.
        title: str, as it stands behind the number.

    Raises:
        Refused: the number is taken, a file is there already, or this is no checkout with tests and docs.
        OSError: a file could not be written; those that were are deleted again.
    """
    slug = slug_of(title)
    if not re.fullmatch(r"\d\d", number) or number == "00":
        raise Refused(f"{number!r} is no chapter's number: give two digits, from 01 to 99, as in make new NB=12")
    guide = ROOT / "docs" / "teaching.md"
    files = {
        notebook.NOTEBOOKS / f"{number}_{slug}.ipynb": "chapter.txt.j2",
        ROOT / "src" / "groundup" / "exercises" / f"ch{number}.py": "exercises.py.j2",
        ROOT / "tests" / "answers" / f"ch{number}.py": "answers.py.j2",
        ROOT / "tests" / "errata" / f"ch{number}.py": "errata.py.j2",
    }
    lacking = [str(path) for path in (guide, *(path.parent for path in files)) if not path.exists()]
    if lacking:
        raise Refused(f"{lacking[0]} is missing: new chapters are made in a checkout of the whole course")
    there = [str(path) for path in (*notebook.NOTEBOOKS.glob(f"{number}_*.ipynb"), *files) if path.exists()]
    if there:
        raise Refused(f"{there[0]} is there already and is not overwritten: choose another number, or delete it")
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SKELETON), keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    texts = {
        name: templates.get_template(name).render(number=number, title=title)
        for name in (*files.values(), "teaching.md.j2")
    }
    new_guide = taught(guide.read_text(encoding="utf-8"), number, texts["teaching.md.j2"])
    try:
        for path, name in files.items():
            if path.suffix == ".ipynb":
                tidy.save(notebook_of(texts[name]), path)
            else:
                tidy.write(path, texts[name])
        tidy.write(guide, new_guide)
    except OSError:
        for path in files:
            path.unlink(missing_ok=True)
        raise
    for path in (*files, guide):
        print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
    return next(iter(files))


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.new", description=__doc__.splitlines()[0])
    parser.add_argument("number", metavar="NUMBER", help="two digits that no chapter has yet")
    parser.add_argument("title", metavar="TITLE", help="as it stands behind the number")
    parser.add_argument("--out", default="build", help="where its first run goes (default: build)")
    options = parser.parse_args(arguments)
    try:
        Path(options.out).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=options.out).close()  # before there is a chapter that cannot be run
        make(options.number, " ".join(options.title.split()))
        status = run.main([options.number, "--refresh", "--out", options.out])
        subprocess.run([sys.executable, "-m", "coursetools.docs"], check=True, stdout=subprocess.DEVNULL)
    except Refused as error:
        print(f"coursetools.new: {error}", file=sys.stderr)
        return 2
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"coursetools.new: cannot go on: {error}", file=sys.stderr)
        return 1
    if status == 0:
        print(f"Replace all of it, then: make refresh NB={options.number}. CONTRIBUTING.md says the rest.")
    return status


if __name__ == "__main__":
    sys.exit(main())
