"""Solutions are right, mistakes get the hint that fits, and whatever an answer does, grading ends with one line.

The answers to each chapter's exercises are in tests/answers/chNN.py: SOLUTIONS, {number: answer}, and MISTAKES, a list
of (number, answer, words of the hint).
"""

import importlib
import itertools
import pkgutil
import re
import time
from collections import Counter

import numpy as np
import pytest
from groundup import check, exercises
from groundup.exercises.engine import Case, Hint, NotFinite, WrongShape, table


def boom(*args):
    raise RuntimeError("boom")


def loop(*args):
    for _ in itertools.count():
        pass


def stubborn_loop(*args):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass


def leave(*args):
    raise SystemExit(3)


HOSTILE = {
    "a number": 3.0,
    "a string": "solution",
    "a class": dict,
    "no arguments": lambda: 1.0,
    "an exception": boom,
    "an exit": leave,
    "a string result": lambda *args: "0.75",
    "a dict result": lambda *args: {"loss": 1.0},
    "NaN": lambda *args: float("nan"),
    "infinity": lambda *args: float("inf"),
    "a wrong shape": lambda *args: np.ones((3, 3, 3)),
    "ragged": lambda *args: [[1.0], [1.0, 2.0]],
    "complex": lambda *args: 1j,
    "its own argument": lambda *args: args[0],
    "a generator": lambda *args: (i for i in args),
    "an object that raises": type("Odd", (), {"__call__": boom, "__array__": boom})(),
}


# An exercise for each kind of answer: `check` treats them differently, or the exercise does by itself.
KINDS = {
    "a number": "01.1",
    "an array": "02.1",
    "several values": "01.2",
    "words": "09.1",
    "whole numbers": "08.2",
    "sets of indices": "03.3",
    "batches": "09.5",
}

CHAPTERS = [m.name for m in pkgutil.iter_modules(exercises.__path__) if m.name.startswith("ch")]
GRADERS = {n: g for name in CHAPTERS for n, g in importlib.import_module(f"groundup.exercises.{name}").GRADERS.items()}
EXERCISES = list(GRADERS)
ANSWERS = [importlib.import_module(f"answers.{name}") for name in CHAPTERS]
SOLUTIONS = {number: answer for chapter in ANSWERS for number, answer in chapter.SOLUTIONS.items()}
MISTAKES = [mistake for chapter in ANSWERS for mistake in chapter.MISTAKES]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A right answer is right on a machine that has other work to do, too: the limit of time has a test of its own."""
    monkeypatch.setattr(exercises, "SECONDS", 100)


def test_every_exercise_has_a_solution_and_two_mistakes():
    assert sorted(SOLUTIONS) == sorted(EXERCISES)
    assert min(Counter(number for number, _, _ in MISTAKES)[number] for number in EXERCISES) >= 2


@pytest.mark.parametrize("number", SOLUTIONS)
def test_a_solution_is_right(number):
    assert exercises.grade(number, SOLUTIONS[number]) == "right"


@pytest.mark.parametrize("seed", range(5))
def test_a_solution_that_draws_its_folds_is_right_whatever_it_draws(seed):
    def other(X, y, rng):
        return importlib.import_module("answers.ch04").fit(X, y, np.random.default_rng(seed), folds=5 + 5 * (seed % 2))

    assert exercises.grade("04.5", other) == "right"


@pytest.mark.parametrize(("number", "answer", "words"), MISTAKES, ids=[f"{m[0]} {m[2]}" for m in MISTAKES])
def test_a_mistake_gets_the_hint_that_fits(number, answer, words):
    """`words` are in the hint: one of those between |, and of these all parts between …."""
    verdict = exercises.grade(number, answer)
    assert verdict.startswith("not yet: "), verdict
    assert any(all(part in verdict for part in either.split("…")) for either in words.split("|")), verdict


def is_a_hint(verdict):
    return verdict.startswith("not yet: ") and "\n" not in verdict and len(verdict) <= 2000


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_answers_of_each_kind_get_a_hint(kind):
    for hostile, answer in HOSTILE.items():
        verdict = exercises.grade(KINDS[kind], answer)
        assert is_a_hint(verdict), f"{hostile}: {verdict}"


def test_one_hostile_answer_to_every_other_exercise_gets_a_hint():
    others = [number for number in EXERCISES if number not in KINDS.values()]
    for number, (hostile, answer) in zip(others, itertools.cycle(HOSTILE.items())):
        verdict = exercises.grade(number, answer)
        assert is_a_hint(verdict), f"{number}, {hostile}: {verdict}"


@pytest.mark.parametrize("number", [n for n, grader in GRADERS.items() if hasattr(grader, "cases")])
def test_every_hint_of_a_table_can_be_met(number):
    """Each wrong result, given in its case, is not right or is met elsewhere: no hint hides behind those before it."""
    with np.errstate(all="ignore"):
        cases = list(GRADERS[number].cases())
    met, listed = set(), set()
    for i, case in enumerate(cases):
        for mistake, hint in case.wrong:
            if callable(mistake) or isinstance(mistake, WrongShape) or callable(hint):
                continue
            if isinstance(mistake, tuple):
                pairs = zip(mistake, case.right, strict=True)
                mistake = tuple(np.multiply(right, 1.37) + 0.123 if part is ... else part for part, right in pairs)
            results = iter(
                [*(earlier.right for earlier in cases[:i]), mistake, *(later.right for later in cases[i + 1 :])]
            )
            verdict = exercises.grade(number, lambda *args, results=results: next(results))
            words = hint.partition("{got")[0]
            listed.add(re.sub("[^a-zA-Z]+", " ", hint))
            if verdict.startswith(f"not yet: {words}"):
                met.add(re.sub("[^a-zA-Z]+", " ", hint))
    assert met == listed


@pytest.mark.parametrize("number", EXERCISES)
def test_the_untouched_stub_is_not_answered(number):
    for stub in (lambda *args: None, lambda *args: ..., ..., None):
        assert exercises.grade(number, stub) == "not answered yet"


@pytest.mark.parametrize("answer", [loop, stubborn_loop])
def test_an_endless_loop_is_cut_short(answer, monkeypatch):
    monkeypatch.setattr(exercises, "SECONDS", 0.5)
    start = time.perf_counter()
    assert "still running" in exercises.grade("01.1", answer)
    assert time.perf_counter() - start < 3


def test_an_answer_that_changes_its_input_is_told():
    def in_place(prediction, target):
        prediction -= target
        return np.mean(prediction**2)

    assert "changes an array it was given" in exercises.grade("01.1", in_place)


@pytest.mark.parametrize(("number", "args"), [("09.2", 2)])
def test_an_answer_that_changes_a_list_is_told(number, args):
    def in_place(given, *rest):
        given.pop()
        return (1.0,) * args

    assert "changes the list it was given" in exercises.grade(number, in_place)


def test_text_is_no_number_and_neither_is_an_imaginary_one():
    assert "it returned a str" in exercises.grade("01.1", lambda p, t: str(np.mean((p - t) ** 2)))
    squares = lambda p, t: np.mean((np.ravel(p) - t) ** 2)  # noqa: E731
    assert "it should return numbers" in exercises.grade("01.1", lambda p, t: squares(p, t) + 1j)
    assert exercises.grade("01.1", lambda p, t: squares(p, t) + 0j) == "right"


class Unspeakable(Exception):
    def __str__(self):
        raise self


@pytest.mark.parametrize("error", [GeneratorExit(), Unspeakable(), ValueError("first line\nsecond line")])
def test_whatever_an_answer_raises_is_one_line(error):
    def raises(*args):
        raise error

    verdict = exercises.grade("01.1", raises)
    assert is_a_hint(verdict) and type(error).__name__ in verdict, verdict
    assert "second" in verdict or not isinstance(error, ValueError)


def test_an_endless_result_is_cut():
    assert is_a_hint(exercises.grade("09.1", lambda word, vocabulary: ["a\nb"] * 100_000))


def test_a_hint_is_one_line_whatever_the_reader_has_set():
    with np.printoptions(linewidth=10):
        assert is_a_hint(exercises.grade("08.4", lambda p, top_p: 0 * p))


def test_the_arguments_are_shown_with_an_exception_if_they_are_short():
    assert "called with ([1, 2, 3, 1, 2], [(2, 3, 9), (1, 2, 8)]) it raised RuntimeError: boom" in exercises.grade(
        "08.2", boom
    )
    assert exercises.grade("01.2", boom) == "not yet: it raised RuntimeError: boom"


def test_a_table_gives_the_first_hint_that_fits():
    @table
    def sums_and_differences():
        yield Case((5, 2), (7, 3), [((..., 3), "the sum is {got[0]:g}?"), (NotFinite, "finite!")], "neither, {got}")
        yield Case(
            (5, 1), (6, 4), [(lambda got: got[0] < 0, lambda got: f"by {6 - got[0]}"), (Hint, "so: {got}")], "no"
        )

    def told(answer):
        with pytest.raises(Hint) as hint:
            sums_and_differences(answer)
        return str(hint.value)

    assert sums_and_differences(lambda a, b: (a + b, a - b)) is None
    assert told(lambda a, b: (a * b, a - b)) == "the sum is 10?"
    assert told(lambda a, b: (np.nan, a - b)) == "finite!"
    assert told(lambda a, b: (1, 1)) == "neither, (array(1.), array(1.))"
    assert told(lambda a, b: (7, 3) if b == 2 else (-1, 4)) == "by 7.0"
    assert told(lambda a, b: (7, 3) if b == 2 else (1, 4)) == "no"
    assert told(lambda a, b: (7, 3) if b == 2 else ([1], 4)).startswith("so: it should return a single number")


def test_what_an_answer_prints_is_shown_up_to_a_limit(capsys):
    def talkative(prediction, target):
        print("x" * 1_000_000)
        return np.mean((np.ravel(prediction) - target) ** 2)

    assert exercises.grade("01.1", talkative) == "right"
    assert capsys.readouterr().out == "x" * 2000 + "\n"


def test_the_reader_can_still_interrupt():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.grade("01.1", interrupted)


def test_unknown_exercises_are_named():
    with pytest.raises(ValueError, match=r"no exercise '01\.9': chapter 01 has 01\.1, 01\.2"):
        check.exercise("01.9", boom)
    with pytest.raises(ValueError, match="there are exercises for chapters 01"):
        check.exercise("99.1", boom)


def test_check_prints_number_and_verdict(capsys):
    check.exercise("01.1", lambda prediction, target: np.mean((np.ravel(prediction) - target) ** 2))
    assert capsys.readouterr().out == "01.1 right\n"
