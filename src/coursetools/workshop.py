"""Editions of the chapters for teaching: `python -m coursetools.workshop [CHAPTER ...] [--out OUT]`

Writes to OUT/workshop, for the chapters named (all when none is), from the committed notebooks:

    learner/NN_slug.ipynb         without the cells tagged `solution` and without outputs; runs from top to bottom
    instructor/NN_slug.ipynb      solutions open, with the notes and minutes of docs/teaching.md
    slides/NN_slug.slides.html    one self-contained page each: formulas, code, figures, speaker notes (key S)
    learner.zip, instructor.zip, slides.zip    what to hand out; the first two hold all that a chapter needs to run

Exit status: 0 done, 1 a file could not be written, 2 refused, with one sentence that says why. What is on the slides
is a rule over what the chapters hold (`slides_of`); a cell's `slideshow.slide_type`, as JupyterLab sets it, overrules
it: "skip" leaves the cell out, "slide" takes it in.
"""

import argparse
import base64
import copy
import io
import json
import re
import shutil
import sys
import zipfile
from importlib import resources
from pathlib import Path

from coursetools import run, tidy
from coursetools.tidy import nbformat

ROOT = run.SRC.parent
GUIDE = ROOT / "docs" / "teaching.md"
NOT_ON_SLIDES = ("Further reading",)  # sections that are for reading
WIDTH, HEIGHT = 1280, 720  # of a slide, in pixels
WIDE = 80  # letters of a display formula that fit side by side
ROOM = 540  # pixels of height below a slide's title, and above its number


def tags(cell):
    """The tags of a cell, a set."""
    return set(cell.metadata.get("tags", []))


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
    title = nb.cells[0].source.splitlines()[0].lstrip("# ")
    raise run.Refused(
        f"docs/teaching.md names {reference} in the chapter {title!r}, which has no such cell or "
        "section: correct the guide, where a cell goes by its id (c01-014), a section by §5 or §Break it"
    )


def read_guide(path=None):
    """{chapter number: its part of docs/teaching.md, without the heading}; empty if there is no such file."""
    path = path or GUIDE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = re.split(r"(?m)^## (\d\d) · .*\n|^## .*\n", text)
    return {number: part.strip() for number, part in zip(parts[1::2], parts[2::2], strict=True) if number}


# Slides: a chapter becomes a list of pages, each a title, the cells on it, and what is said with it.


def blocks_of(source):
    """The blocks of a markdown cell, split where a line is empty; a formula in $$ is a block of its own."""
    pieces = re.split(r"(\$\$.+?\$\$ *[.,;:]?)", source, flags=re.S)
    return [
        block.strip()
        for piece in pieces
        for block in ([piece] if piece.startswith("$$") else re.split(r"\n\s*\n", piece))
        if block.strip()
    ]


def sentences_of(paragraph):
    """The sentences of a paragraph; what stands in $ or ` is not looked into."""
    kept = []

    def keep(match):
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    text = re.sub(r"`[^`]+`|\$[^$]+\$", keep, " ".join(paragraph.split()))
    found = re.split(r"(?<=[.!?:])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z*\0(])", text)
    return [re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], sentence) for sentence in found]


def text_for_slides(source, opens_section):
    """What of a markdown cell goes on the slides, as blocks.

    Formulas, tables and lists whole; of a paragraph the sentences that define (hold bold words) and the one that
    leads to a formula. A cell that opens a section gives at least its first sentence.
    """
    blocks, found, leads = blocks_of(source), [], False
    for block, after in zip(blocks, [*blocks[1:], ""], strict=True):
        if block.startswith("#"):
            continue
        if block.startswith(("$$", "|", "- ", "1. ", "```")):
            block = narrow(block) if block.startswith("$$") else block
            if block.startswith("$$") and leads:  # stay on one page
                found[-1] += "\n\n" + block
            else:
                found.append(block)
            leads = False
            continue
        sentences = sentences_of(block)
        chosen = [
            sentence
            for i, sentence in enumerate(sentences)
            if "**" in sentence or (after.startswith("$$") and i == len(sentences) - 1)
        ]
        if opens_section and not found and not chosen:
            chosen = sentences[:1]
        leads = bool(chosen) and after.startswith("$$")
        if chosen:
            found.append(" ".join(chosen))
    return found


def narrow(formula):
    """A wide display formula in $$, cut at its \\qquad into one below the other."""
    body = formula.rstrip(" .,;:").strip("$")
    if len(shown_text(body, spaces=False)) < WIDE or "\\begin" in body:
        return formula
    return "\n\n".join(f"$${part.strip()}$$" for part in re.split(r",?\s*\\qquad\s*", body))


def shown_text(text, spaces=True):
    """About the letters that a text with markup, or a formula, shows."""
    return re.sub(r"\\[A-Za-z]+|[{}$*`\\]|\]\([^)]*\)" + r"|[_^\s]" * (not spaces), "", text)


def cut(block):
    """A block in pieces that fit on a page: tables and lists by their rows, all else whole."""
    lines = block.splitlines()
    if block.startswith("|"):
        return ["\n".join([*lines[:2], *lines[i : i + 6]]) for i in range(2, len(lines), 6)]
    if block.startswith(("- ", "1. ")):
        items = re.split(r"\n(?=- |\d+\. )", block)
        return ["\n".join(items[i : i + 4]) for i in range(0, len(items), 4)]
    return [block]


def lines_of(text, width):
    """How many lines of `width` characters a text takes."""
    return -(-len(shown_text(text)) // width)


def height_of(block):
    """A careful guess of the pixels of height that a block of markdown takes at 26 pixels a letter."""
    if "\n\n" in block:
        return sum(map(height_of, blocks_of(block)))
    if block.startswith("$$"):
        return 70 + 45 * block.count("\\\\") + 40 * ("underbrace" in block)
    if block.startswith("|"):
        rows = [row.strip("| ").split("|") for row in block.splitlines()]
        return sum(14 + 27 * max(lines_of(cell, 96 // len(row)) for cell in row) for row in rows[:1] + rows[2:])
    if block.startswith("- "):
        return sum(12 + 34 * lines_of(item, 88) for item in block.split("\n- "))
    if block.startswith("```"):
        return 30 + 26 * block.count("\n")
    return 24 + 36 * lines_of(block, 92)


def code_size(text, height):
    """The size of letters, in pixels, in which code fits the width of a page and `height`; 22 at most."""
    lines = text.splitlines() or [""]
    return int(min(22, (WIDTH - 110) / (0.61 * max(map(len, lines))), (height - 24) / (1.3 * len(lines))))


def printed(cell):
    """What a code cell wrote to its standard output, its first eight lines."""
    text = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    lines = text.rstrip("\n").splitlines()
    return "\n".join(lines[:8] + ["..."] * (len(lines) > 8))


def figure_of(cell):
    """The first picture in a code cell's outputs, base64, or None."""
    pictures = (output.data["image/png"] for output in cell.get("outputs", []) if "image/png" in output.get("data", {}))
    return next(pictures, None)


def draws(cell):
    """Is this code about drawing a figure, rather than about what the figure shows?"""
    return bool(re.search(r"\b(plt|ax|axes|plots)\.", cell.source))


class Deck:
    """Pages under construction; `add` starts a new page when the present one is full."""

    def __init__(self):
        self.pages, self.title, self.left = [], "", 0

    def open(self, title=None):
        """Start a page, in a new section if there is a title."""
        self.title = title or self.title
        self.pages.append({"title": self.title, "cells": [], "notes": []})
        self.left = ROOM

    def add(self, cell, height):
        """Put a cell on the page, or on a new one if it does not fit."""
        if height > self.left and self.pages[-1]["cells"]:
            self.open()
        self.pages[-1]["cells"].append(cell)
        self.left -= height

    def add_text(self, block):
        """Put a block of markdown on the page."""
        for piece in cut(block):
            self.add(nbformat.v4.new_markdown_cell(piece), height_of(piece))

    def add_code(self, cell, source, shown):
        """Put code and what it printed on the page, in letters that fit."""
        text = source + ("\n" + shown if shown else "")
        size = min(20, code_size(text, ROOM))
        new = nbformat.v4.new_code_cell(source, metadata={"tags": [f"size-{size}"]})
        if shown:
            new.outputs = [nbformat.v4.new_output("stream", name="stdout", text=shown + "\n")]
        self.add(new, 1.3 * size * (text.count("\n") + 1) + 40)


def slides_of(nb):
    """The pages of a chapter: a list of dicts with `title`, `cells` (new notebook cells) and `notes` (markdown).

    The title, then for each section: its formulas, tables, lists and key sentences; the first code that does not draw,
    and every definition; each figure with its caption; exercises with their stubs; the recall questions. Checks,
    solutions, parameters and what only reads are left out. The whole prose becomes speaker notes.
    """
    title = nb.cells[0].source.splitlines()[0].lstrip("# ")
    deck, section, coded = Deck(), title, True  # code before the first section sets up
    deck.open(title)
    for block in blocks_of(nb.cells[0].source)[1:]:
        deck.add_text(block)
    cells = nb.cells[1:]
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        wish = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        heading = re.match(r"## (.*)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            section, coded = heading[1], False
            if section not in NOT_ON_SLIDES:
                deck.open(section)
        if section in NOT_ON_SLIDES or wish == "skip":
            continue
        if cell.cell_type == "markdown":
            deck.pages[-1]["notes"].append(re.sub(r"^## .*\n*", "", cell.source))
            if section == "Recall":
                for number, question in enumerate(re.findall(r"<summary>(?:\d+\. )?(.*?)</summary>", cell.source), 1):
                    deck.add_text(f"{number}. {question}")
            elif section == "Exercises" and not heading:
                deck.open()
                for block in blocks_of(cell.source):
                    deck.add_text(block)
            elif not re.match(r"\*Figure ", cell.source):
                for block in text_for_slides(cell.source, heading is not None):
                    deck.add_text(block)
        elif "exercise" in tags(cell):
            deck.add_code(cell, cell.source, "")
        elif tags(cell) & {"check", "solution", "parameters"}:
            continue
        elif picture := figure_of(cell):
            caption = blocks_of(after.source)[0] if after and after.source.startswith("*Figure ") else ""
            caption = " ".join(sentences_of(caption)[:3])
            new = nbformat.v4.new_code_cell("", metadata={"tags": ["figure"]})
            words = {"alt": re.sub("[*$]", "", caption)}
            new.outputs = [nbformat.v4.new_output("display_data", {"image/png": picture}, metadata=words)]
            deck.open()
            deck.add(new, 0)
            deck.add(nbformat.v4.new_markdown_cell(caption, metadata={"tags": ["caption"]}), 0)
            deck.left = 0
        elif wish != "-" or (not draws(cell) and (not coded or re.search(r"(?m)^(def|class) ", cell.source))):
            shown = printed(cell)
            if code_size(cell.source + "\n" + shown, ROOM) < 14:
                shown = ""
            if code_size(cell.source, ROOM) >= 14:  # longer code is for the notebook, not for the wall
                deck.add_code(cell, cell.source, shown)
                coded = True
    deck.pages = [page for page in deck.pages if page["cells"]]
    return deck.pages


def slide_notebook(nb, chapters=()):
    """The chapter's pages as a notebook with the metadata that nbconvert's slides exporter goes by.

    Links to other chapters lead to their slides if these are among `chapters` (stems), and are text otherwise.
    """

    def link(match):
        stem = Path(match[2]).stem
        return f"[{match[1]}]({stem}.slides.html)" if stem in chapters else match[1]

    cells = []
    for page in slides_of(nb):
        first = not cells
        heading = nbformat.v4.new_markdown_cell(f"{'#' if first else '##'} {page['title']}")
        notes = nbformat.v4.new_markdown_cell("\n\n".join(page["notes"]))
        heading.metadata["slideshow"], notes.metadata["slideshow"] = {"slide_type": "slide"}, {"slide_type": "notes"}
        cells += [heading, *page["cells"], *([notes] if page["notes"] else [])]
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[([^\]]*)\]\(([^):#]+\.ipynb)[^)]*\)", link, cell.source)
        cell.metadata.setdefault("slideshow", {"slide_type": "-"})
    return nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(nb.metadata))


TEMPLATE = r"""{%- extends 'index.html.j2' -%}
{%- block header -%}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ resources.metadata.name }}</title>
<style>{{ resources.deck.css }}</style>
{%- for css in resources.inlining.css -%}<style>{{ css }}</style>{%- endfor -%}
</head>
{%- endblock header -%}
{%- block data_png scoped -%}
<img src="data:image/png;base64,{{ output.data['image/png'] }}" alt="{{ output.metadata.alt | escape_html }}">
{%- endblock data_png -%}
{%- block footer_js -%}
<script src="data:text/javascript;base64,{{ resources.deck.js }}"></script>
<script>Reveal.initialize({{ resources.deck.settings }});</script>
{%- endblock footer_js -%}"""

CSS = """
@font-face { font-family: "STIX Two Math"; src: url(data:font/woff;base64,%s) format("woff"); }
math { font-family: "STIX Two Math", math; font-size: 1.05em; }
math[display=block] { margin: 12px auto; }
menclose { border: 1px solid; padding: 4px 6px; }
:root { --jp-mirror-editor-comment-color: #5f7a61; --jp-mirror-editor-keyword-color: #07549d;
  --jp-mirror-editor-string-color: #a3361c; --jp-mirror-editor-number-color: #6b4e00; }
html, body, main { height: 100%%; margin: 0; }
.reveal { font-size: 26px; }
.reveal .slides { text-align: left; }
.reveal .slides section { padding: 0; height: 100%%; box-sizing: border-box; }
.reveal .slides section > section { padding: 24px 48px 0; }
.reveal h1, .reveal h2, .reveal h3 { text-transform: none; margin: 0 0 14px; }
.reveal h1 { font-size: 56px; margin-top: 60px; }
.reveal h2 { font-size: 34px; border-bottom: 2px solid #bbb; padding-bottom: 6px; }
.reveal p { margin: 10px 0; }
.reveal ul, .reveal ol { display: block; margin: 6px 0 6px 1.1em; }
.reveal li { margin-bottom: 6px; }
.reveal table { margin: 10px 0; font-size: 22px; }
.reveal .anchor-link { display: none; }
.reveal pre { width: auto; margin: 8px 0; padding: 8px 12px; box-shadow: none; font-size: 20px; line-height: 1.3;
  font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.reveal .highlight pre { background: #f4f4f4; }
.reveal .jp-OutputArea-output pre { border-left: 4px solid #999; }
.reveal :not(pre) > code { font: 0.85em "DejaVu Sans Mono", Menlo, Consolas, monospace; background: #f4f4f4; }
.reveal .celltag_figure .jp-InputArea, .reveal .celltag_figure .jp-Cell-inputWrapper { display: none; }
.reveal .celltag_figure img { display: block; margin: 0 auto; width: auto; height: 455px; max-width: 1180px;
  object-fit: contain; }
.reveal .celltag_caption { font-size: 20px; }
.reveal .celltag_caption p { line-height: 1.25; }
%s
"""


def set_formula(tex, display, cell_id):
    """MathML for a formula in LaTeX. Raises Refused naming the cell, the formula and the fault."""
    import math_core

    try:
        found = math_core.LatexToMathML().convert_with_local_state(tex, displaystyle=display)
        small = display and len(shown_text(tex, spaces=False)) >= WIDE
        return found.replace("<math", '<math style="font-size: 0.85em"', 1) if small else found
    except math_core.LatexError as error:
        fault = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[0].removeprefix("Error: ")
        raise run.Refused(
            f"cell {cell_id}: the formula {tex.strip()!r} cannot be set for the slides: {fault} "
            "Write it with the commands that KaTeX and MathJax share"
        ) from None


def libraries():
    """{"css": ..., "js": ...} of a page: reveal.js, its speaker notes, a theme with its letters, a font for formulas.

    Raises:
        Refused: a package is missing.
    """
    try:
        import math_core  # noqa: F401  (used by set_formula; its absence is better said before the first page)
        from fontTools.ttLib import TTFont

        reveal = resources.files("pyreveal") / "revealjs" / "dist"
        font_file = resources.files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
    except ImportError as error:
        raise run.Refused(f"the package {error.name} is missing, which the slides need: make setup") from None
    font, packed = TTFont(io.BytesIO(font_file.read_bytes())), io.BytesIO()
    font.flavor = "woff"
    font.save(packed)
    css = [(reveal / name).read_text(encoding="utf-8") for name in ("reset.css", "reveal.css", "theme/white.css")]
    sizes = "\n".join(f".reveal .celltag_size-{n} pre {{ font-size: {n}px; }}" for n in range(12, 21))
    css.append(CSS % (base64.b64encode(packed.getvalue()).decode(), sizes))
    js = [(reveal / name).read_text(encoding="utf-8") for name in ("reveal.js", "plugin/notes.js")]
    return {"css": "\n".join(css), "js": base64.b64encode(";\n".join(js).encode()).decode()}  # holds </script> itself


def slides_page(nb, name, deck, chapters=()):
    """The slides of a chapter, one HTML page that needs nothing else.

    Args:
        nb: the chapter, with its outputs.
        name: str, the title of the page.
        deck: what `libraries` returned.
        chapters: stems of the chapters whose slides lie beside this one, to link to.

    Raises:
        Refused: a formula that cannot be set.
    """
    from jinja2 import pass_context
    from nbconvert import SlidesExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def block_math(self, body):
            return set_formula(body, True, self.cell_id)

        def inline_math(self, body):
            return set_formula(body, False, self.cell_id)

    @pass_context
    def markdown(context, source):
        renderer = Renderer(escape=False, exclude_anchor_links=True)
        renderer.cell_id = context["cell"].metadata.get("source_id", context["cell"].id)
        return MarkdownWithMath(renderer=renderer).render(source)

    exporter = SlidesExporter(raw_template=TEMPLATE, exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_filter("markdown2html", markdown)
    # Our own cells hold nothing to be cleaned of; code, which Pygments has escaped, would take a third of the time.
    exporter.register_filter("clean_html", lambda text: text.decode() if isinstance(text, bytes) else str(text))
    settings = (
        f"{{width: {WIDTH}, height: {HEIGHT}, margin: 0, center: false, hash: true, transition: 'none', "
        "slideNumber: 'c/t', controlsTutorial: false, plugins: [RevealNotes]}"
    )
    page, _ = exporter.from_notebook_node(
        slide_notebook(nb, chapters), resources={"metadata": {"name": name}, "deck": deck | {"settings": settings}}
    )
    return page


def files_to_run():
    """(path in the archive, path here) of what a chapter needs to run, and of the notebooks for own data."""
    kept = ["Makefile", "LICENSE", "pyproject.toml", "requirements.txt", "requirements-bert.txt"]
    kept += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*.py"))
    kept += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "notebooks").glob("my_*.ipynb"))
    # Of data/ only what belongs to it: beside it may lie what nobody wants to hand out.
    manifest = json.loads((ROOT / "data" / "MANIFEST.json").read_text(encoding="utf-8"))
    kept += ["data/MANIFEST.json", "data/README.md"]
    kept += sorted(f"data/{name}" for about in manifest.values() for name in about["files"])
    kept += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "data" / "recipes").glob("*.py"))
    return [(name, ROOT / name) for name in kept]


START = """# Large Models from the Ground Up: workshop

On Debian or Ubuntu with Python 3.10 to 3.13 and make, in this folder:

    make lab          # set-up, once, then the chapters in JupyterLab
    make run NB=01    # one chapter without a browser; results go to build/
    make doctor       # what is missing on this machine, and how to mend it

The chapters lie in `notebooks/`. Write your answer to an exercise into its first cell and run the cell below it.
Beside them lie three notebooks for data of your own: `my_pictures`, `my_table` and `my_text`.
"""


def pack(path, files):
    """Write a zip archive of (name, path or text) pairs, the same bytes for the same contents."""
    temporary = path.with_suffix(".partial")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                data = content.encode() if isinstance(content, str) else content.read_bytes()
                info = zipfile.ZipInfo(f"groundup-workshop/{name}")
                small = name.endswith((".npz", ".jpg"))  # compressed already
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_STORED if small else zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def build(names, out):
    """Write all editions of the chapters named (of all when none is). Raises Refused, OSError."""
    chapters = {path.stem: nbformat.read(path, as_version=4) for path in run.find_chapters(names)}
    guide, deck = read_guide(), libraries()
    editions = {
        "learner": lambda stem, nb: nbformat.writes(learner_edition(nb)) + "\n",
        "instructor": lambda stem, nb: nbformat.writes(instructor_edition(nb, guide.get(stem[:2], ""))) + "\n",
        "slides": lambda stem, nb: slides_page(nb, nb.cells[0].source.splitlines()[0].lstrip("# "), deck, chapters),
    }
    packed = {}
    for edition, make in editions.items():
        shutil.rmtree(out / edition, ignore_errors=True)  # what an earlier call left is not handed out
        (out / edition).mkdir(parents=True)
        for stem, nb in chapters.items():
            name = stem + (".slides.html" if edition == "slides" else ".ipynb")
            tidy.write(out / edition / name, make(stem, nb))
            packed.setdefault(edition, []).append((name, out / edition / name))
        print(f"{edition:<10}  {len(chapters)} in {out / edition}", flush=True)
    to_run = [("README.md", START), *files_to_run()]
    for edition in ("learner", "instructor"):
        notebooks = [(f"notebooks/{name}", path) for name, path in packed[edition]]
        extra = [("docs/teaching.md", GUIDE)] if edition == "instructor" and GUIDE.exists() else []
        pack(out / f"{edition}.zip", dict([*to_run, *notebooks, *extra]).items())
    pack(out / "slides.zip", packed["slides"])
    for edition in editions:
        print(f"{out / edition}.zip  {(out / f'{edition}.zip').stat().st_size / 1e6:.1f} MB", flush=True)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.workshop", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="01, 02 ... (all when none is given)")
    parser.add_argument("--out", default="build", help="the editions go to OUT/workshop (default: build)")
    options = parser.parse_args(arguments)
    try:
        build(options.chapters, Path(options.out).absolute() / "workshop")
        return 0
    except run.Refused as error:
        print(f"coursetools.workshop: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"coursetools.workshop: cannot go on: {error.strerror} ({error.filename}); OUT=/elsewhere writes elsewhere",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
