"""The pages of `make run` need no network, and every figure says in words what it shows."""

import base64
import copy
import html
import io
import json
import os
import re
import shutil
import subprocess

import pytest
from PIL import Image
from coursetools import notebook, pages, tidy
from coursetools.notebook import nbformat

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ALL = notebook.find_chapters([]) + sorted(notebook.NOTEBOOKS.glob("my_*.ipynb"))
LOOK = """<script>addEventListener('load', async () => {
  await document.fonts.ready;
  const asked = performance.getEntriesByType('resource').map(e => e.name).filter(name => !name.startsWith('data:'));
  const found = {asked: asked,
    font: document.fonts.check('16px "STIX Two Math"'),
    formulas: [...document.querySelectorAll('math')].map(e => e.getBoundingClientRect()).map(r => r.width * r.height),
    pictures: [...document.querySelectorAll('img')].map(e => [e.naturalWidth, e.alt])};
  const report = document.createElement('pre');
  report.id = 'found'; report.textContent = JSON.stringify(found);
  document.body.replaceChildren(report);
});</script>"""


def asked_for(page):
    """What a page would load: every address that is not data in the page itself."""
    page = re.sub("<a [^>]*>", "", page)  # a link is followed by a reader, not by the page
    found = re.findall(r"""(?:src|href)=["']([^"'#]+)|url\(["']?([^)"']+)|@import\s*([^;]+)""", page)
    return [word for words in found for word in words if word and not word.startswith("data:")]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_each_page_is_whole(path):
    page = pages.page(notebook.read(path), path.stem)
    assert asked_for(page) == [] and "<script" not in page and "as-written" not in page
    left = re.sub(r"(?s)<(pre|code|style|math)\b.*?</\1>", "", page)
    assert "$" not in left  # no formula is left as it was
    texts = re.findall(r'<img\s+alt="([^"]*)"', page)
    assert texts and all(len(text) > 40 and text.startswith("Figure ") for text in texts)
    assert len(page) < 3e6


def test_a_page_in_a_browser_without_a_network(tmp_path):
    if not BROWSER:
        pytest.skip("no chromium on this machine, so no page was opened: apt install chromium")
    page = pages.page(notebook.read(ALL[0]), ALL[0].stem)
    file = tmp_path / "page.html"
    file.write_text(page.replace("</head>", LOOK + "</head>", 1), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=20000"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()]
    home = {**os.environ, "HOME": str(tmp_path)}  # Chromium writes there whatever its profile
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=180, env=home)
    said = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.S)
    assert said, "the page did not start in the browser"
    found = json.loads(html.unescape(said[1]))
    assert found["asked"] == [] and found["font"]
    assert len(found["formulas"]) > 50 and min(found["formulas"]) > 20
    assert len(found["pictures"]) > 5 and all(width > 100 and len(text) > 40 for width, text in found["pictures"])


def test_a_formula_that_cannot_be_set_is_shown_as_written():
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Here $a < b$ and $\\nosuch{x<y}$.", id="here")])
    page = pages.page(nb, "name")
    assert '<code class="as-written">\\nosuch{x&lt;y}</code>' in page and "<mo>&lt;</mo>" in page
    with pytest.raises(notebook.Refused, match=r"cell here: the formula .* Unknown command"):
        pages.set_formula("\\nosuch{x}", True, "here")


def test_a_figure_takes_its_caption_as_its_text():
    nb = notebook.read(ALL[0])
    found = copy.deepcopy(nb)
    for cell in found.cells:
        for output in cell.get("outputs", []):
            output.pop("metadata", None)
            if output.output_type == "display_data":
                output["metadata"] = nbformat.from_dict({})
    assert tidy.clean(found) == nb
    one = next(
        output for cell in nb.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    )
    assert one.metadata["image/png"]["alt"].startswith("Figure 01.1. ")
    assert not re.search(r"[*`$]", one.metadata["image/png"]["alt"])


def rules(path):
    """(selector, declarations) of a style sheet, without those that only paper or narrow screens have."""
    text = re.sub(r"(?s)/\*.*?\*/|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text(encoding="utf-8"))
    return [(one.strip(), " ".join(body.split())) for one, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text)]


def test_a_rule_of_style_stands_in_one_file():
    sheets = [path for path in (notebook.SRC / "coursetools").rglob("*") if ".css" in path.suffixes]
    assert len(sheets) >= 5
    places = {}
    for path in sheets:
        for rule in rules(path):
            places.setdefault(rule, set()).add(path.name)
    assert {rule: names for rule, names in places.items() if len(names) > 1} == {}
    shared = {"math", "menclose", "math[display=block]", "p.caption", "details.folded", ".math-block", ".long"}
    for selector in shared:
        names = {path.parent.name for path in sheets for one, _ in rules(path) if one == selector}
        assert names == {"style"}, selector


def test_a_page_is_marked_up_as_the_book_is():
    """Solutions and checks are folded, captions are captions, wide formulas scroll."""
    nb = notebook.read(ALL[1])
    page = pages.page(nb, ALL[1].stem)
    for words in pages.FOLDED.values():
        wanted = sum(pages.fold(cell) == words for cell in nb.cells if cell.cell_type == "code")
        assert page.count(f'<details class="folded"><summary>{words}</summary>') == wanted > 2
    assert "<details>" not in page and page.count("<details") == page.count("</details>")
    assert page.count('<p class="caption"><em>Figure 02.') == page.count("<img")
    blocks = sum(cell.source.count("$$") // 2 for cell in nb.cells if cell.cell_type == "markdown")
    assert page.count('<div class="math-block"><math') == blocks > 10
    assert page.count('<div class="cell">') == sum(cell.cell_type == "code" for cell in nb.cells)


def test_outputs_of_every_kind_are_on_the_page():
    v4 = nbformat.v4
    outputs = [
        v4.new_output("stream", name="stdout", text="to stdout <&>"),
        v4.new_output("stream", name="stderr", text="to stderr"),
        v4.new_output("execute_result", data={"text/plain": "a result", "text/html": "<b>in colours</b>"}),
        v4.new_output("display_data", data={"text/html": "<table><tr><td>only HTML</td></tr></table>"}),
        v4.new_output("display_data", data={"text/markdown": "some *markdown* $x$"}),
        v4.new_output("display_data", data={"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}),
        v4.new_output("error", ename="E", evalue="v", traceback=["\x1b[31ma traceback\x1b[0m", "its end <"]),
    ]
    cell = v4.new_code_cell("1 < 2", outputs=outputs, id="here")
    page = pages.page(nbformat.v4.new_notebook(cells=[cell]), "name <b>")
    for words in (
        "to stdout &lt;&amp;&gt;",
        "to stderr",
        "a result",
        "only HTML",
        "<em>markdown</em>",
        "data:image/svg",
    ):
        assert words in page, words
    assert "in colours" not in page and "a traceback" in page and "its end &lt;" in page and "\x1b" not in page
    assert page.count("<title>") == 1 and "<title>name &lt;b&gt;</title>" in page


def test_pictures_of_a_refreshed_notebook_lose_their_alpha_and_no_pixel():
    picture, stream = Image.new("RGBA", (60, 40), (200, 30, 90, 255)), io.BytesIO()
    picture.putpixel((7, 5), (1, 2, 3, 255))
    picture.save(stream, "PNG", compress_level=0)
    shown = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(stream.getvalue()).decode()})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("draw()", outputs=[shown])])
    png = base64.b64decode(pages.lighter(nb).cells[0].outputs[0].data["image/png"])
    stored = Image.open(io.BytesIO(png))
    assert len(png) < len(stream.getvalue()) and stored.mode == "RGB"
    assert stored.tobytes() == picture.convert("RGB").tobytes()
