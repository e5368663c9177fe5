"""Graders for chapter 05, evaluation and tuning."""

import numpy as np

from .engine import Case, Hint, ask, table


@table
def precision_recall_of():
    """05.1: answer(y (n,), predicted (n,), k) returns (precision, recall) of class k; precision 0 if k is not said."""
    rng = np.random.default_rng(51)
    hand = (np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 2, 0, 1, 2, 2]), 0)
    for y, predicted, k in (hand, *[(rng.integers(0, 3, 40), rng.integers(0, 3, 40), k) for k in range(3)]):
        hits, said, there = np.sum((y == k) & (predicted == k)), np.sum(predicted == k), np.sum(y == k)
        precision, recall, accuracy, n = hits / said, hits / there, np.mean(y == predicted), len(y)
        as_accuracy = "one of the two is the accuracy. Only class k counts here: divide by its predictions or truths."
        yield Case(
            (y, predicted, k),
            (precision, recall),
            [
                (
                    (recall, precision),
                    "the two are exchanged. Precision divides by what is *called* k, recall by what *is* k.",
                ),
                ((accuracy, ...), as_accuracy),
                ((..., accuracy), as_accuracy),
                (
                    (hits / n, hits / n),
                    "both are divided by all n examples. Divide by the predictions of k, and by the truths of k.",
                ),
                (
                    (said / n, there / n),
                    "these are the shares of k among predictions and truths. Count where both are k first.",
                ),
                (
                    (..., recall),
                    "recall is right, precision is not. Of all examples *predicted* to be k, how many are?",
                ),
                (
                    (precision, ...),
                    "precision is right, recall is not. Of all examples that *are* k, how many were found?",
                ),
            ],
            f"for y = {y[:8]} ... and class {k} it should be ({precision:.3f}, {recall:.3f}).",
        )
    yield Case(
        (np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1]), 0),
        (0.0, 0.0),
        [(Hint, "right, until a class is never predicted: {got} Return 0 as precision then.")],
        "right, until a class is never predicted: then precision and recall should both be 0.",
    )


@table
def auc_by_pairs():
    """05.2: answer(truth (n,) bool, scores (n,)) returns the AUC, ties between classes counted half."""
    rng = np.random.default_rng(52)
    cases = [(rng.permutation(12) < 5, rng.random(12)) for _ in range(3)]
    cases += [(rng.permutation(20) < 8, rng.random(20).round(1)) for _ in range(3)]
    for truth, scores in cases:
        difference = scores[truth][:, None] - scores[~truth]
        above, equal = np.mean(difference > 0), np.mean(difference == 0)
        right, yes = above + equal / 2, scores >= 0.5
        kind = "with ties" if equal else "without ties"
        yield Case(
            (truth, scores),
            right,
            [
                (1 - right, "this is 1 minus the AUC. Count the pairs in which the *positive* has the higher score."),
                (above, "ties are counted as lost. Each pair of equal scores counts one half."),
                (above + equal, "ties are counted as won. Each pair of equal scores counts one half."),
                (
                    right * difference.size / len(truth) ** 2,
                    "divide by the number of pairs of one positive and one negative, not by n squared.",
                ),
                (right * difference.size, "this is the number of pairs won. Divide by the number of pairs."),
                (
                    (np.mean(yes[truth]) + np.mean(~yes[~truth])) / 2,
                    "the scores were turned into yes and no first. Compare the scores themselves.",
                ),
                (
                    np.mean(yes == truth),
                    "this is the accuracy at 0.5. No threshold is needed: compare each positive with each negative.",
                ),
                (lambda got: not 0 <= got <= 1, "an AUC lies between 0 and 1; this is {got:.3f}."),
            ],
            f"for {len(truth)} scores {kind} it should be {right:.4f}, got {{got:.4f}}.",
        )


@table
def cheapest_threshold():
    """05.3: answer(c_tp, c_fp, c_fn, c_tn), four costs, returns the probability above which "positive" is cheaper."""
    free = [(0.0, 1.0, 19.0, 0.0), (0.0, 3.0, 2.0, 0.0)]  # right answers cost nothing
    for c_tp, c_fp, c_fn, c_tn in [*free, (2.0, 5.0, 40.0, 1.0), (1.0, 2.0, 9.0, 0.5)]:
        right = (c_fp - c_tn) / (c_fp - c_tn + c_fn - c_tp)
        yield Case(
            (c_tp, c_fp, c_fn, c_tn),
            right,
            [
                (1 - right, "misses and false alarms are exchanged: this is the threshold for the *negative*."),
                (
                    c_fp / (c_fp + c_fn),
                    "this holds when right answers are free. Here they cost something too: begin again from the "
                    "two mean costs, p * c_tp + (1 - p) * c_fp against p * c_fn + (1 - p) * c_tn.",
                ),
                (c_fp / c_fn, "this is the ratio of the costs, the *odds* p / (1 - p) at the threshold. Solve for p."),
                ((c_fp - c_tn) / (c_fn - c_tp), "this is right for the *odds* p / (1 - p). Solve for p."),
                (0.5, "one half is cheapest only if a miss costs as much as a false alarm."),
            ],
            f"for costs TP {c_tp:g}, FP {c_fp:g}, FN {c_fn:g}, TN {c_tn:g} it should be {right:.4f}, got {{got:.4f}}.",
        )


@table
def find_temperature():
    """05.4: answer(z (n, classes), y (n,)) returns the T for which softmax(z / T) has the lowest cross-entropy."""
    rng = np.random.default_rng(54)
    for n, classes, sharpness in ((400, 4, 3.0), (300, 3, 0.5), (500, 10, 1.8)):
        z = rng.normal(size=(n, classes)) * 1.5
        y = (rng.random((n, 1)) > _softmax(z).cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
        z = z * sharpness
        right = 1 / _root(lambda b, z=z, y=y: _slope(b, z, y))
        hits = np.mean(z.argmax(axis=1) == y)
        sure = 1 / _root(lambda b, z=z, hits=hits: np.mean(_softmax(b * z).max(axis=1)) - hits)
        yield Case(
            (z, y),
            right,
            [
                (
                    1 / right,
                    "this is 1 / T. The logits are *divided* by T, so an overconfident network needs T above 1.",
                ),
                (lambda got: got == 1, "T is still 1: nothing was fitted."),
                (lambda got: got <= 0, "a temperature is positive. Search 1 / T between 0.01 and 5."),
                (
                    sure,
                    "this makes the mean confidence equal to the accuracy. Asked is the lowest cross-entropy, "
                    "which looks at every probability.",
                ),
            ],
            f"for {n} examples of {classes} classes the lowest cross-entropy is at T = {right:.3f}, got {{got:.3f}}. "
            "At the lowest point the mean of sum((p - one_hot) * z) is zero.",
            rtol=0.01,
        )


# A function, no table: an estimate is random, and right on the average.
def honest_estimate(answer):
    """05.5: answer(X (n, d), y (n,) bool, rng) returns a cross-validated accuracy of a model on its 20 best columns."""
    rng = np.random.default_rng(55)
    noise, signal = [], []
    for _ in range(6):
        X, y = rng.normal(size=(80, 600)), rng.permutation(80) < 40
        noise.append(float(ask(answer, X, y, np.random.default_rng(1), like=0.5)))
        X = X + 1.2 * y[:, None] * (np.arange(600) < 12)
        signal.append(float(ask(answer, X, y, np.random.default_rng(1), like=0.5)))
    if min(noise + signal) < 0 or max(noise + signal) > 1:
        raise Hint("an accuracy is a share between 0 and 1.")
    if min(noise + signal) == 1:
        raise Hint("it says 1 for everything, pure noise included. Is the model asked about examples it has learned?")
    if np.mean(noise) > 0.65:
        raise Hint(
            f"on labels of pure chance it promises {np.mean(noise):.2f}. Something has seen the held-out "
            "labels: choose the columns inside the loop, from the other folds alone."
        )
    if np.mean(noise) < 0.35:
        raise Hint(
            f"on labels of pure chance it gives {np.mean(noise):.2f}, less than a coin. Are the folds random, "
            "and the classes not exchanged?"
        )
    if np.mean(signal) < 0.75:
        raise Hint(
            f"where twelve of 600 columns carry a clear signal it finds {np.mean(signal):.2f}; 0.75 "
            "and more is there. Does each fold learn from all the others, and choose the columns whose class "
            "means differ most?"
        )


def _softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _slope(beta, z, y):
    """Derivative of the cross-entropy of softmax(beta * z) in beta."""
    return np.mean(np.sum(_softmax(beta * z) * z, axis=1) - z[np.arange(len(y)), y])


def _root(f, low=0.01, high=10.0):
    """Where a rising function crosses zero, by halving."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if f(middle) > 0 else (middle, high)
    return (low + high) / 2


GRADERS = {
    "05.1": precision_recall_of,
    "05.2": auc_by_pairs,
    "05.3": cheapest_threshold,
    "05.4": find_temperature,
    "05.5": honest_estimate,
}
