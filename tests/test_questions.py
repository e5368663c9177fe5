"""Chapter 12's questions: enough of each kind, none twice, and each answer about the course stands where it should."""

from collections import Counter

from groundup import data


def test_questions_of_many_kinds():
    rows = data.load("questions").answers
    kinds = Counter(row["kind"] for row in rows)
    assert len(rows) >= 60 and min(kinds.values()) >= 12 and len({row["question"] for row in rows}) == len(rows)
    for row in rows:
        assert row["answers"] and all(row["answers"].split("|"))
        if row["kind"].startswith("sum"):
            a, b = row["question"].removeprefix("What is ").removesuffix("?").split(" + ")
            assert int(a) + int(b) == int(row["answers"])
        if row["wrong"]:
            assert {row["answers"], row["wrong"]} <= {*row["question"].replace("?", " ").split()}


def test_answers_about_the_course_stand_in_their_sections(import_recipe):
    rows = data.load("questions").course
    assert len({row["question"] for row in rows}) == len(rows) == 30
    assert import_recipe("questions").missing() == []
