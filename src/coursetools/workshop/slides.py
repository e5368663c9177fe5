"""The slides of a chapter: what of it is on them, by rule, and the one HTML page that shows them."""

import base64
import copy
import re
from importlib import resources
from pathlib import Path

from coursetools import notebook, pages
from coursetools.tidy import nbformat
from coursetools.workshop.editions import tags, title

NOT_ON_SLIDES = ("Further reading",)  # sections that are for reading
WIDTH, HEIGHT = 1280, 720  # of a slide, in pixels
WIDE = 80  # letters of a display formula that fit side by side
ROOM = 540  # pixels of height below a slide's title, and above its number
TEMPLATES = Path(__file__).with_name("templates")

# A chapter becomes a list of pages, each a title, the cells on it, and what is said with it.


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
    markup = r"\\[A-Za-z]+|[{}$*`\\]|\]\([^)]*\)"
    return re.sub(markup if spaces else rf"{markup}|[_^\s]", "", text)


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
    deck, section, coded = Deck(), title(nb), True  # code before the first section sets up
    deck.open(section)
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
    for number, cell in enumerate(cells, 1):
        cell.id = f"slides-{number:03}"  # nbformat's own are drawn anew each time
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[([^\]]*)\]\(([^):#]+\.ipynb)[^)]*\)", link, cell.source)
        cell.metadata.setdefault("slideshow", {"slide_type": "-"})
    return nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(nb.metadata))


def set_formula(tex, display, cell_id):
    """The same as `pages.set_formula`, smaller where a formula is wide."""
    found = pages.set_formula(tex, display, cell_id)
    small = display and len(shown_text(tex, spaces=False)) >= WIDE
    return found.replace("<math", '<math style="font-size: 0.85em"', 1) if small else found


def libraries():
    """{"css": ..., "js": ..., "width": ..., "height": ...} of a page: reveal.js, its speaker notes, a theme with its
    letters, a font for formulas.

    Raises:
        Refused: a package is missing.
    """
    try:
        import jinja2
        import math_core  # noqa: F401  (used by set_formula; its absence is better said before the first page)

        reveal = resources.files("pyreveal") / "revealjs" / "dist"
    except ImportError as error:
        raise notebook.Refused(f"the package {error.name} is missing, which the slides need: make setup") from None
    css = [(reveal / name).read_text(encoding="utf-8") for name in ("reset.css", "reveal.css", "theme/white.css")]
    style = jinja2.Template((TEMPLATES / "page.css.j2").read_text(encoding="utf-8"), keep_trailing_newline=True)
    css += [pages.formula_style(pages.formula_font()), style.render(sizes=range(12, 21))]
    js = [(reveal / name).read_text(encoding="utf-8") for name in ("reveal.js", "plugin/notes.js")]
    script = base64.b64encode(";\n".join(js).encode()).decode()  # it holds </script> itself
    return {"css": "\n".join(css), "js": script, "width": WIDTH, "height": HEIGHT}


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
    from nbconvert import SlidesExporter

    frame = (TEMPLATES / "page.html.j2").read_text(encoding="utf-8")
    exporter = SlidesExporter(raw_template=frame, exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_filter("markdown2html", pages.markdown(nb, set_formula, exclude_anchor_links=True))
    # Our own cells hold nothing to be cleaned of; code, which Pygments has escaped, would take a third of the time.
    exporter.register_filter("clean_html", lambda text: text.decode() if isinstance(text, bytes) else str(text))
    page, _ = exporter.from_notebook_node(
        slide_notebook(nb, chapters), resources={"metadata": {"name": name}, "deck": deck}
    )
    return page
