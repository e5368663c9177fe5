"""Write anew what the texts in docs/ take from the notebooks and from their own tables.

    python -m coursetools.docs

- figures.md: every figure of the chapters, from the captions.
- concept_map.md: the Mermaid graph, from the two tables of that page.
- sources_checked.md: the column "errata", from errata.md.
- notation.md, glossary.md, concept_map.md: the numbers in the last column of each table become links, for the chapters
  that exist.

tests/test_docs.py fails when a text differs from what this writes.
"""

import re

from coursetools import notebook

DOCS = notebook.SRC.parent / "docs"
LINKED = ("notation", "glossary", "concept_map")


def chapters():
    """{number: path of the notebook}, of the chapters that exist."""
    return {path.stem[:2]: path for path in sorted((DOCS.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def markdown(path):
    """The markdown cells of a notebook, a list of str."""
    return [cell.source for cell in notebook.read(path).cells if cell.cell_type == "markdown"]


def title(path):
    """The title of a chapter: "01 · Gradient descent"."""
    return markdown(path)[0].splitlines()[0].lstrip("# ")


def table(text, heading):
    """Rows (lists of str) of the one table whose header begins with `heading`, without the header.

    Raises:
        ValueError: no such table, or several; it names the heading.
    """
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(f"| {heading} |")]
    if len(starts) != 1:
        raise ValueError(f"{len(starts)} tables begin with the column {heading!r}: there must be one")
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([part.strip() for part in line[1 : line.rindex("|")].split(" | ")])
    return rows


def numbers(cell):
    """The chapters that a cell names, with or without links: ["01", "02"]."""
    return re.findall(r"\b\d\d\b", re.sub(r"\]\([^)]*\)", "", cell))


def link(cell):
    """A cell of chapter numbers, each a link if the chapter exists."""
    found = chapters()
    paths = {number: f"[{number}](../notebooks/{found[number].name})" for number in numbers(cell) if number in found}
    return ", ".join(paths.get(number, number) for number in numbers(cell))


def link_last_column(text):
    """The text, with the last cell of each table row linked where it holds nothing but chapter numbers."""
    done = []
    for line in text.splitlines():
        head, bar, last = line.rstrip().rstrip("|").rpartition(" | ")
        if bar and line.startswith("| ") and re.fullmatch(r"[\d, ]+", re.sub(r"\[(\d\d)\]\([^)]*\)", r"\1", last)):
            line = f"{head} | {link(last)} |"
        done.append(line)
    return "\n".join(done) + "\n"


def captions(path):
    """(number of the figure, first sentence of its caption) of a chapter's figures."""
    found = []
    for cell in markdown(path):
        caption = re.match(r"\*Figure (\d\d\.\d+)\.\*\s+(.+?)(?:\n\n|$)", cell, re.DOTALL)
        if caption:
            sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z(“])", " ".join(caption[2].split()))
            found.append((caption[1], sentences[0]))
    return found


def figures():
    """The whole of figures.md."""
    lines = [
        "# Index of figures",
        "",
        "The first sentence of each caption. This page is written by `python -m coursetools.docs`.",
    ]
    for path in chapters().values():
        lines += ["", f"## [{title(path)}](../notebooks/{path.name})", "", "| figure | it shows |", "|---|---|"]
        lines += [f"| {number} | {sentence.replace('|', chr(92) + '|')} |" for number, sentence in captions(path)]
    return "\n".join(lines) + "\n"


def concept_map(text):
    """concept_map.md with its graph drawn from the tables "concept" and "from"."""
    places = {row[0]: numbers(row[-1])[0] for row in table(text, "concept")}
    known = {number: title(path) for number, path in chapters().items()}
    graph = ["```mermaid", "flowchart LR"]
    for number in sorted(set(places.values())):
        graph.append(f'    subgraph c{number}["{known.get(number, number)}"]')
        for i, (concept, place) in enumerate(places.items()):
            graph += [f'        n{i}["{concept}"]'] if place == number else []
        graph.append("    end")
    at = list(places)
    for start, says, end, _ in table(text, "from"):
        graph.append(f'    n{at.index(start)} -->|"{says}"| n{at.index(end)}')
    for i, number in enumerate(places.values()):
        if number in known:
            graph.append(f'    click n{i} "../notebooks/{chapters()[number].name}"')
    graph.append("```")
    block = "<!-- map -->\n" + "\n".join(graph) + "\n<!-- /map -->"
    return re.sub(r"<!-- map -->.*?<!-- /map -->", lambda _: block, text, flags=re.DOTALL)


def cited(where):
    """The sections that an entry "where" of errata.md names: "S0 3.1, 3.2" is ["S0 3.1", "S0 3.2"].

    A bare number behind a section, as in "S2 9 (4), 5", is an item of a list in it and is left out.
    """
    found, document = [], ""
    for part in where.split(", "):
        new = re.match(r"(S\d) (.+)", part)
        document, section = (new[1], new[2]) if new else (document, part)
        section = re.match(r"\d+(?:\.\d+)*(?: \(\d\))?", section)
        if section and (new or "." in section[0] or "(" in section[0]):
            found.append(f"{document} " + re.sub(r"(?<=\.\d) \(\d\)", "", section[0]))
    return found


def belongs(reference, section):
    """Whether an erratum in `reference` is one of `section`: the same, within it, or about what it is part of."""
    inside = reference.startswith(section + ".")
    return reference == section or inside or (section.startswith(reference + ".") and "." in reference)


def sources_checked(text):
    """sources_checked.md with the identifiers of errata.md in its column "errata"."""
    errata = table((DOCS / "errata.md").read_text(encoding="utf-8"), "id")
    done = []
    for line in text.splitlines():
        row = re.match(r"\| (S\d [\d.]+(?: \(\d\))?) \| ([^|]*) \|[^|]*\|(.*)\|$", line)
        if row:
            ids = [e[0] for e in errata if any(belongs(reference, row[1]) for reference in cited(e[1]))]
            line = f"| {row[1]} | {row[2]} | {', '.join(ids)} | {row[3].strip()} |"
        done.append(line)
    return "\n".join(done) + "\n"


def regenerated():
    """{file name: text}, for every text that this script writes."""
    texts = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in (*LINKED, "sources_checked")}
    texts = {name: link_last_column(text) if name in LINKED else text for name, text in texts.items()}
    texts["concept_map"] = concept_map(texts["concept_map"])
    texts["sources_checked"] = sources_checked(texts["sources_checked"])
    return {f"{name}.md": text for name, text in {**texts, "figures": figures()}.items()}


if __name__ == "__main__":
    for name, text in regenerated().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print("written:", DOCS.name + "/" + name)
