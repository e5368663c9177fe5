"""Measurements that would take too long in a chapter, kept in data/records: one file a chapter, a line a number.

    records.values("06", "accuracy, ours, fold 0")      # {seed: value}

`make records NB=06` measures them again: data/recipes/record_06.py says how.
"""

import csv

from . import data

COLUMNS = ["name", "seed", "value", "versions", "code"]  # code: a hash of the chapter's code that was measured


def load(chapter):
    """All lines of a chapter's record.

    Args:
        chapter: str, its number, such as "06".

    Returns:
        list of dict: name (str), seed (int), value (float), versions (str), code (str), in the order of the file.

    Raises:
        DataError: there is no record of this chapter, or it is not the one of the manifest.
    """
    file = data.path("records") / f"{chapter}.csv"
    if not file.is_file():
        there = ", ".join(sorted(path.stem for path in file.parent.glob("*.csv")))
        raise data.DataError(f"There is no record of chapter {chapter}; there are those of {there}.")
    with file.open(encoding="utf-8", newline="") as lines:
        return [{**row, "seed": int(row["seed"]), "value": float(row["value"])} for row in csv.DictReader(lines)]


def values(chapter, name):
    """What was measured under one name: dict from seed to value, in the order of the seeds.

    Raises:
        DataError: no record of this chapter, or nothing of this name in it; lists the names.
    """
    rows = load(chapter)
    found = {row["seed"]: row["value"] for row in rows if row["name"] == name}
    if not found:
        names = "; ".join(sorted({row["name"] for row in rows}))
        raise data.DataError(f"The record of chapter {chapter} has no {name!r}. It has: {names}.")
    return dict(sorted(found.items()))
