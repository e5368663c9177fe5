"""The book: it needs no network, every link leads somewhere, and people with disabilities can read it.

It is built once, as `make site` does it, with warnings as errors. A real browser, whose network is refused, opens it.
"""

import collections
import html.parser
import os
import posixpath
import re
import subprocess
import sys
import urllib.parse
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from coursetools import docs
from coursetools import pages as run_pages
from coursetools.site import __main__ as site
from coursetools.site import bibliography, generated, reference
from tests import browser

ROOT = Path(__file__).parents[1]
LIMIT = 3e6  # bytes of a page with all that it loads
LOADED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("embed", "src"), ("object", "data")}
LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "shortcut"}


class Page(html.parser.HTMLParser):
    """What a page holds: names, links, what it loads, headings, pictures, landmarks, fields of forms."""

    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.loads = path, collections.Counter(), [], []
        self.headings, self.pictures, self.tags, self.labels, self.fields = [], [], collections.Counter(), set(), []
        self.quiet, self.text, self.language, self.title = 0, [], "", ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(
            re.sub(r'(?s)<div id="jb-print-docs-body".*?<div id="searchbox"', "<div", self.source)
        )  # on paper only

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags[tag] += 1
        self.quiet += tag in ("script", "style", "pre", "code", "math")
        self.ids.update([found["id"]] if found.get("id") else [])
        self.language = found.get("lang", "") if tag == "html" else self.language
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and LOADING_LINKS & set(found.get("rel", "").split()):
            self.loads.append(found["href"])
        for name in found:
            if (tag, name) in LOADED:
                self.loads.append(found[name])
        self.loads += [part.split()[0] for part in found.get("srcset", "").split(",") if part.strip()]
        self.loads += re.findall(r"url\(([^)]+)\)", found.get("style") or "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.pictures.append(found.get("alt"))
        if tag == "label":
            self.labels.add(found.get("for"))
        if tag in ("input", "select", "textarea") and found.get("type") not in ("hidden", "checkbox"):
            self.fields.append(found)

    def handle_endtag(self, tag):
        self.quiet -= tag in ("script", "style", "pre", "code", "math")

    def handle_data(self, data):
        if not self.quiet:
            self.text.append(data)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the site, built anew, as a process of its own."""
    out = tmp_path_factory.mktemp("the book é")  # a folder whose name is not plain
    command = [sys.executable, "-m", "coursetools.site", "--out", str(out), "--epub"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ, timeout=600)
    assert done.returncode == 0, done.stdout.decode()[-5000:]
    return out / "site"


@pytest.fixture(scope="module")
def pages(book):
    """{path: Page} of all pages but the slides, which tests/test_workshop.py looks at."""
    places = {path: path.relative_to(book).parts[0] for path in book.rglob("*.html")}
    found = {path: Page(path) for path, place in places.items() if place not in ("downloads", "_static")}
    assert len(found) > 40
    return found


def outside(address):
    return bool(urllib.parse.urlsplit(address).scheme or address.startswith("//"))


def test_no_page_loads_anything_from_a_network(book, pages):
    for path, page in pages.items():
        for address in page.loads:
            if address.startswith("data:"):
                continue
            assert not outside(address), f"{path.name} loads {address}"
            file = path.parent / urllib.parse.unquote(urllib.parse.urlsplit(address).path)
            assert file.is_file(), f"{path.name} loads {address}, which is not there"
    for path in book.rglob("*.css"):
        text = re.sub(r"(?s)/\*.*?\*/", "", path.read_text(encoding="utf-8"))
        for address in re.findall(r"""url\(\s*["']?([^)"']+)|@import\s+["']([^"']+)""", text):
            address = "".join(address)
            if not address.startswith(("data:", "#")):
                assert not outside(address), f"{path.name} loads {address}"
                assert (path.parent / re.sub("[?#].*", "", address)).is_file(), f"{path.name}: {address}"


def test_every_link_leads_somewhere(book, pages):
    for path, page in pages.items():
        for address in page.links:
            parts = urllib.parse.urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("https", "http", "mailto") and (parts.netloc or parts.path), address
                continue
            there = path if not parts.path else (path.parent / urllib.parse.unquote(parts.path)).resolve()
            assert there.is_file(), f"{path.name} links to {address}, which is not there"
            assert there.is_relative_to(book.resolve()), address
            if parts.fragment and there.suffix == ".html" and there in pages:
                assert urllib.parse.unquote(parts.fragment) in pages[there].ids, f"{path.name}: {address}"


def test_pages_are_well_formed(pages):
    for path, page in pages.items():
        assert page.language == "en" and page.tags["title"] >= 1 and page.tags["main"] == 1, path.name
        if path.name in ("genindex.html", "search.html", "py-modindex.html"):
            continue
        assert page.headings.count(1) == 1, f"{path.name} has {page.headings.count(1)} main headings"
        for before, after in zip(page.headings, page.headings[1:], strict=False):
            assert after <= before + 1, f"{path.name}: a heading of level {after} follows one of level {before}"
        assert all(text for text in page.pictures), f"{path.name}: a picture without words"
        twice = [name for name, count in page.ids.items() if count > 1]
        assert not twice, f"{path.name}: {twice} stand for two places each"
        for field in page.fields:
            assert field.get("aria-label") or field.get("id") in page.labels, f"{path.name}: a field without a label"


def test_formulas_are_set_and_pictures_say_what_they_show(pages):
    for path, page in pages.items():
        assert "$" not in "".join(page.text), f"{path.name}: a formula is left as it was written"
        assert "as-written" not in page.source
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", page.source), f"{path.name}: a sign that no page may hold"
    chapters = [page for path, page in pages.items() if re.match(r"\d\d_", path.name)]
    assert len(chapters) == len(docs.chapters()) and sum(page.tags["math"] for page in chapters) > 1500
    for page in chapters:
        assert all(text.startswith("Figure ") and len(text) > 40 for text in page.pictures), page.path.name


def test_no_page_is_heavy(book, pages):
    for path, page in pages.items():
        files = {(path.parent / urllib.parse.unquote(a.split("?")[0])).resolve() for a in page.loads if ":" not in a}
        weight = len(page.source.encode()) + sum(file.stat().st_size for file in files)
        assert weight < LIMIT, f"{path.name}: {weight / 1e6:.2f} MB"


def test_the_lists_are_complete(book, pages):
    def words(name):
        return " ".join(" ".join(pages[book / name].text).split())

    figures = [number for path in docs.chapters().values() for number, _ in docs.captions(path)]
    assert all(f"#figure-{n.replace('.', '-')}" in pages[book / "docs/figures.html"].source for n in figures)
    index = words("genindex.html")
    assert all(f"figure {number}" in index for number in figures)
    for term, chinese, *_ in docs.table(generated.read("glossary"), "term"):
        assert term in index and chinese.split("，")[-1].lower() in index.lower(), term
    for symbol, meaning in (("α", "the learning rate"), ("kappa", "condition number, largest over smallest curvature")):
        assert re.search(rf"{symbol} (\S+ ){{0,20}}{meaning}", index)  # a symbol may have other meanings before
    errata = docs.table(generated.read("errata"), "id")
    assert all(row[0].lower() in pages[book / "docs/errata.html"].ids for row in errata)
    papers = pages[book / "bibliography.html"]
    assert all(f"ref-{key.lower()}" in papers.ids for key in bibliography.entries())
    documented = {target for target in reference.names().values()}
    there = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "reference"))
    assert documented <= there and len(documented) > 80
    proven = words("proven.html")
    assert all(f"{docs.title(path)}" in proven for path in docs.chapters().values())


def test_each_chapter_links_to_what_it_builds_on_and_uses(book, pages):
    about = generated.About()
    for number, path in about.chapters.items():
        links = pages[book / "notebooks" / f"{path.stem}.html"].links
        for other in about.needs[number]:
            assert f"{about.chapters[other].stem}.html" in links
        assert number == "01" or about.needs[number]
        for name, _ in about.uses[number]:
            module = name.rpartition(".")[0]
            module = module if f"../reference/{module}.html#{name}" in links else module.rpartition(".")[0]
            assert f"../reference/{module}.html#{name}" in links, (number, name)
        for kind, ending in (("notebooks", ".ipynb"), ("learner", ".ipynb"), ("slides", ".slides.html")):
            assert f"../downloads/{kind}/{path.stem}{ending}" in links
        page = pages[book / "notebooks" / f"{path.stem}.html"].source
        solutions = sum("solution" in cell.metadata.get("tags", []) for cell in generated.notebook.read(path).cells)
        assert page.count('class="collapsed admonition-title">Solution') == solutions > 2
        assert page.count("<details class='folded'>") >= 5


def test_links_that_mean_something_else(pages, book):
    for path in docs.chapters().values():
        page = pages[book / "notebooks" / f"{path.stem}.html"].source
        assert not re.search(r"fine-<a [^>]*>[^>]*std-term", page), path.stem


def test_commands_of_the_readme_are_code(pages, book):
    for name in ("index", "use"):
        page = pages[book / f"{name}.html"].source
        bare = re.sub(r"(?s)<(pre|code|script)\b.*?</\1>", "", page)
        assert "<pre>" in page and not re.search(r"make \w+ (NB|ARGS|DIR|CHAPTERS)=", bare), name


def test_papers_named_in_the_text_are_links(book, pages):
    named = {"05": "bergstrabengio2012", "07": "veit2016", "08": "vaswani2017", "11": "patarasukyuan2009"}
    for number, path in docs.chapters().items():
        text = pages[book / "notebooks" / f"{path.stem}.html"].source.partition('id="further-reading"')[0]
        found = set(re.findall(r'href="../bibliography.html#ref-(\w+)"', text))
        assert len(found) >= (0 if number in ("02", "03") else 3), (number, found)
        assert number not in named or named[number] in found


def test_the_book_for_readers_of_ebooks(book):
    (epub,) = (book.parent / "epub").glob("*.epub")
    with zipfile.ZipFile(epub) as archive:
        assert archive.testzip() is None and archive.namelist()[0] == "mimetype"
        names = set(archive.namelist())
        for name in names:
            if name.endswith((".xhtml", ".opf", ".ncx")):
                tree = ElementTree.fromstring(archive.read(name))  # as strict as those readers are
                addresses = [e.get(kind) for e in tree.iter() for kind in ("href", "src") if e.get(kind)]
                for address in addresses if name.endswith(".xhtml") else []:
                    place = urllib.parse.unquote(urllib.parse.urlsplit(address).path)
                    there = posixpath.normpath(posixpath.join(posixpath.dirname(name), place))
                    assert outside(address) or not place or there in names, f"{name}: {address}"
        chapter = next(name for name in archive.namelist() if "02_backprop" in name)
        assert b"<math" in archive.read(chapter)


# In a browser


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    if not browser.PROGRAM:
        pytest.skip("no chromium on this machine, so the book was opened in no browser: apt install chromium")
    found = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


LOOKED_AT = ["index", "notebooks/02_backprop_by_hand", "notebooks/04_regularization", "notebooks/my_text", "proven"]
LOOKED_AT += [
    "docs/errata",
    "docs/glossary",
    "docs/notation",
    "docs/concept_map",
    "docs/references_errata",
    "docs/figures",
]
LOOKED_AT += ["docs/teaching", "bibliography", "reference/groundup.check", "genindex", "search"]


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_asks_for_nothing_from_a_network(book, window, name):
    window.open((book / f"{name}.html").as_uri())
    assert window.asked and all(address.startswith("file://") for address in window.asked), window.asked
    assert window.said == []


def test_every_page_fits_a_telephone(window, pages):
    wide = {}
    for path in pages:
        window.open(path.as_uri(), width=375, height=720)
        width = window.run("document.scrollingElement.scrollWidth")
        wide |= {path.name: width} if width > 375 else {}
    assert wide == {}


AXE = """(async () => {
  const still = document.createElement("style");
  still.textContent = "* { transition: none !important; animation: none !important; }";
  document.head.append(still);
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, {resultTypes: ["violations"], runOnly: rules});
  return found.violations.map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " +
    n.any.map(a => a.message).join("; ").slice(0, 200)).join(" | "));
})()"""


DARK = {"notebooks/my_text", "index", "docs/errata", "docs/concept_map", "docs/notation", "docs/teaching", "genindex"}
LIGHT = {"notebooks/09_bert_fine_tuning", "index", "proven", "docs/glossary", "docs/concept_map", "search"}
LIGHT |= {"docs/references_errata", "reference/groundup.check", "bibliography"}


@pytest.mark.parametrize(
    ("name", "dark"), [(name, False) for name in sorted(LIGHT)] + [(name, True) for name in sorted(DARK)]
)
def test_an_accessibility_checker_finds_nothing(book, window, name, dark):
    """axe-core, which knows the rules of the Web Content Accessibility Guidelines, 2.2 AA: contrast, names, order."""
    folder = Path(site.environment()).parents[1]
    (axe,) = folder.rglob("axe_playwright_python/axe.min.js")
    window.open((book / f"{name}.html").as_uri(), dark=dark)
    assert window.run("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    window.run(axe.read_text(encoding="utf-8") + "; 1")
    assert window.run(AXE) == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_checker_finds_nothing_on_a_page_of_a_run(window, tmp_path, dark):
    (path,) = generated.notebook.find_chapters(["02"])
    file = tmp_path / "page.html"
    file.write_text(run_pages.page(generated.notebook.read(path), path.stem), encoding="utf-8")
    (axe,) = Path(site.environment()).parents[1].rglob("axe_playwright_python/axe.min.js")
    window.open(file.as_uri(), dark=dark)
    window.run(axe.read_text(encoding="utf-8") + "; 1")
    assert window.run(AXE) == []
    window.open(file.as_uri(), width=375, height=720, dark=dark)
    assert window.run("document.scrollingElement.scrollWidth") <= 375


SEARCHED = """new Promise(done => {
  const wait = () => {
    const summary = document.querySelector("#search-results p.search-summary");
    if (summary && /found|did not match/.test(summary.textContent)) done(1); else setTimeout(wait, 50);
  };
  wait();
})"""


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("double descent", "04_regularization"),
        ("梯度下降", "glossary"),
        ("κ", "notation"),
        ("figure 02.3", "02_backprop_by_hand"),
        ("at_least", "groundup.check"),
        ("Tibshirani", "bibliography"),
    ],
)
def test_search_works_from_disk(book, window, query, wanted):
    window.open((book / "search.html").as_uri() + "?q=" + urllib.parse.quote(query))
    window.run(SEARCHED)
    links = window.run("[...document.querySelectorAll('#search-results ul a')].map(a => a.href)")
    assert any(wanted in link for link in links), links
    assert all(address.startswith("file://") for address in window.asked)


def test_without_scripts_a_page_is_whole(book, window):
    window.open((book / "notebooks/02_backprop_by_hand.html").as_uri(), scripts=False)
    tree = window.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    for choice in ("article h1", ".math-block", "details", ".cell_output img"):
        node = window.call("DOM.querySelector", nodeId=tree, selector=choice)["nodeId"]
        width, height = (window.call("DOM.getBoxModel", nodeId=node)["model"][name] for name in ("width", "height"))
        assert width > 5 and height > 5, choice


def test_formulas_folds_and_tables(book, window):
    window.open((book / "notebooks/02_backprop_by_hand.html").as_uri())
    assert window.run("document.fonts.check('16px \"STIX Two Math\"')")
    sizes = "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect()).map(r => r.width * r.height)"
    found = [size for size in window.run(sizes) if size]
    assert len(found) > 100 and min(found) > 15
    assert window.run("[...document.querySelectorAll('details')].every(d => !d.open)")
    window.open((book / "docs/errata.html").as_uri())
    window.run(
        "const f = document.querySelector('.find input'); f.value = 'cross-entropy softmax';"
        "f.dispatchEvent(new Event('input'))"
    )
    rows = "[...document.querySelectorAll('table.filtered tbody tr')].filter(r => !r.hidden).map(r => r.textContent)"
    shown = window.run(rows)
    assert 0 < len(shown) < 20 and all("softmax" in row.lower() for row in shown)


def test_by_keyboard_and_on_paper(book, window):
    window.open((book / "notebooks/02_backprop_by_hand.html").as_uri())
    window.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    window.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert "skip" in window.run("document.activeElement.textContent").lower()
    window.open((book / "notebooks/02_backprop_by_hand.html").as_uri(), media="print", width=800)
    seen = (
        "[...document.querySelectorAll('.bd-sidebar-primary, .take-home, .header-article')].filter(e => e.offsetWidth)"
    )
    assert window.run(f"{seen}.length") == 0


def test_a_chapter_is_printed(book, tmp_path):
    if not browser.PROGRAM:
        with pytest.raises(generated.notebook.Refused, match="apt install chromium"):
            site.pdf(book, tmp_path)
        pytest.skip("no chromium on this machine, so no chapter was printed: apt install chromium")
    site.pdf(book, tmp_path, ["02_*"])
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    assert data.startswith(b"%PDF") and b"/Outlines" in data and len(data) < 8e6
    assert len(re.findall(rb"/Type ?/Page\b", data)) > 20 and b"STIXTwoMath" in data


def test_what_is_folded_is_printed(book, window):
    window.open((book / "notebooks/02_backprop_by_hand.html").as_uri(), media="print", width=800)
    hidden = "[...document.querySelectorAll('details')].filter(d => d.getBoundingClientRect().height < 60).length"
    assert window.run(hidden) == 0
