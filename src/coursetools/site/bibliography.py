"""docs/references.bib: read, matched with what the chapters name, and set as one list."""

import re

from coursetools import notebook

FILE = notebook.SRC.parent / "docs" / "references.bib"
VENUES = ("journal", "booktitle", "publisher", "institution", "school", "howpublished")


def entries(text=None):
    """{key: {"type", "author", "title", "year", ...}} of the BibTeX file, in its order.

    Raises:
        ValueError: a line that is not of the one form that the file keeps to; it names the line.
    """
    found, entry = {}, None
    for line in (FILE.read_text(encoding="utf-8") if text is None else text).splitlines():
        start = re.fullmatch(r"@(\w+)\{([A-Za-z][A-Za-z0-9]+),", line)
        field = re.fullmatch(r"  ([a-z]+) = \{(.*)\},", line)
        if start and entry is None:
            if start[2] in found:
                raise ValueError(f"references.bib: {start[2]} is there twice")
            entry = found[start[2]] = {"type": start[1]}
        elif field and entry is not None and field[1] not in entry:
            entry[field[1]] = field[2]
        elif line == "}" and entry is not None:
            entry = None
        elif line and not line.startswith("%"):
            raise ValueError(f"references.bib: this line has not the form of the others: {line!r}")
    return found


def plain(words):
    """Words for comparison: no case, accents kept, no punctuation."""
    return " ".join(re.findall(r"\w+", words.lower()))


def matches(line, found):
    """Keys of the entries whose title a line names, in quotation marks or in italics; of several, by the year."""
    named = [plain(a or b) for a, b in re.findall(r'"([^"]+)"|\*([^*]+)\*', line)]
    keys = []
    for title in dict.fromkeys(named):
        same = [key for key, entry in found.items() if plain(entry["title"]) == title]
        keys += [key for key in same if found[key]["year"] in line] if len(same) > 1 else same
    return keys


def linked(line, found):
    """A line of "Further reading" with a link to its entry in the list."""
    keys = matches(line, found)
    return line + "".join(f" [[{label(found[key])}]](#ref-{key.lower()})" for key in keys)


def people(entry):
    """Authors as lists of (given names, surname); "others" is a surname without given names."""
    parts = [name.strip("{}").partition(", ") for name in entry["author"].split(" and ")]
    return [(given, surname) for surname, _, given in parts]


def label(entry):
    """Who and when, as a text cites it: "Hoerl and Kennard 1970"."""
    names = [surname for _, surname in people(entry)]
    first = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}"
    return f"{first if len(names) <= 2 and names[-1] != 'others' else names[0] + ' et al.'} {entry['year']}"


def address(entry):
    """Where the work is: a DOI, else arXiv's number, else an address; "" if it has none of these."""
    if "doi" in entry:
        return f"[doi:{entry['doi']}](<https://doi.org/{entry['doi']}>)"
    if "eprint" in entry:
        return f"[arXiv:{entry['eprint']}](https://arxiv.org/abs/{entry['eprint']})"
    return f"[{entry['url'].split('//')[1].split('/')[0]}](<{entry['url']}>)" if "url" in entry else ""


def shown(entry):
    """An entry as a line of the list."""
    names = [f"{given} {surname}".strip() if surname != "others" else "others" for given, surname in people(entry)]
    who = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    title = f"*{entry['title']}*" if entry["type"] == "book" else f"“{entry['title']}”"
    where = ", ".join(f"*{entry[v]}*" if v == "journal" else entry[v] for v in VENUES if v in entry)
    volume = f" {entry['volume']}" if "volume" in entry else ""
    more = [f"{where}{volume} ({entry['year']})" if where else f"({entry['year']})", address(entry)]
    return f"{who}, {title}, " + ", ".join(part for part in more if part) + "."


def page(found, cited):
    """The list, a Markdown page.

    Args:
        found: as `entries` returns it.
        cited: {key: [(words, address) of where it is cited]}.
    """
    lines = ["# Bibliography", "", f"The {len(found)} works that the chapters and the errata name, by author."]
    lines += ["Each entry says where. [As BibTeX](docs/references.bib).", ""]
    for key, entry in sorted(found.items(), key=lambda item: (plain(label(item[1])), item[0])):
        places = ", ".join(f"[{words}]({address})" for words, address in cited.get(key, []))
        named = f" *Named in {places}.*" if places else ""
        lines += [f"{{#ref-{key.lower()} .reference}}", f"{shown(entry)}{named}", ""]
    return "\n".join(lines)
