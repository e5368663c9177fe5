"""Measurements over seeds, kept in data/records: `make records` makes them, chapters and tests read them.

    records.values("07", "test accuracy")      # {seed: value}, of the whole chapter run with other seeds
    records.values("07_schedules", "...")      # of an experiment too long for the chapter: see coursetools/recipes

While a record is being made (GROUNDUP_RECORD is set), a value that is not there yet is NaN.
"""

import csv
import math
import os

from . import data

# bound: ">= 0.97", "<= 3", "among" other seeds; "holds" where the value is 1 if the claim held and else 0; empty in an
# experiment. code: a hash of the code that was measured.
COLUMNS = ["claim", "seed", "value", "bound", "versions", "code"]


def load(name):
    """All lines of a record.

    Args:
        name: str, a chapter's number such as "06", or an experiment's name such as "06_eye".

    Returns:
        list of dict: claim (str), seed (int), value (float), bound (str), versions (str), code (str), in the order of
        the file.

    Raises:
        DataError: there is no such record, or it is not the one of the manifest.
    """
    file = data.path("records") / f"{name}.csv"
    if not file.is_file():
        there = ", ".join(sorted(path.stem for path in file.parent.glob("*.csv")))
        raise data.DataError(f"There is no record {name}; there are {there}.")
    with file.open(encoding="utf-8", newline="") as lines:
        return [{**row, "seed": int(row["seed"]), "value": float(row["value"])} for row in csv.DictReader(lines)]


def values(name, claim):
    """What was measured under one name: dict from seed to value, in the order of the seeds.

    Args:
        name: str, as in `load`.
        claim: str, what was measured, as the claim or the script calls it.

    Raises:
        DataError: no such record, or nothing of this name in it; lists the names.
    """
    try:
        rows = load(name)
        found = {row["seed"]: row["value"] for row in rows if row["claim"] == claim}
        if not found:
            names = "; ".join(sorted({row["claim"] for row in rows}))
            raise data.DataError(f"The record {name} has no {claim!r}. It has: {names}.")
    except data.DataError:
        if not os.environ.get("GROUNDUP_RECORD"):
            raise
        found = {0: math.nan}
    return dict(sorted(found.items()))
