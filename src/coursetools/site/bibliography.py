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


def forms(entry):
    """How a text names the authors: "Kingma and Ba"; "Guo, Pleiss, Sun and Weinberger"; "Guo and others"."""
    names = [surname for _, surname in people(entry)]
    found = [names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"]
    if len(names) > 2 or names[-1] == "others":
        found += [f"{names[0]} and others", f"{names[0]} et al."]
    return list(dict.fromkeys(found))


def citations(found):
    """{(how its authors are named, year): [keys]} of all entries."""
    named = {}
    for key, entry in found.items():
        for form in forms(entry):
            named.setdefault((form, entry["year"]), []).append(key)
    return named


def mentions(text, named, read=()):
    """Where a text names authors and a year, as in "Kingma and Ba (2015)" or "(Platt, 2000)", and means one work.

    Args:
        text: str.
        named: as `citations` returns it.
        read: keys of the works that this chapter lists, which decide between two of the same authors and year.

    Returns:
        list of (start, end, key).
    """
    if not re.search(r"\d{4}", text):
        return []
    by_length = sorted({form for form, _ in named}, key=len, reverse=True)
    authors = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in by_length)
    pattern = rf"(?<![\w-])(?<!and\s)({authors})(?:['’]s)?,?\s+\(?(\d{{4}})(?!\d)"
    places = []
    for match in re.finditer(pattern, text):
        keys = named.get((" ".join(match[1].split()), match[2]), [])
        keys = keys if len(keys) == 1 else [key for key in keys if key in read]
        if len(keys) == 1:
            places.append((match.start(), match.end(), keys[0]))
    return places


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
    note = f" {entry['note'][0].upper()}{entry['note'][1:]}." if "note" in entry else ""
    return f"{who}, {title}, " + ", ".join(part for part in more if part) + "." + note


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
