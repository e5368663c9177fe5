"""What Sphinx is taught for the book: formulas as MathML, folds, links that the text implies, tables for telephones."""

import html
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import process_index_entry
from coursetools import notebook, pages
from coursetools.site import bibliography

logger = logging.getLogger(__name__)
UNLINKED = (nodes.title, nodes.literal, nodes.literal_block, nodes.reference, nodes.math, nodes.math_block, nodes.raw)
UNLINKED += (nodes.term, nodes.table, addnodes.pending_xref, addnodes.desc_signature, nodes.caption)
NO_LINKS_IN = {"Further reading", "From the package"}
NO_TERMS_IN = {*NO_LINKS_IN, "Exercises", "Recall", "From the sources"}
IMPLIED = re.compile(
    r"(?P<figure>(?<=[Ff]igure )\d\d\.\d+|(?<=[Ff]igures )\d\d\.\d+)"
    r"|(?<!Deep Learning, )(?P<chapter>[Cc]hapter (?P<number>\d\d))(?!\d)(?:, section (?P<part>\d+)(?![.\d]))?"
    r"|(?P<section>\b[Ss]ection (?P<own>\d+)(?![.\d]))"
    r"|(?P<erratum>\b(?:E\d\d-\d+|R\d-\d+|F-\d+)\b)"
)
NAME = re.compile(r"E\d\d-\d+|R\d-\d+|F-\d+")  # of a row
CHINESE = re.compile(r"[\u3400-\u9fff](?:[\u3000-\u9fff\uff00-\uffef ]*[\u3400-\u9fff])?")
GREEK = "alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi varphi"
LETTERS = dict(zip(GREEK.split(), "αβγδεεζηθκλμνξπρστφφ", strict=True))
LETTERS |= {"chi": "χ", "psi": "ψ", "omega": "ω", "nabla": "∇", "partial": "∂", "odot": "⊙"}


# Formulas


def formula(self, node, display):
    """MathML for a formula, whose font and style stand in the style sheet."""
    tex = node.astext()
    try:
        return pages.framed(tex, display, pages.set_formula(tex, display, "of this page"))
    except notebook.Refused as error:
        logger.warning("%s", error, location=node)
        return ""


def visit_math(self, node):
    self.body.append(formula(self, node, False))
    raise nodes.SkipNode


def visit_block(self, node):
    self.body.append(formula(self, node, True))
    raise nodes.SkipNode


# Folds: recall questions and lists that would be long


class folded(nodes.container):
    """What `details` is in HTML."""


class folded_title(nodes.TextElement):
    """Its first line."""


class Folded(SphinxDirective):
    """The directive `folded`: its argument stays in sight, its content unfolds."""

    has_content, required_arguments, final_argument_whitespace = True, 1, True

    def run(self):
        words, messages = self.state.inline_text(self.arguments[0], self.lineno)
        node = folded("", folded_title("", "", *words), classes=["folded"])
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node, *messages]


FOLD = {
    folded: ("<details class='folded'>\n", "</details>\n"),
    folded_title: ("<summary>", "</summary>\n"),
}


def tags(kind):
    """The two functions that write a node of a kind."""
    before, after = FOLD[kind]
    return lambda self, node: self.body.append(before), lambda self, node: self.body.append(after)


# Links that the text implies


def section_of(node):
    """The title of the second-level section that a node stands in; "" above the first."""
    found = ""
    while node.parent is not None:
        if isinstance(node, nodes.section) and node.children and isinstance(node.parent, nodes.section):
            found = node.children[0].astext()
        node = node.parent
    return found


def is_free(node):
    """Whether a text may hold links."""
    while node.parent is not None:
        if isinstance(node, UNLINKED) and not (isinstance(node, nodes.table) and "linked" in node.get("classes", [])):
            return False
        node = node.parent
    return True


def cross(words, target, kind="ref"):
    """A reference to a label or a term of this book."""
    inline = nodes.inline("", words, classes=["std", f"std-{kind}"])
    return addnodes.pending_xref(
        "", inline, refdomain="std", reftype=kind, reftarget=target, refexplicit=True, refwarn=True
    )


class Links(SphinxTransform):
    """Mentions of figures, chapters, sections, errata and papers become links, and so does each term's first use."""

    default_priority = 400

    def apply(self):
        self.known = self.config.known
        name = Path(self.env.docname).name
        self.own = name[:2] if re.match(r"\d\d_", name) else ""
        self.works = {(form, year): keys for form, year, keys in self.known["works"]}
        if self.env.docname == "docs/notation":
            self.symbols()
        for table in list(self.document.findall(nodes.table)):
            self.table(table)
        texts = [node for node in self.document.findall(nodes.Text) if is_free(node)]
        for node in texts:
            own_number = isinstance(node.parent, nodes.emphasis) and node.astext().startswith("Figure ")
            if section_of(node) not in NO_LINKS_IN and not own_number and not NAME.fullmatch(node.astext()):
                self.implied(node)
        if self.own:
            self.terms()
            self.figures()

    def implied(self, node):
        """Links in one text."""
        pieces, end, text = [], 0, node.astext()
        found = [(match.start(), match.end(), *self.target(match)) for match in IMPLIED.finditer(text)]
        read = self.known["read"].get(self.own, [])
        for start, stop, key in bibliography.mentions(text, self.works, read):
            found.append((start, stop, f"ref-{key.lower()}", "ref"))
        for start, stop, target, kind in sorted(found, key=lambda place: place[:2]):
            if target and start >= end:
                pieces += [nodes.Text(text[end:start]), cross(text[start:stop], target, kind)]
                end = stop
        if pieces:
            node.parent.replace(node, [*pieces, nodes.Text(text[end:])])

    def target(self, match):
        """(label, kind of reference) of what a text mentions; (None, None) if there is no such thing."""
        label = ""
        if match["figure"]:
            found = match["figure"] in self.known["figures"]
            label = "figure-" + match["figure"].replace(".", "-") if found else ""
        elif match["erratum"]:
            label = match["erratum"].lower()
        elif match["chapter"]:
            if match["part"] is None and match["number"] in self.known["chapters"] and match["number"] != self.own:
                return "/" + self.known["chapters"][match["number"]], "doc"
            label = f"s-{match['number']}-{match['part']}"
        elif self.own:
            label = f"s-{self.own}-{match['own']}"
        good = label.startswith(("figure", "e", "r", "f-")) or label in self.known["sections"]
        return (label, "ref") if label and good else (None, None)

    def terms(self):
        """The first use of each term of the glossary that this chapter or one before it teaches."""
        wanted = {term for term, number in self.known["terms"].items() if number <= self.own}
        for term in sorted(wanted, key=len, reverse=True):
            pattern = re.compile(rf"(?<![\w-]){re.escape(term)}(e?s)?(?![\w-])", re.IGNORECASE)
            for node in list(self.document.findall(nodes.Text)):
                match = pattern.search(node.astext())
                if match and is_free(node) and section_of(node) not in NO_TERMS_IN and node.parent.tagname != "strong":
                    text = node.astext()
                    pieces = [nodes.Text(text[: match.start()]), cross(match[0], term, "term")]
                    node.parent.replace(node, [*pieces, nodes.Text(text[match.end() :])])
                    break

    def figures(self):
        """Each figure in the index, under its number."""
        for node in list(self.document.findall(nodes.paragraph)):
            if "caption" in node.get("classes", []) and node.get("ids"):
                number = node.children[0].astext().removeprefix("Figure ").rstrip(".")
                self.index(node, f"figure {number}", node["ids"][0])

    def index(self, node, words, target):
        """An entry of the index that leads to a node."""
        entries = process_index_entry(f"single: {words}", target)
        node.parent.insert(node.parent.index(node), addnodes.index(entries=entries))

    def symbols(self):
        """Each symbol of the notation in the index, with what it means."""
        for count, row in enumerate(list(self.document.findall(nodes.row))):
            first = row.children[0]
            found = list(first.findall(nodes.math))
            if not found or not isinstance(row.parent, nodes.tbody):
                continue
            tex = re.sub(r"\\([A-Za-z]+)", lambda m: LETTERS.get(m[1], ""), found[0].astext())
            symbol = re.sub(r"[{}\\$ ]", "", tex).replace(";", ",")
            named = re.search(r"\\([a-zA-Z]{2,})", found[0].astext())
            means = row.children[1].astext().split(";")[0]
            target = f"symbol-{count}"
            first["ids"].append(target)
            means = means.replace(";", ",")
            names = [symbol, *([named[1]] if named and named[1] in LETTERS else [])]
            for name in filter(None, names):
                self.index(first.children[0], f"{name}; {means}", target)

    def table(self, table):
        """The heading of its column before each cell, for narrow screens; a name for each row that has one."""
        heads = [entry.astext() for row in table.findall(nodes.thead) for entry in row.findall(nodes.entry)]
        rows = [row for body in table.findall(nodes.tbody) for row in body.findall(nodes.row)]
        if len(heads) >= 3:
            table["classes"].append("stacked")
        if len(rows) >= 15:
            table["classes"].append("filtered")
        named = False
        for row in rows:
            first = row.children[0].astext() if row.children else ""
            if NAME.fullmatch(first):
                row.children[0]["ids"].append(first.lower())
                named = True
                label, std = first.lower(), self.env.get_domain("std")
                std.anonlabels[label] = (self.env.docname, label)
                std.labels[label] = (self.env.docname, label, first)
            for head, entry in zip(heads, row.children, strict=False):
                if len(heads) >= 3 and head and entry.astext():
                    entry.children[0].insert(0, nodes.inline("", head, classes=["cell-head"]))
        table["classes"] += ["named"] if named else []
        if self.env.docname in ("docs/errata", "docs/sources_checked", "docs/teaching"):
            table["classes"].append("linked")


class Lazy(SphinxTransform):
    """Pictures are loaded when they come into sight."""

    default_priority = 900

    def apply(self):
        for node in self.document.findall(nodes.image):
            node["loading"] = "lazy"


def finish(app, name, template, context, doctree):
    """Say of Chinese words that they are Chinese, for voices that read aloud and for the font; make an EPUB valid."""
    # A network that writes may write signs that no page may hold.
    context["body"] = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", context.get("body", ""))
    if app.builder.name == "epub":  # XML: names of characters that only HTML has; and a file that comes too late for it
        body = re.sub(r'(<a href="\.\./notebooks/\w+\.)html"', r'\1xhtml"', context["body"])
        context["body"] = re.sub(r"&(?!(?:lt|gt|amp|quot);)\w+;", lambda match: html.unescape(match[0]), body)
        context["css_files"] = [file for file in context["css_files"] if "mystnb" not in str(file.filename)]
    if CHINESE.search(context["body"]):
        parts = re.split(r"(<[^>]*>)", context["body"])
        words = [p if i % 2 else CHINESE.sub(r'<span lang="zh">\g<0></span>', p) for i, p in enumerate(parts)]
        context["body"] = "".join(words)


def setup(app):
    app.connect("html-page-context", finish)
    app.add_html_math_renderer("mathml", inline_renderers=(visit_math, None), block_renderers=(visit_block, None))
    app.add_config_value("known", {}, "env")
    for kind in FOLD:
        app.add_node(kind, html=tags(kind))
    app.add_directive("folded", Folded)
    app.add_transform(Links)
    app.add_transform(Lazy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}


def known(folder):
    """What `sources` knows of all chapters, for conf.py."""
    return json.loads((Path(folder) / "known.json").read_text(encoding="utf-8"))
