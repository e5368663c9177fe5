"""The tree that Sphinx reads: the notebooks and docs/ as they are committed, marked up, and the pages that are made."""

import json
import re
import shutil
from pathlib import Path

from coursetools import docs, notebook, pages
from coursetools.site import bibliography, generated, reference
from coursetools.workshop import editions

ROOT = notebook.SRC.parent
PAGES = ("data/README.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
FENCED = re.compile(r"(```.*?```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$)", re.DOTALL)
TERMS = ("notation", "glossary", "concept_map")


def slug(heading):
    """The name of a section in an address: "5. The chain rule" is "5", "Break it" is "break-it"."""
    number = re.match(r"(\d+)\. ", heading)
    return number[1] if number else re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def key(path):
    """What a notebook is called in labels: "02", "my-text"."""
    return path.stem[:2] if path.stem[0].isdigit() else path.stem.replace("_", "-")


def sections(path):
    """(label, heading) of the sections of a chapter."""
    found = [heading for cell in docs.markdown(path) for heading in re.findall(r"(?m)^## (.+)$", cell)]
    return [(f"s-{path.stem[:2]}-{slug(heading)}", heading) for heading in found]


def folded(text):
    """Markdown whose HTML folds have become the directive `folded`, so that what they hold is set as Markdown."""
    return re.sub(
        r"<details><summary>(.*?)</summary>\s*(.*?)\s*</details>",
        lambda m: f"`````{{folded}} {' '.join(m[1].split())}\n{m[2]}\n`````",
        text,
        flags=re.DOTALL,
    )


def prose(text, change):
    """The text with `change` applied to what is neither code nor a formula."""
    parts = FENCED.split(text)
    return "".join(part if i % 2 else change(part) for i, part in enumerate(parts))


def markdown_cell(source, number, entries):
    """A markdown cell of a chapter, marked up for the page.

    Args:
        source: str.
        number: str, of the chapter.
        entries: of the bibliography.
    """
    source = folded(source)
    source = re.sub(r"(?m)^## (.+)$", lambda m: f"(s-{number}-{slug(m[1])})=\n{m[0]}", source)
    source = re.sub(r"(?m)^(?=\*Figure (\d\d)\.(\d+)\.\*)", lambda m: f"{{#figure-{m[1]}-{m[2]} .caption}}\n", source)
    exercise = re.match(rf"\*\*({number}\.\d+)\*\* \(", source)
    if exercise and (said := reference.hints(exercise[1])):
        source += "\n\n`````{folded} Hints, for typical mistakes\n" + "\n".join(said) + "\n`````"
    if "## Further reading" in source:
        lines = source.splitlines()
        source = "\n".join(bibliography.linked(line, entries) if line.startswith("- ") else line for line in lines)
    return source


def chapter(path, about):
    """A notebook as Sphinx is to read it: tags that fold, texts for pictures, labels to link to.

    Args:
        path: of the notebook.
        about: generated.About, what is known of all chapters.
    """
    nb, number = pages.readable(notebook.read(path)), key(path)
    for cell in nb.cells:
        tags = editions.tags(cell)
        if cell.cell_type == "markdown":
            cell.source = markdown_cell(cell.source, number, about.entries)
            continue
        settings = {}
        if words := pages.fold(cell):
            cell.metadata["tags"] = [*tags, "hide-cell"]
            settings |= {"code_prompt_show": words, "code_prompt_hide": words}
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                settings["image"] = {"alt": output.metadata.get("image/png", {}).get("alt", "a figure")}
        if settings:
            cell.metadata["mystnb"] = settings
    nb.cells[0].source += "\n\n" + generated.head(path, about)
    if number in about.numbers:
        nb.cells[-1].source += "\n\n" + generated.foot(path, about)
    nb.metadata.pop("kernelspec", None)  # its name asks for a kernel
    return json.dumps(nb, ensure_ascii=False, indent=1)


def text(path, about):
    """A page of docs/ as Sphinx is to read it."""
    content = path.read_text(encoding="utf-8")
    name = path.stem if path.parent.name == "docs" else ""
    if name == "glossary":
        return generated.glossary(content)
    if name == "figures":
        return re.sub(r"(?m)^\| (\d\d)\.(\d+) \|", r"| [\1.\2](#figure-\1-\2) |", content)
    if name == "concept_map":
        drawn = generated.drawing(content)
        return re.sub(r"<!-- map -->.*?<!-- /map -->\s*If the graph[^\n]*", lambda _: drawn, content, flags=re.DOTALL)
    if name == "errata":
        return generated.errata(content, about)
    if name == "teaching":
        content = re.sub(r"`(c\d\d-\d{3})`", lambda m: about.cell(m[1]), content)
    return content


def links(content, folder, tree):
    """The text with its links kept where their target is in the tree or can be copied there, as words elsewhere."""

    def one(match):
        target = match[1]
        if "://" in target or target.startswith(("mailto:", "#")):
            return match[0]
        there = (ROOT / target[1:] if target[0] == "/" else ROOT / folder / target).resolve()
        inside = there.is_relative_to(ROOT.resolve())
        name = there.relative_to(ROOT.resolve()).as_posix() if inside else ""
        if name in tree or any(name + end in tree for end in (".md", ".ipynb")):
            return match[0]
        if there.is_file():
            tree[name] = there
            return match[0]
        return "]{.place}"

    return prose(content, lambda part: LINK.sub(one, part))


def tree():
    """{name: text, or the path of a file to copy} of all that Sphinx reads."""
    about = generated.About()
    found = {}
    for path in about.notebooks:
        found[f"notebooks/{path.name}"] = chapter(path, about)
    for path in sorted((ROOT / "docs").glob("*.md")):
        found[f"docs/{path.name}"] = text(path, about)
    for name in PAGES:
        found[name] = text(ROOT / name, about)
    found |= reference.pages(about)
    found["bibliography.md"] = bibliography.page(about.entries, about.cited)
    found["proven.md"] = generated.proven(about)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found |= {"index.md": generated.front(readme, about), "use.md": generated.use(readme)}
    for name in [name for name in found if name.endswith(".md")]:
        found[name] = links(found[name], Path(name).parent, found)
    found["docs/mutants.csv"] = ROOT / "docs" / "mutants.csv"
    found["docs/references.bib"] = ROOT / "docs" / "references.bib"
    found["known.json"] = json.dumps(about.known(), ensure_ascii=False)
    return found


def write(folder):
    """Write the tree into a folder: only what has changed, so that Sphinx reads only that again."""
    wanted = tree()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, content in wanted.items():
        data = content.encode("utf-8") if isinstance(content, str) else content.read_bytes()
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def downloads(folder, about=None):
    """Write what chapters offer to take home: the notebook, the learner's edition, the slides."""
    from coursetools.workshop import slides

    about, deck = about or generated.About(), slides.libraries()
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("notebooks", "learner", "slides"):
        (folder / "downloads" / name).mkdir(parents=True)
    for path in about.notebooks:
        shutil.copyfile(path, folder / "downloads" / "notebooks" / path.name)
        if path not in about.chapters.values():
            continue
        nb = notebook.read(path)
        edition = json.dumps(editions.learner_edition(nb), ensure_ascii=False, indent=1) + "\n"
        (folder / "downloads" / "learner" / path.name).write_text(edition, encoding="utf-8")
        page = slides.slides_page(nb, editions.title(nb), deck, [p.stem for p in about.chapters.values()])
        (folder / "downloads" / "slides" / f"{path.stem}.slides.html").write_text(page, encoding="utf-8")
