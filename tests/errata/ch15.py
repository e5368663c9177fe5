"""Numbers of docs/errata.md that chapter 15 corrects, computed anew."""

from collections import Counter

from groundup import data

KNOWN = "sex age race education native_country marital_status occupation hours_per_week".split()


def alone():
    """How many people of Adult are the only ones with their values in KNOWN, and how many there are."""
    people = data.load("adult")
    rows = list(zip(*[people[name].tolist() for name in KNOWN], strict=True))
    counted = Counter(rows)
    return {"28,877": sum(counted[row] == 1 for row in rows), "48,842": len(rows)}


RECOMPUTED = {"E15-1": alone}
