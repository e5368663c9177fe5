"""Claims fail when they should, print the same line everywhere, and reach the report."""

import json

import numpy as np
import pytest
from groundup import check

NAN = float("nan")


@pytest.mark.parametrize(
    ("claim", "line"),
    [
        (lambda: check.at_least("accuracy", 0.98, 0.97), "ok  accuracy 0.98 (at least 0.97)"),
        (lambda: check.at_most("loss", np.float32(0.5), 0.5), "ok  loss 0.5 (at most 0.5)"),
        (lambda: check.close("both", [1.0, 2.0], [1.0, 2.0 + 1e-9]), "ok  both: equal within 1e-06 relative"),
        (lambda: check.close("both", 1.0, 1.5, rtol=0, atol=1), "ok  both 1 (within 1)"),
        (lambda: check.close("both", 0.0, 1e-9, atol=1e-6), "ok  both 0 (within 1e-06)"),
        (lambda: check.close("half", 0.5000001, 0.5), "ok  half 0.5 (within 1e-06 relative)"),
        (lambda: check.among("loss", 2.0, [1.5, 2.0, 2.5]), "ok  loss 2 (among 3 seeds, 1.5 to 2.5)"),
        (lambda: check.among("loss", 2.0, {1: 1.5, 2: 2.0, 3: 2.5}), "ok  loss 2 (among 3 seeds, 1.5 to 2.5)"),
        (lambda: check.at_most("steps", 28800.4, 1e5), "ok  steps 28800 (at most 100000)"),
        (lambda: check.at_least("loss", 2.22e40, 1e30), "ok  loss 2.22e+40 (at least 1e+30)"),
        (lambda: check.equal("shape", (2, 3), (2, 3)), "ok  shape is (2, 3)"),
        (lambda: check.equal("all", np.arange(3), np.arange(3)), "ok  all: equal"),
        (lambda: check.equal("row", [1, 2], np.array([1, 2])), "ok  row: equal"),
        (lambda: check.equal("row", np.array([1, 2]), [1, 2]), "ok  row: equal"),
        (lambda: check.equal("both", [np.ones(2)], [np.ones(2)]), "ok  both is [array([1., 1.])]"),
        (lambda: check.equal("by name", {"a": np.ones(1)}, {"a": np.ones(1)}), "ok  by name is {'a': array([1.])}"),
        (lambda: check.equal("count", np.int64(3), 3), "ok  count is 3"),
        (lambda: check.equal("none", [], []), "ok  none is []"),
        (lambda: check.holds("it rains", True), "ok  it rains"),
        (lambda: check.holds("it rains", np.array([True])), "ok  it rains"),
    ],
)
def test_a_true_claim_prints_one_line(claim, line, capsys):
    claim()
    assert capsys.readouterr().out == line + "\n"


def test_among_refuses_what_lies_outside_and_too_few_seeds():
    seeds = {1: 0.90, 2: 0.91, 3: 0.92}
    check.among("accuracy", 0.95, seeds)
    for value, others in ((0.97, seeds), (0.85, seeds), (0.9, [0.9, 0.91]), (np.nan, seeds), (0.9, [np.nan] * 3)):
        with pytest.raises(AssertionError, match="not so: accuracy"):
            check.among("accuracy", value, others)


def test_a_record_goes_on_after_a_claim_that_fails(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GROUNDUP_RECORD", "1")
    monkeypatch.setenv("GROUNDUP_CLAIMS", str(tmp_path / "claims"))
    check.at_least("accuracy", 0.5, 0.9)
    check.refused("a wrong sum", lambda: check.equal("sum", 3, 2))
    said = capsys.readouterr().out.splitlines()
    assert said == ["not so: accuracy 0.5 (at least 0.9); it is 0.5", "ok  a wrong sum is refused"]
    claims = [json.loads(line) for line in (tmp_path / "claims").read_text().splitlines()]
    assert [claim["ok"] for claim in claims] == [False, True] and claims[0]["value"] == 0.5


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (lambda: check.at_least("accuracy", 0.96, 0.97), r"accuracy 0.96 \(at least 0.97\); it is 0.96"),
        (lambda: check.at_least("accuracy", NAN, 0.97), "it is nan"),
        (lambda: check.at_most("loss", NAN, 1), "it is nan"),
        (lambda: check.at_most("loss", 1.01, 1), "it is 1.01"),
        (lambda: check.close("both", [1.0, 2.0], [1.0, 2.1]), r"2.0 at \(1,\), wanted 2.1"),
        (lambda: check.close("both", NAN, 1.0), "nan, wanted 1.0"),
        (lambda: check.close("both", NAN, NAN), "nan"),
        (lambda: check.close("both", np.ones(2), np.ones((2, 1))), r"shape \(2,\), wanted \(2, 1\)"),
        (lambda: check.equal("shape", (2, 3), (3, 2)), r"shape is \(3, 2\); it is \(2, 3\)"),
        (lambda: check.equal("all", np.arange(3), np.arange(4)), "all: equal"),
        (lambda: check.equal("row", [1, 2], np.array([1, 3])), "row: equal"),
        (lambda: check.equal("row", np.array([1, 2]), [[1], [2, 3]]), "row: equal"),
        (lambda: check.equal("row", np.array([1, 2]), None), "row: equal"),
        (lambda: check.equal("row", np.array([1, 2]), "12"), "row: equal"),
        (lambda: check.equal("both", (np.ones(2), 1), (np.ones(2), 2)), "both is"),
        (lambda: check.equal("both", [np.ones(2)], [np.ones(2), np.ones(2)]), "both is"),
        (lambda: check.equal("by name", {"a": np.ones(2)}, {"b": np.ones(2)}), "by name is"),
        (lambda: check.equal("kind", (1, 2), [1, 2]), "kind is"),
        (lambda: check.close("nothing", [], []), r"nothing; both are empty, of shape \(0,\): nothing compared"),
        (lambda: check.close("nothing", np.ones((2, 0)), np.ones((2, 0))), "both are empty"),
        (lambda: check.close("nothing", [], [1.0]), r"shape \(0,\), wanted \(1,\)"),
        (lambda: check.holds("it rains", False), "not so: it rains"),
    ],
)
def test_a_false_claim_fails_with_what_it_saw(claim, words, capsys):
    with pytest.raises(AssertionError, match=words):
        claim()
    assert capsys.readouterr().out == ""


def test_a_claim_about_an_array_is_a_mistake():
    with pytest.raises(TypeError, match=r"one number, this is an array of shape \(2,\)"):
        check.at_least("accuracy", np.ones(2), 0.5)
    with pytest.raises(TypeError, match=r"it rains: is it all or any entry of this array of shape \(2,\)"):
        check.holds("it rains", np.array([True, True]))


def test_claims_reach_the_report_true_or_not(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDUP_CLAIMS", str(tmp_path / "claims ü.jsonl"))
    check.at_least("accuracy", 0.98, 0.97)
    with pytest.raises(AssertionError):
        check.at_most("loss", NAN, 1)
    lines = (tmp_path / "claims ü.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert (first["name"], first["value"], first["bound"], first["ok"]) == ("accuracy", 0.98, 0.97, True)
    assert (second["value"], second["ok"]) == ("nan", False)


@pytest.mark.parametrize("seed", range(5))
def test_gradients_accepts_the_right_one_and_refuses_every_wrong_one(seed):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    n, d = rng.integers(2, 9, size=2)
    X, y = rng.normal(size=(n, d)), rng.normal(size=n)

    def loss(w, b):
        return np.mean((X @ w + b - y) ** 2)

    def gradient(w, b):
        e = X @ w + b - y
        return [2 * X.T @ e / n, 2 * e.mean()]

    def tape_loss(w, b):
        return tf.reduce_mean((tf.linalg.matvec(X, w) + b - y) ** 2)

    at = [rng.normal(size=d), rng.normal()]
    check.gradients("right", loss, gradient, at, tape_loss)
    wrong = {
        "half": lambda *p: [g / 2 for g in gradient(*p)],
        "sign": lambda *p: [-g for g in gradient(*p)],
        "bias forgotten": lambda *p: [gradient(*p)[0], 0.0],
        "one part in 100,000": lambda *p: [g * (1 + 1e-5) for g in gradient(*p)],
        "not a number": lambda *p: [g * NAN for g in gradient(*p)],
    }
    for name, broken in wrong.items():
        with pytest.raises(AssertionError, match="differs from finite differences"):
            check.gradients(name, loss, broken, at, tape_loss)
    with pytest.raises(AssertionError, match="differs from GradientTape"):
        check.gradients("tape", loss, gradient, at, lambda w, b: 2 * tape_loss(w, b))
    with pytest.raises(AssertionError, match="shape"):
        check.gradients("shape", loss, lambda *p: [g[..., None] for g in map(np.asarray, gradient(*p))], at, tape_loss)


def test_finite_differences_leaves_its_arguments_alone():
    at = [np.array([1.0, 2.0])]
    slope = check.finite_differences(lambda p: float(p[0] ** 3 + p[1]), at)
    np.testing.assert_allclose(slope[0], [3, 1], rtol=1e-8)
    np.testing.assert_array_equal(at[0], [1, 2])


def test_refused_turns_a_claim_round(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDUP_CLAIMS", str(tmp_path / "claims"))
    said = check.refused("a loss of 2", lambda: check.at_most("loss", 2, 1))
    assert said == "not so: loss 2 (at most 1); it is 2"
    assert capsys.readouterr().out == "ok  a loss of 2 is refused\n"
    with pytest.raises(AssertionError, match="a loss of 0 is refused; it was accepted"):
        check.refused("a loss of 0", lambda: check.at_most("loss", 0, 1))
    with pytest.raises(ZeroDivisionError):
        check.refused("a mistake in the claim itself", lambda: check.at_most("loss", 1 / 0, 1))
    verdicts = [json.loads(line)["ok"] for line in (tmp_path / "claims").read_text().splitlines()]
    assert verdicts == [True, False]


def test_rows_of_different_lengths_can_be_claimed(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDUP_CLAIMS", str(tmp_path / "claims"))
    check.equal("ragged", ([3, 4], 8), ([3, 4], 8))
    assert json.loads((tmp_path / "claims").read_text())["value"] == "([3, 4], 8)"


def test_shown_prints_and_claims_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDUP_CLAIMS", str(tmp_path / "claims"))
    check.values_only.at_least("share", 0.12345, 2.0)
    check.values_only.equal("sizes", (1, 2), (3, 4))
    check.values_only.close("many", np.arange(100.0), 1, rtol=0)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "--  share: 0.123, not claimed on this data" and second.startswith("--  sizes: (1, 2), not")
    assert len(third) < 130 and not (tmp_path / "claims").exists()
