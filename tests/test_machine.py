"""The speed of this machine, and what it says about the time that chapters will take."""

import json

import pytest
from coursetools import machine

FAST = {"gflops": 400, "chapters": {"01_a": [10, 500], "02_b": [30, 900]}}
SLOW = {"gflops": 100, "chapters": {"01_a": [20, 500], "02_b": [60, 900]}}


def test_speed_and_instructions_of_this_machine():
    assert 1 < machine.gflops(0.05) < 100_000
    assert machine.instructions() in {*machine.INSTRUCTIONS.values(), "none"}


@pytest.mark.parametrize(
    "budget, speed, expected",
    [
        ({"AVX-512": FAST}, 400, 40),
        ({"AVX-512": FAST}, 200, 80),  # of one machine: with 1 / speed
        ({"AVX-512": FAST, "AVX2": SLOW}, 400, 40),
        ({"AVX-512": FAST, "AVX2": SLOW}, 100, 80),
        ({"AVX-512": FAST, "AVX2": SLOW}, 200, 40 * 2**0.5),  # four times the speed was worth half the time
        ({"AVX-512": FAST, "AVX2": SLOW}, 25, 160),
        ({}, 100, None),
        ({"AVX-512": {"gflops": 400, "chapters": {"01_a": [10, 500]}}}, 400, None),  # 02_b was never measured
    ],
)
def test_expected_seconds(budget, speed, expected):
    found = machine.expect(budget, ["01_a", "02_b"], speed)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-6))


def test_a_budget_that_is_missing_or_broken_says_nothing(tmp_path):
    assert machine.read(tmp_path / "none.json") == {}
    for text in ("", "[]", "null", '{"AVX2": 3}', '{"AVX2": {"gflops": "x", "chapters": {}}}'):
        (tmp_path / "budget.json").write_text(text)
        assert machine.read(tmp_path / "budget.json") == {}
    (tmp_path / "budget.json").write_text(json.dumps({"AVX2": SLOW}))
    assert machine.read(tmp_path / "budget.json") == {"AVX2": SLOW}


def test_words():
    said = machine.words({"AVX-512": FAST, "AVX2": SLOW}, ["02_b"], 300)
    assert "300 GFLOP/s" in said and "400 with AVX-512, 100 with AVX2" in said
    assert said.endswith("1 chapter will take about 35 seconds here.")
    alone = machine.words({}, ["02_b"], 300)
    assert alone.endswith("float32 product).") and alone.count("\n") == 0
