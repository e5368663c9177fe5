"""The pages, and parts of pages, that are made from the chapters, from tables and from records."""

import csv
import functools
import math
import re
import statistics
from itertools import groupby

from coursetools import docs, notebook
from coursetools.site import bibliography, reference

ROOT = notebook.SRC.parent
RECORDS = ROOT / "data" / "records"


class About:
    """What the pages need to know of all chapters: their titles, sections, figures, papers, functions."""

    def __init__(self):
        self.chapters = docs.chapters()
        self.numbers = list(self.chapters)
        self.notebooks = [*self.chapters.values(), *sorted((ROOT / "notebooks").glob("my_*.ipynb"))]
        self.entries = bibliography.entries()
        self.titles = {number: docs.title(path) for number, path in self.chapters.items()}

    @functools.cached_property
    def sections(self):
        """{number: {label: heading}}"""
        from coursetools.site import sources

        return {number: dict(sources.sections(path)) for number, path in self.chapters.items()}

    @functools.cached_property
    def cited(self):
        """{key of a paper: [(words, address)] of the chapters and pages that name it}"""
        found = {}
        for number, path in self.chapters.items():
            for cell in docs.markdown(path):
                for line in cell.splitlines() if cell.startswith("## Further reading") else []:
                    for key in bibliography.matches(line, self.entries):
                        place = (f"chapter {number}", f"#s-{number}-further-reading")
                        found.setdefault(key, []).append(place)
        for name, words in (("errata", "the errata"), ("references_errata", "the references of the sources")):
            content = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
            for line in content.splitlines():
                for key in bibliography.matches(line, self.entries):
                    place = (words, f"docs/{name}.md")
                    if place not in found.setdefault(key, []):
                        found[key].append(place)
        return found

    @functools.cached_property
    def read(self):
        """{number: keys of the papers of its "Further reading"}"""
        found = {number: [] for number in self.numbers}
        for key, places in self.cited.items():
            for words, _ in places:
                found.get(words.removeprefix("chapter "), []).append(key)
        return found

    @functools.cached_property
    def needs(self):
        """{number: numbers of the chapters that it says it needs}"""
        found = {}
        for number, path in self.chapters.items():
            rows = [line.strip("| ").split(" | ") for line in docs.markdown(path)[0].splitlines()]
            words = " ".join(row[2] for row in rows if len(row) == 3)
            lists = re.findall(r"chapters? (\d\d(?:(?:, | and |, and | to )\d\d)*)", words)
            named = set(re.findall(r"\d\d", " ".join(lists))) | set(re.findall(r"\[(\d\d)\b[^\]]*\]\(", words))
            found[number] = sorted(named & set(self.numbers) - {number})
        return found

    @functools.cached_property
    def uses(self):
        """{number: [(name of a function of the package, label of the section)]}, as `reference.uses` finds them."""
        return {path.stem[:2]: reference.uses(path) for path in self.chapters.values()}

    def link(self, number):
        """A chapter's title as a link, from any page."""
        return f"[{self.titles[number]}](/notebooks/{self.chapters[number].name})"

    def cell(self, identifier):
        """A link to the section that holds a cell, in the words of its identifier."""
        place = ""
        for cell in notebook.read(self.chapters[identifier[1:3]]).cells:
            heading = re.match(r"## (.+)", cell.source) if cell.cell_type == "markdown" else None
            if heading:
                from coursetools.site import sources

                place = f"#s-{identifier[1:3]}-{sources.slug(heading[1])}"
            if cell.id == identifier:
                return f"[{identifier}]({place})" if place else f"`{identifier}`"
        return f"`{identifier}`"

    def known(self):
        """What the extension links to by itself."""
        figures = {n: [name for name, _ in docs.captions(path)] for n, path in self.chapters.items()}
        terms = {row[0]: docs.numbers(row[3])[0] for row in docs.table(read("glossary"), "term")}
        labels = sorted(label for found in self.sections.values() for label in found)
        chapters = {number: f"notebooks/{path.stem}" for number, path in self.chapters.items()}
        return {
            "figures": sorted(name for found in figures.values() for name in found),
            "terms": terms,
            "sections": labels,
            "chapters": chapters,
            "works": [[*named, keys] for named, keys in bibliography.citations(self.entries).items()],
            "read": self.read,
        }


def read(name):
    """A text of docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def head(path, about):
    """What the page of a notebook offers below its opening: what to take home, what it builds on, where to run it."""
    stem, number = path.stem, path.stem[:2]
    lines = []
    if number in about.numbers:
        later = [n for n in about.numbers if number in about.needs[n]]
        builds = (
            [f"**Builds on** {', '.join(about.link(n) for n in about.needs[number])}."] if about.needs[number] else []
        )
        leads = [f"**Leads to** {', '.join(about.link(n) for n in later)}."] if later else []
        lines += [" ".join(builds + leads), ""] if builds or leads else []
    take = [f'<a href="../downloads/notebooks/{stem}.ipynb" download>notebook</a>']
    if number in about.numbers:
        take.append(f'<a href="../downloads/learner/{stem}.ipynb" download>learner’s edition</a> (without solutions)')
        take.append(f'<a href="../downloads/slides/{stem}.slides.html">slides</a>')
    home = f"**To take home:** {', '.join(take)}."
    if not lines:
        return f"::::{{only}} not epub\n:::{{container}} take-home\n{home}\n:::\n::::"
    return "\n".join(["::::{container} take-home", *lines, ":::{only} not epub", home, ":::", "::::"])


def foot(path, about):
    """What the page of a chapter ends with: the functions of the package that it uses, section by section."""
    lines, number = [], path.stem[:2]
    for label, group in groupby(about.uses[number], key=lambda use: use[1]):
        heading = about.sections[number].get(label, "")
        names = ", ".join(f"[`{name}`](#{name})" for name, _ in group)
        lines.append(f"- {f'[{heading}](#{label})' if heading else 'Before the first section'}: {names}")
    return "\n".join(["## From the package", "", "What each section takes from the course's packages.", "", *lines])


def glossary(content):
    """glossary.md, its two tables as Sphinx' glossary, in English and Chinese."""

    def block(rows):
        lines = ["```{glossary}"]
        for term, chinese, says, *where in rows:
            others = [word for word in chinese.split("，") if word.lower() != term.lower()]
            lines += [term, *others, f"  {says[0].upper() + says[1:]}.{' ' + where[0] if where else ''}", ""]
        return [*lines, "```"]

    lines, table = [], []
    for line in [*content.splitlines(), ""]:
        if line.startswith("|"):
            table.append([part.strip() for part in line[1 : line.rindex("|")].split(" | ")])
            continue
        lines += block(table[2:]) if table else []
        table = []
        lines.append(re.sub(r"^The terms of", "The terms, in English and in Chinese, of", line))
    return "\n".join(lines)


KINDS = ("incomplete", "out of date", "right as printed")


def errata(content, about):
    """errata.md with a column for the kind of the mistake, and links to where it is proven."""
    labels = {label for found in about.sections.values() for label in found}

    def proof(cell):
        number, parts = cell[:2], []
        for part in re.split(r"; |, (?=section)", cell[4:]):
            label = f"s-{number}-" + re.sub("[^a-z0-9]+", "-", part.removeprefix("section ").lower())
            parts.append(f"[{part}](#{label})" if label in labels else part)
        place = f"[chapter {number}](/notebooks/{about.chapters[number].name})" if number in about.chapters else number
        return f"{place}: {'; '.join(parts)}"

    lines = []
    for line in content.splitlines():
        row = [part.strip() for part in line.strip().strip("|").split(" | ")]
        if re.match(r"\| E\d\d-\d+ \|", line) and len(row) == 5:
            kind = next((kind for kind in KINDS if row[3].startswith(kind)), "wrong")
            line = f"| {' | '.join([row[0], row[1], kind, row[2], row[3], proof(row[4])])} |"
        elif line.startswith("| id | where |"):
            line = "| id | where | kind | printed | right | proven in chapter |"
        lines.append(line.replace("|---|---|---|---|---|", "|---|---|---|---|---|---|"))
    return "\n".join(lines) + "\n"


def drawing(content):
    """The concept map as SVG: a frame for each chapter, a box for each concept, an arrow for each sentence."""
    places = {row[0]: docs.numbers(row[-1])[0] for row in docs.table(content, "concept")}
    arrows = [row[:3] for row in docs.table(content, "from")]
    titles = {number: docs.title(path) for number, path in docs.chapters().items()}
    numbers, columns, wide, high, line = sorted(set(places.values())), 3, 272, 0, 34
    box, shapes = {}, []
    for at in range(0, len(numbers), columns):
        row = numbers[at : at + columns]
        longest = max(sum(place == number for place in places.values()) for number in row)
        for i, number in enumerate(row):
            inside = [concept for concept, place in places.items() if place == number]
            x, y, tall = i * wide + 2, high + 12, 46 + longest * line
            address = f"../notebooks/{docs.chapters()[number].stem}.html" if number in titles else "#"
            shapes.append(
                f'<rect class="chapter" x="{x}" y="{y}" width="{wide - 34}" height="{tall}" rx="8"/>'
                f'<a href="{address}"><text class="title" x="{x + 10}" y="{y + 22}">'
                f"{titles.get(number, number)}</text></a>"
            )
            for k, concept in enumerate(inside):
                box[concept] = (x + 12, y + 36 + k * line, wide - 62)
        high += 46 + longest * line + 30
    curves = []
    for start, says, end in arrows:
        (x1, y1, w1), (x2, y2, w2) = box[start], box[end]
        if x1 == x2:  # within a column: around the right side
            a, b, bend = (x1 + w1, y1 + 13), (x2 + w2, y2 + 13), 16 + abs(y2 - y1) / 9
            c, d = (a[0] + min(bend, 44), a[1]), (b[0] + min(bend, 44), b[1])
        else:
            side = 1 if x2 > x1 else -1
            a = (x1 + (w1 if side > 0 else 0), y1 + 13)
            b = (x2 + (0 if side > 0 else w2), y2 + 13)
            c, d = (a[0] + side * 40, a[1]), (b[0] - side * 40, b[1])
        path = "M{} {} C{} {} {} {} {} {}".format(*(round(v) for point in (a, c, d, b) for v in point))
        curves.append(f'<path class="arrow" d="{path}"><title>{start} {says} {end}</title></path>')
    for concept, (x, y, width) in box.items():
        shapes.append(
            f'<rect class="concept" x="{x}" y="{y}" width="{width}" height="26" rx="5"/>'
            f'<text x="{x + 9}" y="{y + 18}">{concept}</text>'
        )
    told = f"{len(box)} concepts in {len(numbers)} chapters, and {len(arrows)} arrows between them"
    return "\n".join(
        [
            "Point at an arrow to read it; the tables below the drawing say the same, sentence by sentence.",
            "",
            "```{raw} html",
            f'<div class="wide" tabindex="0" role="region" aria-label="The concept map"><svg class="map" role="group" '
            f'aria-label="{told}. The tables below list them." viewBox="0 0 {columns * wide} {high + 6}" '
            f'width="{columns * wide}" xmlns="http://www.w3.org/2000/svg">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
            *shapes[: len(numbers)],
            *curves,
            *shapes[len(numbers) :],
            "</svg></div>",
            "```",
        ]
    )


def number(value):
    """A measured value in four digits."""
    digits, _, power = f"{value:.4g}".replace("-", "−").partition("e")
    raised = (
        power.replace("+", "").replace("−0", "−").lstrip("0").translate(str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    )
    return f"{digits}·10{raised}" if power else digits


def proven(about):
    """What the course has proven: each claim with its bound and the values of five seeds; the mutants."""
    lines = ["# What this course has proven", ""]
    claims, sentences = 0, []
    for path in sorted(RECORDS.glob("[0-9][0-9].csv")):
        rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        found = {}
        for row in rows:
            found.setdefault((row["claim"], row["bound"]), {})[int(row["seed"])] = float(row["value"])
        measured = [(name, bound, values) for (name, bound), values in found.items() if bound != "holds"]
        held = [name for (name, bound), values in found.items() if bound == "holds" and all(values.values())]
        failed = [name for (name, bound), values in found.items() if bound == "holds" and not all(values.values())]
        claims += len(found)
        seeds = sorted({seed for values in found.values() for seed in values})
        part = [f"## {about.titles.get(path.stem, path.stem)}", ""]
        part += [f"Seeds {', '.join(map(str, seeds))}; measured with {rows[0]['versions']}. "]
        part[-1] += (
            f"[All values](data/records/{path.name}), [the chapter](notebooks/{about.chapters[path.stem].name})."
        )
        part += ["", "| claim | bound | median | smallest | largest |", "|---|---|---:|---:|---:|"]
        for name, bound, values in measured:
            numbers = sorted(v for v in values.values() if not math.isnan(v))
            shown = [number(statistics.median(numbers)), number(numbers[0]), number(numbers[-1])]
            bound = (
                "among the seeds of a record"
                if bound == "among"
                else bound.replace(">= ", "≥\u00a0").replace("<= ", "≤\u00a0")
            )
            part.append(f"| {cell(name)} | {bound} | {' | '.join(shown)} |")
        part += ["", f"`````{{folded}} {len(held)} claims of another kind, which held with every seed"]
        part += [
            "Two results are equal, a gradient agrees with finite differences, an order holds, an error is raised.",
            "",
        ]
        part += [*(f"- {cell(name)}" for name in held), "`````", ""]
        part += [f"Not with every seed: {'; '.join(map(cell, failed))}.", ""] if failed else []
        sentences += part
    lines += [
        f"{claims:,} claims stand beside the text of the chapters, each asserted by a cell that prints its value. "
        "Each chapter was run from top to bottom with five seeds, from which come its initial weights, its batches and "
        "its splits. The tables give the median, the smallest and the largest of the five values beside the bound that "
        "the claim asserts. A bound was set with a margin of one standard deviation of the seeds or more.",
        "",
        "What this does not prove: that other machines give the same values, or that five seeds show the whole spread.",
        "",
        *sentences,
        *experiments(),
        *mutants(),
    ]
    return "\n".join(lines) + "\n"


def experiments():
    """The experiments that are too long for a chapter, as lines."""
    lines = ["## Experiments", "", "Measurements that take longer than a chapter may. The chapters read them.", ""]
    lines += ["| experiment | quantities | seeds | values |", "|---|---:|---:|---|"]
    for path in sorted(RECORDS.glob("[0-9][0-9]_*.csv")):
        rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        seeds = {row["seed"] for row in rows}
        script = f"src/coursetools/recipes/record_{path.stem}.py"
        says, quantities = reference.first_line(ROOT / script), {row["claim"] for row in rows}
        lines.append(f"| {says} | {len(quantities)} | {len(seeds)} | [{path.name}](data/records/{path.name}) |")
    return [*lines, ""]


def mutants():
    """The table of mutants, as lines."""
    content = read("mutants")
    table = re.findall(r"(?m)^\|.*\|$", content.split("## Chapter")[0])
    return [
        "## Would a claim notice a mistake?",
        "",
        "A mutant is a chapter with one change in its code. It is noticed when a claim fails, an exception is raised "
        "or a printed output differs. [Those that were not](docs/mutants.md), and [all of them](docs/mutants.csv).",
        "",
        *table,
        "",
    ]


def cell(words):
    """Words for a cell of a table."""
    return re.sub(r"([|*_$`\\<\[])", r"\\\1", words)


def readme_sections(readme):
    """{heading: body} of README.md; "" is what stands above the first."""
    parts = re.split(r"(?m)^## (.+)\n", readme)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def front(readme, about):
    """The first page."""
    parts = readme_sections(readme)
    lines = [
        parts[""].rstrip(),
        "",
        "## To run it: two commands",
        parts["Two commands"].rstrip(),
        "",
        "## The chapters",
        "",
    ]
    for number, path in about.chapters.items():
        will = re.search(r"\*\*You will\*\* (.+)", docs.markdown(path)[0])[1]
        lines.append(f"- **{about.link(number)}.** You will {will}")
    look_up = "To look things up: {ref}`the index <genindex>` and {ref}`the search <search>`."
    lines += ["", "```{only} not epub", look_up, "```", ""]
    look = "proven glossary notation concept_map figures errata references_errata sources_checked mutants".split()
    trees = {
        "Chapters": [f"notebooks/{path.stem}" for path in about.chapters.values()],
        "Your own data": [f"notebooks/{path.stem}" for path in about.notebooks if path.stem.startswith("my_")],
        "To look up": ["proven", *(f"docs/{name}" for name in look[1:]), "bibliography", "reference/index"],
        "To run and to teach": [
            "use",
            "docs/teaching",
            "docs/cluster",
            "docs/serving",
            "docs/colab",
            "data/README",
            "CONTRIBUTING",
        ],
        "The course": ["CHANGELOG"],
    }
    for caption, names in trees.items():
        lines += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""]
    return "\n".join(lines)


def use(readme):
    """How to run the course with settings and data of one's own; the times."""
    parts = readme_sections(readme)
    lines = ["# How to use the course", "", "## Time and memory", "", parts["Chapters"].strip("\n"), ""]
    for heading in ("With your own settings and data", "To teach from it", "Licence"):
        lines += [f"## {heading}", "", parts[heading].strip("\n"), ""]  # a block of code may open it
    return "\n".join(lines)
