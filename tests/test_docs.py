"""The texts in docs/ say what the chapters say: notation, glossary, concept map, figures, errata, links."""

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from coursetools import docs, machine, mutants

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

CHAPTERS = docs.chapters()
CELLS = {number: docs.markdown(path) for number, path in CHAPTERS.items()}
PROSE = {number: " ".join("\n".join(cells).split()) for number, cells in CELLS.items()}
GREEK = set(
    r"\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \kappa \lambda \mu \nu \xi \pi \rho \sigma \tau"
    r" \phi \varphi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Xi \Pi \Phi \Psi \Omega".split()
)
EVERYDAY = {"label", "example", "derivative", "weight", "feature", "noise"}  # words that need no chapter
CONTRADICTIONS = {  # in formulas: what must not be written, and what is written instead
    (r"\eta",): r"the learning rate is \alpha",
    (r"\log",): r"the natural logarithm is \ln",
    (r"\phi",): r"an activation function is \varphi",
    (r"\mathcal",): "the loss is L",
    (r"\vec",): r"vectors are bold: \mathbf",
    (r"\boldsymbol",): r"vectors are bold: \mathbf",
    ("^", "T"): r"a transpose is ^\top",
    ("^", "*"): r"an optimum is ^\star",
    ("^", "{", "*"): r"an optimum is ^\star",
}


def text(name):
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def tokens(formula):
    """A formula cut into commands and characters, without blanks and without words."""
    return re.findall(r"\\[A-Za-z]+|\\.|\S", re.sub(r"\\(text|operatorname|mathrm)\s*\{[^}]*\}", " ", formula))


def formulas(markdown):
    """The formulas of a text, each as its tokens."""
    found = re.findall(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$]+)\$(?!\$)", re.sub(r"`[^`\n]*`", "", markdown), re.DOTALL)
    return [tokens(shown or inline) for shown, inline in found]


FORMULAS = {number: [formula for cell in cells for formula in formulas(cell)] for number, cells in CELLS.items()}


def occurs(symbol, formula):
    """Whether these tokens stand in the formula, one after the other."""
    return any(formula[i : i + len(symbol)] == symbol for i in range(len(formula) - len(symbol) + 1))


def notation():
    """(tokens of its symbols, numbers of its chapters, the line) of each row of notation.md."""
    rows = [line for line in text("notation").splitlines() if line.startswith("| $")]
    parts = [line.strip("| ").split(" | ") for line in rows]
    return [(formulas(part[0]), docs.numbers(part[-1]), part[0]) for part in parts]


@pytest.mark.parametrize("name", docs.regenerated())
def test_is_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == docs.regenerated()[name], "run python -m coursetools.docs"


def test_every_symbol_is_used_in_the_chapters_it_names():
    rows = notation()
    assert len(rows) > 60
    for symbols, numbers, line in rows:
        assert symbols and numbers, line
        for number in set(numbers) & CHAPTERS.keys():
            used = any(occurs(symbol, formula) for symbol in symbols for formula in FORMULAS[number])
            assert used, f"notation.md: {line} is not used in chapter {number}"


@pytest.mark.parametrize("number", CHAPTERS)
def test_every_greek_letter_of_a_chapter_has_a_row(number):
    listed = {token for symbols, numbers, _ in notation() if number in numbers for s in symbols for token in s}
    used = {token for formula in FORMULAS[number] for token in formula} & GREEK
    assert used <= listed, f"notation.md: chapter {number} also uses {sorted(used - listed)}: name it in a row"


@pytest.mark.parametrize("number", CHAPTERS)
def test_notation_does_not_contradict_itself(number):
    for formula in FORMULAS[number]:
        for wrong, instead in CONTRADICTIONS.items():
            plain_log = wrong != (r"\log",) or not occurs([r"\log", "_"], formula)
            assert not (occurs(list(wrong), formula) and plain_log), f"{''.join(formula)}: {instead}"


@pytest.mark.parametrize("number", CHAPTERS)
def test_logits_are_not_called_scores(number):
    # a score is a probability to rank by (05) or the product of a query and a key (08); this sentence stands
    prose = PROSE[number].replace("logits, real scores $z$", "")
    for sentence in re.split(r"(?<=[.;:!?|])\s", prose):
        assert not re.search(r"\blogits?\b[^.]{0,40}\bscores?\b|\bscores?\b[^.]{0,40}\blogits?\b", sentence), sentence


def glossary():
    """{term: (Chinese, definition, number of the chapter)}"""
    return {row[0]: (row[1], row[2], *docs.numbers(row[3])) for row in docs.table(text("glossary"), "term")}


def says(term, prose):
    """Whether a text contains a term, or its plural, as words."""
    return re.search(rf"(?<!\w){re.escape(term)}(e?s)?(?!\w)", prose, re.IGNORECASE)


def test_glossary_terms_occur_in_the_chapters_they_name():
    terms = glossary()
    assert len(terms) == len(docs.table(text("glossary"), "term")), "a term has two rows"
    for term, (chinese, definition, number) in terms.items():
        assert chinese and definition
        if number in CHAPTERS:
            assert says(term, PROSE[number]), f"glossary.md: {term!r} does not occur in chapter {number}"
    order = [number for *_, number in terms.values()]
    assert order == sorted(order)


def needs(number):
    """What the column "You need" of a chapter's opening says."""
    rows = [line.strip("| ").split(" | ") for line in CELLS[number][0].splitlines() if line.startswith("| ")]
    assert rows[0] == ["You will do", "You will learn", "You need"]
    return "; ".join(row[2] for row in rows[1:] if len(row) == 3)


def chapters_in(prose):
    """Numbers of the chapters that a text refers to: "chapters 04 and 05", [02 · …](…)."""
    lists = re.findall(r"chapters? (\d\d(?:(?:, | and |, and )\d\d)*)", prose)
    return set(re.findall(r"\d\d", " ".join(lists))) | set(re.findall(r"\[(\d\d)\b[^\]]*\]\(", prose))


def reach(number):
    """The chapters that a chapter needs, and those that they need."""
    named = chapters_in(needs(number)) - {number}
    return named.union(*(reach(n) for n in named if n < number and n in CHAPTERS))


@pytest.mark.parametrize("number", CHAPTERS)
def test_what_a_chapter_needs_is_what_others_give(number):
    wanted = chapters_in(needs(number))
    assert all(n < number for n in wanted - {number}) and wanted <= CHAPTERS.keys()
    assert wanted - {"01"} or number <= "02" or wanted, f"chapter {number} names no chapter that it needs"
    for term, (*_, place) in glossary().items():
        if number != "01" and term not in EVERYDAY and says(term, needs(number)):
            assert place in reach(number), f"chapter {number} needs {term!r}, of chapter {place}, and does not name it"
    for shown, target in re.findall(r"\[(\d\d · [^\]]+)\]\(([^)]+)\)", "".join(CELLS[number])):
        found = ROOT / "notebooks" / target
        assert docs.title(found) == shown, f"chapter {number} calls {target} {shown!r}"


def test_figures_and_index_agree():
    listed = re.findall(r"^\| (\d\d\.\d+) \| \S", text("figures"), re.MULTILINE)
    drawn = [n for cells in CELLS.values() for cell in cells for n in re.findall(r"^\*Figure (\d\d\.\d+)\.\*", cell)]
    assert listed == drawn
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize(
    "path", [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_links_resolve(path):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = re.sub(r"\$[^$\n]+\$", "", prose)
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"
    for target in re.findall(r'^ *click \w+ "([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_concept_map_is_one_graph_of_known_concepts():
    concepts = [row[0] for row in docs.table(text("concept_map"), "concept")]
    edges = [(start, end) for start, _, end, _ in docs.table(text("concept_map"), "from")]
    assert len(set(concepts)) == len(concepts)
    assert len(set(edges)) == len(edges)
    assert {name for edge in edges for name in edge} == set(concepts)
    joined = {concepts[0]}
    for _ in concepts:
        joined |= {name for edge in edges if joined & set(edge) for name in edge}
    assert joined == set(concepts), f"islands: {set(concepts) - joined}"


def errata():
    return docs.table(text("errata"), "id")


def test_errata_are_numbered_by_the_chapter_that_proves_them():
    last = {}
    for identifier, where, _, _, proven in errata():
        number, count = re.fullmatch(r"E(\d\d)-(\d+)", identifier).groups()
        assert number in CHAPTERS and proven.startswith(number + ","), identifier
        assert int(count) == last.get(number, 0) + 1, f"{identifier}: the numbers of a chapter have no gaps"
        last[number] = int(count)
        assert docs.cited(where), identifier
    assert list(last) == sorted(last)


def test_every_section_of_the_sources_is_corrected_or_found_right():
    rows = docs.table(text("sources_checked"), "section")
    sections = [row[0] for row in rows]
    assert len(set(sections)) == len(sections)
    for section, holds, ids, reason in rows:
        assert holds
        later = re.fullmatch(r"comes with chapter (\d\d)", reason)
        if later:
            told = "its errata are written now" if later[1] in CHAPTERS else ""
            assert later[1] not in CHAPTERS or ids, f"{section}: {told}"
            assert later[1] not in CHAPTERS or f"E{later[1]}-" in ids, f"{section}: none of them is of this chapter"
        else:
            assert ids or len(reason) > 7, f"{section}: neither corrected nor found right"
    for identifier, where, *_ in errata():
        for reference in docs.cited(where):
            known = any(docs.belongs(reference, section) for section in sections)
            assert known, f"sources_checked.md has no row for {reference}, of {identifier}"


def test_references_have_a_verdict_each():
    rows = docs.table(text("references_errata"), "id")
    assert len({row[0] for row in rows}) == len(rows) > 40
    for identifier, where, cited, verdict, right in rows:
        assert re.fullmatch(r"R\d-\d+", identifier) and where.startswith(f"S{identifier[1]} ") and cited
        assert verdict in {"as cited", "wrong in part", "not found", "not verified here"}
        assert right or verdict in {"as cited", "not verified here"}, identifier
    for before, after in pairwise(row[0] for row in rows):
        one, two = (tuple(map(int, identifier[1:].split("-"))) for identifier in (before, after))
        assert two in {(one[0], one[1] + 1), (two[0], 1)} and one < two, after


@pytest.mark.skipif("SOURCES" not in os.environ, reason="SOURCES names no folder with the five documents")
def test_no_section_of_the_sources_is_left_out():
    """The five documents are not part of the course; with SOURCES=folder they are searched again."""
    listed = {row[0] for row in docs.table(text("sources_checked"), "section")}
    for k, path in enumerate(sorted(Path(os.environ["SOURCES"]).glob("*.txt"))):
        for section, body in numbered_sections(path.read_text(encoding="utf-8")):
            assert not holds_something(body) or f"S{k} {section}" in listed, f"S{k} {section}"


def numbered_sections(document):
    """(number, lines below its heading) of each section; the questions of an appendix are 9 (1), 9 (2), …"""
    found, fenced = [], False
    for line in document.splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else re.match(r"#+ (问题 )?(\d+(?:\.\d+)*)\.?(?!\d)\W?", line)
        if heading:
            found.append((f"9 ({heading[2]})" if heading[1] else heading[2], []))
        elif found:
            found[-1][1].append(line)
    return [(number, "\n".join(lines)) for number, lines in found]


def holds_something(body):
    """Whether a section holds a formula, a listing, a graph or a number that is not a name, a count or an address."""
    plain = re.sub(r"(?m)^\s*(\d+\.|-) ", "", body)
    plain = re.sub(r"GPT-3|\bL[12]\b|F1|https?://\S+|`[^`\n]+`", "", plain)
    return "```" in body or "$" in body or bool(re.search(r"\d|[数千百十万]亿|数百万", plain))


def test_the_page_of_mutants_is_up_to_date_and_few_went_unnoticed():
    rows = mutants.load()
    assert (DOCS / "mutants.md").read_text(encoding="utf-8") == mutants.page(rows), "run make mutants"
    for chapter in {row["chapter"] for row in rows}:
        *_, share = mutants.counts([row for row in rows if row["chapter"] == chapter])
        assert share >= (0.95 if chapter in ("01", "02") else 0.9), f"chapter {chapter}: {share:.2f}"


def test_times_in_the_guide_are_those_of_the_table():
    guide = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    assert "none takes longer than two minutes" in guide and "chapter 06 of thirty learners, a good half-hour" in guide
    about = max(machine.read(ROOT / "docs" / "budget.json").values(), key=lambda about: about["gflops"])
    seconds = {stem[:2]: each[0] for stem, each in about["chapters"].items()}
    assert max(seconds.values()) < 120 and 30 <= 30 * seconds["06"] / 60 <= 45
