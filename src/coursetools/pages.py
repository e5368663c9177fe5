"""HTML that needs no network: formulas as MathML, their letters and all styles inside the page, no script."""

import base64
import copy
import functools
import html
import io
import re
from importlib import resources
from pathlib import Path

from coursetools import notebook

STYLE = Path(__file__).with_name("style")  # what the book, the pages of `make run` and the slides share
FOLDED = {"solution": "Solution", "check": "How it is checked"}  # tag: what the fold says


def set_formula(tex, display, cell_id):
    """MathML for a formula in LaTeX.

    Args:
        tex: str, what stands between the dollar signs.
        display: bool, on a line of its own.
        cell_id: str, for errors.

    Raises:
        Refused: it cannot be set; names the cell, the formula and the fault.
    """
    import math_core

    try:
        return math_core.LatexToMathML().convert_with_local_state(tex, displaystyle=display)
    except math_core.LatexError as error:
        fault = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[0].removeprefix("Error: ")
        raise notebook.Refused(
            f"cell {cell_id}: the formula {tex.strip()!r} cannot be set for the page: {fault} "
            "Write it with the commands that KaTeX and MathJax share"
        ) from None


def set_or_show(tex, display, cell_id):
    """The same; a formula that cannot be set is shown as it was written."""
    try:
        return set_formula(tex, display, cell_id)
    except notebook.Refused:
        return f'<code class="as-written">{html.escape(tex.strip())}</code>'


def framed(tex, display, formula):
    """A formula in MathML, in a frame that scrolls where it is wider than the page."""
    if display:
        return f'<div class="math-block">{formula}</div>\n'
    return f'<span class="long">{formula}</span>' if len(tex) > 30 else formula


def markdown(nb, set_formula=set_formula, **options):
    """Function that turns the markdown of a notebook's cells into HTML.

    Args:
        nb: the notebook, whose cells errors name.
        set_formula: function as the one above.
        options: of nbconvert's renderer.
    """
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    def place(formula):
        return next((cell.id for cell in nb.cells if formula in cell.source), "of this notebook")

    class Renderer(IPythonRenderer):
        def paragraph(self, text):
            kind = ' class="caption"' if text.startswith("<em>Figure ") else ""
            return f"<p{kind}>{text}</p>\n"

        def block_math(self, body):
            return set_formula(body, True, place(body))

        def inline_math(self, body):
            return set_formula(body, False, place(body))

    return lambda source: MarkdownWithMath(renderer=Renderer(escape=False, **options)).render(source)


@functools.cache
def formula_font():
    """STIX Two Math as WOFF in base64, a str. Raises Refused where its package is missing."""
    try:
        from fontTools.ttLib import TTFont

        file = resources.files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
    except ImportError as error:
        raise notebook.Refused(f"the package {error.name} is missing, which pages need: make setup") from None
    font, packed = TTFont(io.BytesIO(file.read_bytes()), recalcTimestamp=False), io.BytesIO()
    font.flavor = "woff"
    font.save(packed)
    return base64.b64encode(packed.getvalue()).decode()


def formula_style(font):
    """How formulas are set, as CSS. font: WOFF in base64, a str."""
    import jinja2

    template = (STYLE / "formulas.css.j2").read_text(encoding="utf-8")
    return jinja2.Template(template, keep_trailing_newline=True).render(font=font)


@functools.cache
def page_style():
    """All that a page has of style, as CSS."""
    from jupyterlab_pygments import JupyterStyle
    from pygments.formatters import HtmlFormatter

    own = [(STYLE / name).read_text(encoding="utf-8") for name in ("page.css", "reading.css")]
    code = HtmlFormatter(style=JupyterStyle).get_style_defs(".highlight")
    return "\n".join([formula_style(formula_font()), code, *own])


def fold(cell):
    """What stands on the fold of a code cell; "" for one that stays in sight."""
    return next((words for tag, words in FOLDED.items() if tag in cell.metadata.get("tags", [])), "")


def reach(text):
    """What a `pre` needs so that the keyboard can scroll it: a place in the order of Tab where a line is long."""
    return ' tabindex="0"' if max(map(len, text.splitlines()), default=0) > 95 else ""


def readable(nb):
    """Leave out of a notebook the tables in HTML that stand there as text too: their colours suit no dark page."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if "text/plain" in output.get("data", {}):
                output.data.pop("text/html", None)
    return nb


def without_alpha(png):
    """A PNG in base64 with the same pixels, a tenth smaller: without the alpha that Matplotlib writes for nothing."""
    from PIL import Image

    content, smaller = base64.b64decode(png), io.BytesIO()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.mode != "RGBA" or image.getextrema()[3] != (255, 255):
                return png
            image.convert("RGB").save(smaller, "PNG", optimize=True)
    except Exception:  # it is shown as it is, or not at all
        return png
    return base64.b64encode(smaller.getvalue()).decode() if smaller.tell() < len(content) else png


def lighter(nb):
    """Store a notebook's pictures without their alpha, see `without_alpha`."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = without_alpha(output.data["image/png"])
    return nb


def page(nb, name):
    """A notebook as one HTML page that needs nothing else; a formula that cannot be set is shown as it was written.

    Args:
        nb: the notebook, with its outputs.
        name: str, the title of the page.

    Raises:
        Refused: a package is missing.
    """
    from nbconvert import HTMLExporter

    def framed_or_shown(tex, display, cell_id):
        return framed(tex, display, set_or_show(tex, display, cell_id))

    folds = markdown(nb, framed_or_shown)
    exporter = HTMLExporter(raw_template=(STYLE / "page.html.j2").read_text(encoding="utf-8"))
    exporter.register_filter(
        "markdown2html", lambda source: folds(source).replace("<details>", '<details class="folded">')
    )
    exporter.register_filter("without_alpha", without_alpha)
    exporter.register_filter("fold", fold)
    exporter.register_filter("reach", reach)
    found = {"metadata": {"name": name}, "style": page_style()}
    return exporter.from_notebook_node(readable(copy.deepcopy(nb)), resources=found)[0]
