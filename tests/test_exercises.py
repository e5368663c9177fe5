"""Solutions are right, mistakes get the hint that fits, and whatever an answer does, grading ends with one line.

The answers to each chapter's exercises are in tests/answers/chNN.py: SOLUTIONS, {number: answer}, and MISTAKES, a list
of (number, answer, words of the hint).
"""

import importlib
import itertools
import pkgutil
import time
from collections import Counter

import numpy as np
import pytest
from groundup import check, exercises


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


CHAPTERS = [m.name for m in pkgutil.iter_modules(exercises.__path__) if m.name.startswith("ch")]
EXERCISES = [n for name in CHAPTERS for n in importlib.import_module(f"groundup.exercises.{name}").GRADERS]
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


@pytest.mark.parametrize("number", EXERCISES)
def test_hostile_answers_get_a_hint(number):
    for kind, answer in HOSTILE.items():
        verdict = exercises.grade(number, answer)
        assert verdict.startswith("not yet: ") and "\n" not in verdict, f"{kind}: {verdict}"


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


def test_what_an_answer_prints_is_shown_up_to_a_limit(capsys):
    def talkative(prediction, target):
        print("x" * 1_000_000)
        return np.mean((prediction - target) ** 2)

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
    check.exercise("01.1", lambda prediction, target: np.mean((prediction - target) ** 2))
    assert capsys.readouterr().out == "01.1 right\n"
