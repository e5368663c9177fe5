"""docs/references.bib: of one form, and the works that the chapters name are those it holds."""

import datetime
import re

import pytest
from coursetools import docs
from coursetools.site import bibliography

ENTRIES = bibliography.entries()
FIELDS = {
    "article": {"journal"},
    "book": {"publisher"},
    "inproceedings": {"booktitle"},
    "incollection": {"booktitle", "publisher"},
    "techreport": {"institution"},
    "mastersthesis": {"school"},
    "misc": {"howpublished"},
}
MORE = {"volume", "pages", "doi", "eprint", "archiveprefix", "url", "isbn", "note"}
READING = [
    (number, line)
    for number, path in docs.chapters().items()
    for cell in docs.markdown(path)
    if cell.startswith("## Further reading")
    for line in cell.splitlines()
    if line.startswith("- ")
]


@pytest.mark.parametrize("key", ENTRIES)
def test_each_entry_has_the_form(key):
    entry = dict(ENTRIES[key])
    kind = entry.pop("type")
    assert (
        {"author", "title", "year"} | FIELDS[kind] <= entry.keys() <= {"author", "title", "year"} | FIELDS[kind] | MORE
    )
    assert 1800 < int(entry["year"]) <= datetime.date.today().year and key.startswith(re.sub(r"\d.*", "", key))
    assert entry["year"] in key
    for given, surname in bibliography.people(entry):
        group = surname in ("others", "BigScience", "OpenAI Dota Team")
        assert surname and (given or group), key
    assert len({"doi", "eprint", "url", "isbn", "note"} & entry.keys()) >= 1, f"{key}: where is it?"
    assert re.fullmatch(r"10\.\d{4,5}/\S+", entry.get("doi", "10.1000/x")), key
    assert re.fullmatch(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}", entry.get("eprint", "1234.56789")), key
    assert ("eprint" in entry) == (entry.get("archiveprefix") == "arXiv"), key
    if re.match(r"\d{4}\.", entry.get("eprint", "")):  # arXiv's number begins with the year and the month
        assert 2000 + int(entry["eprint"][:2]) <= int(entry["year"]) + 1 and 1 <= int(entry["eprint"][2:4]) <= 12, key
    assert re.fullmatch(r"\d+--\d+", entry.get("pages", "1--2")), key
    digits = re.sub(r"\D", "", entry.get("isbn", ""))
    assert sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(digits)) % 10 == 0, f"{key}: its ISBN has a misprint"


def test_entries_are_in_order_and_no_work_is_there_twice():
    assert list(ENTRIES) == sorted(ENTRIES, key=str.lower)
    places = [entry[name].lower() for entry in ENTRIES.values() for name in ("doi", "eprint", "isbn") if name in entry]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(("number", "line"), READING, ids=[f"{n}-{line[2:40]}" for n, line in READING])
def test_what_a_chapter_names_is_in_the_list(number, line):
    keys = bibliography.matches(line, ENTRIES)
    assert len(keys) == 1, f"chapter {number}: {line} is {keys} in docs/references.bib: enter it there, title and all"
    entry = ENTRIES[keys[0]]
    assert re.search(rf"\b{entry['year']}\b", line), f"{keys[0]}: {entry['year']} or what the line says?"
    people = bibliography.people(entry)
    named = line.split('"')[0].split("*")[0]
    assert people[0][1] in named, f"{keys[0]}: {people[0][1]} is not named first"
    if " et al." not in named and " and others" not in named and people[-1][1] != "others":
        names = re.split(r", | and ", named.removeprefix("- ").rstrip(", "))
        assert len(names) == len(people), f"{keys[0]}: {len(people)} authors, and the line names {len(names)}"
        for (given, surname), name in zip(people, names, strict=True):
            assert surname in name and name.lstrip("the ")[:1] in (given + surname), f"{keys[0]}: {name}"


def test_each_entry_is_named_somewhere():
    from coursetools.site import generated

    assert ENTRIES.keys() == generated.About().cited.keys()


def test_lines_of_another_form_are_refused():
    with pytest.raises(ValueError, match="not the form"):
        bibliography.entries("@book{A1900,\n  title = {A}\n}\n")
    with pytest.raises(ValueError, match="twice"):
        bibliography.entries("@book{A1900,\n}\n@book{A1900,\n}\n")


def test_a_citation_in_words():
    assert bibliography.label(ENTRIES["HoerlKennard1970"]) == "Hoerl and Kennard 1970"
    assert bibliography.label(ENTRIES["Goodfellow2014"]) == "Goodfellow et al. 2014"
    assert bibliography.label(ENTRIES["Cauchy1847"]) == "Cauchy 1847"
    assert "[doi:10.1214/aoms/1177729586]" in bibliography.shown(ENTRIES["RobbinsMonro1951"])


def test_notes_are_printed():
    withdrawn = bibliography.shown(ENTRIES["Yuan2022"])
    assert withdrawn.endswith(" Withdrawn from arXiv by its first author on 20 April 2022.")
    for entry in ENTRIES.values():
        assert entry.get("note", "")[1:] in bibliography.shown(entry)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Kingma and Ba (2015) and (Platt, 2000)", ["KingmaBa2015", "Platt2000"]),
        ("(Radford and others, 2019; Brown et al., 2020)", ["Radford2019", "Brown2020"]),
        ("an idea of Fukushima's, 1980; LeCun and others", ["Fukushima1980"]),
        ("(DeLong, DeLong and Clarke-Pearson, 1988)", ["DeLong1988"]),
        ("Loshchilov\nand Hutter (2019)", ["LoshchilovHutter2019"]),
        ("Kingma and Ba (2016), Platt 20001, Mc-Platt, 2000, Somebody and Platt, 2000", []),
        ("Liu and others, 2023", []),
    ],
)
def test_authors_and_years_in_a_text(text, keys):
    named = bibliography.citations(ENTRIES)
    assert [key for *_, key in bibliography.mentions(text, named)] == keys


def test_of_two_works_the_one_that_the_chapter_lists_is_meant():
    named = bibliography.citations(ENTRIES)
    twice = [(form, year, keys) for (form, year), keys in named.items() if len(keys) > 1]
    assert twice
    for form, year, keys in twice:
        for key in keys:
            assert bibliography.mentions(f"{form}, {year}", named, [key]) == [(0, len(form) + 6, key)]
