"""HTML that needs no network: formulas as MathML, their letters and all styles inside the page, no script."""

import base64
import functools
import html
import io
import re
from importlib import resources

from coursetools import notebook

PICTURE = """{# nbconvert gives figures no alternative text. -#}
{%- block data_png scoped -%}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}"><img
  alt="{{ (output | get_metadata('alt', 'image/png') or 'a figure') | escape_html }}"
  src="data:image/png;base64,{{ output.data['image/png'] | without_alpha | escape_html }}"></div>
{%- endblock data_png -%}
"""
PAGE = """{# nbconvert's page without what it fetches: MathJax, require.js, Mermaid. #}
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}<style>{{ resources.formulas }}</style>{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
"""
FORMULAS = """
@font-face { font-family: "STIX Two Math"; src: url(data:font/woff;base64,FONT) format("woff"); }
math { font-family: "STIX Two Math", math; font-size: 1.05em; }
math[display=block] { margin: 12px auto; }
menclose { border: 1px solid; padding: 4px 6px; }
"""


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


def page(nb, name):
    """A notebook as one HTML page that needs nothing else; a formula that cannot be set is shown as it was written.

    Args:
        nb: the notebook, with its outputs.
        name: str, the title of the page.

    Raises:
        Refused: a package is missing.
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(raw_template=PAGE + PICTURE)
    exporter.register_filter("markdown2html", markdown(nb, set_or_show))
    exporter.register_filter("without_alpha", without_alpha)
    found = {"metadata": {"name": name}, "formulas": FORMULAS.replace("FONT", formula_font())}
    return exporter.from_notebook_node(nb, resources=found)[0]
