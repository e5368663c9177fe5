"""Graders for chapter 05, evaluation and tuning."""

import numpy as np

from .engine import Case, Hint, ask, near, table


@table
def predictions():
    """05.1: answer() returns five measures of the ten examples after a change."""
    right = (20.5 / 24, 0.5, 3 / 23, 20.5 / 24, 60 / 64)
    yield Case(
        (),
        right,
        [
            ((..., 0.75, ..., ..., ...), "b: the threshold stays at 0.5, and 0.6 becomes 0.36. Which scores pass it?"),
            ((..., 0.25, ..., ..., ...), "b: 0.8 becomes 0.64, which is still above 0.5."),
            ((..., ..., 0.6, ..., ...), "c: ten times the negatives make ten times the false alarms."),
            ((..., ..., 0.75, ..., ...), "c: this is the recall. It stays as it was; asked is the precision."),
            ((..., ..., 3 / 63, ..., ...), "c: only two of the six negatives are above 0.5."),
            ((..., ..., ..., ..., 0.6), "e: this is the accuracy before. Now sixty of the examples are negative."),
            ((..., ..., ..., ..., 0.9), "e: sixty negatives and four positives make 64 examples, not 66."),
            (
                lambda got: abs(got[0] - right[0]) > 0.005,
                "a: the AUC asks which of two scores is higher. Does squaring scores between 0 and 1 change that?",
            ),
            (
                lambda got: abs(got[3] - right[3]) > 0.005,
                "d: the AUC is about a random positive and a random negative. Does the *share* of negatives matter?",
            ),
        ],
        lambda got: next(
            f"{case}: {float(value):.3f} is off. Write down the scores, or the four counts, after the change."
            for case, value, wanted in zip("abcde", got, right, strict=True)
            if abs(value - wanted) > 0.005
        ),
        rtol=0,
        atol=0.005,
    )


# A function, no table: what counts is which examples its two functions are shown.
def promise(answer):
    """05.2: answer(X, y, rng, answer, choose) balances the training classes and chooses columns, inside the loop."""
    for seed in (1, 2):
        rng = np.random.default_rng([52, seed])
        X, y = rng.normal(size=(60, 200)), rng.permutation(60) < 18  # column 0 tells the examples apart
        log = _Watch(X[:, 0], y)
        # Plain functions: arguments are copied, and with a method its object would be copied, too.
        shown, chosen = (lambda *given, log=log: log.answer(*given)), (lambda *given, log=log: log.choose(*given))
        got = float(ask(answer, X, y, np.random.default_rng(seed), shown, chosen, like=0.5))
        log.judge()
        judged, recalls = np.mean(log.right), (np.mean(log.right[y]) + np.mean(log.right[~y])) / 2
        if near(got, recalls):
            continue
        if near(got, judged):
            raise Hint("this is the accuracy. Asked is the mean of the two classes' recalls, as in the given code.")
        raise Hint(f"the held-out answers make a mean recall of {recalls:.3f}; it returned {got:.3f}.")


class _Watch:
    """The two functions that `promise` is given; they note which examples they see, by their column 0."""

    def __init__(self, names, y):
        self.names, self.y, self.chosen_by, self.faults = names, y, None, []
        self.times, self.right = np.zeros(len(y), int), np.zeros(len(y), bool)

    def choose(self, X, y):
        self.chosen_by = set(X[:, 0].tolist())
        return np.r_[0, 1 + np.argsort(-np.abs(X[y].mean(axis=0) - X[~y].mean(axis=0))[1:])[:19]]

    def answer(self, X, y, new):
        held, learned = set(new[:, 0].tolist()), set(X[:, 0].tolist())
        if held & learned:
            self.faults.append("copies")
        if X.shape[1] != 20 or self.chosen_by is None:
            self.faults.append("columns")
        elif self.chosen_by & held:
            self.faults.append("chosen")
        if np.sum(y) * 2 != len(y):
            self.faults.append("balance")
        said = ((new - X[y].mean(axis=0)) ** 2).sum(axis=1) < ((new - X[~y].mean(axis=0)) ** 2).sum(axis=1)
        for name, yes in zip(new[:, 0], said, strict=True):
            i = int(np.argmin(np.abs(self.names - name)))
            self.times[i] += 1
            self.right[i] = yes == self.y[i]
        return said

    def judge(self):
        """Raise the hint of the worst fault that was seen."""
        hints = {
            "copies": "a copy of a held-out example is among those that are learned from. Split first, then copy.",
            "chosen": "the columns are chosen with held-out examples in view. Choose them inside the loop.",
            "columns": "the model should see only the twenty columns that `choose` returns, all of them.",
            "balance": "the classes that the model learns from are not equally frequent. Balance each training part.",
        }
        for fault, hint in hints.items():
            if fault in self.faults:
                raise Hint(hint)
        if not self.times.any():
            raise Hint("nothing is held out: `answer` is never called.")
        if np.any(self.times != 1):
            raise Hint("each of the n examples should be held out exactly once; copies are not to be judged.")


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
def difference():
    """05.4: answer(a (n,) bool, b (n,) bool) returns the mean of a - b and half its 95 % interval, paired."""
    rng = np.random.default_rng(54)
    for n, extra in ((200, 0.04), (400, 0.1), (300, 0.02)):
        hard = rng.random(n) < 0.3
        b = ~hard ^ (rng.random(n) < 0.05)
        a = b | (rng.random(n) < extra)
        a ^= rng.random(n) < 0.02
        d = a * 1.0 - b
        mean, half = d.mean(), 1.96 * d.std() / np.sqrt(n)
        errors = [np.sqrt(r.mean() * (1 - r.mean()) / n) for r in (a, b)]
        apart, together = 1.96 * np.hypot(*errors), 1.96 * sum(errors)
        unpaired = (
            "the difference is right, the interval is that of two *different* test sets. Both models answer the same "
            "examples: take the standard deviation of the differences."
        )
        yield Case(
            (a, b),
            (mean, half),
            [
                ((-mean, ...), "the sign is reversed: asked is a minus b."),
                ((mean, apart), unpaired),
                ((mean, together), unpaired),
                ((mean, half / 1.96), "the difference is right. Half the interval is 1.96 standard errors, not one."),
                ((mean, 2 * half), "the difference is right. Return half the width of the interval."),
                (
                    (mean, half * np.sqrt(n)),
                    "the difference is right. A standard error divides the deviation by the root of n.",
                ),
                ((mean, ...), f"the difference is right; half the interval should be {half:.4f}, got {{got[1]:.4f}}."),
            ],
            f"for {n} examples it should be ({mean:.4f}, {half:.4f}).",
            rtol=0.01,
        )


# A function, no table: many deals are right.
def grouped_folds(answer):
    """05.5: answer(groups (n,), k, rng) returns each example's fold; a group is in one fold, folds are even."""
    rng = np.random.default_rng(55)
    for k in (2, 3, 4, 5, 4):
        groups = rng.permutation(np.repeat(rng.permutation(100)[:24], rng.integers(1, 16, 24)))
        folds = ask(answer, groups, k, np.random.default_rng(k), like=np.zeros(len(groups)))
        if np.any(folds != np.round(folds)) or folds.min() < 0 or folds.max() > k - 1:
            raise Hint(
                f"folds are numbered from 0 to k - 1; for k = {k} these go from {folds.min():g} to {folds.max():g}."
            )
        if any(len(set(folds[groups == group])) > 1 for group in np.unique(groups)):
            raise Hint("a group is in two folds. Deal the groups, not the examples.")
        sizes, largest = np.bincount(folds.astype(int), minlength=k), np.unique(groups, return_counts=True)[1].max()
        if sizes.min() == 0:
            raise Hint(f"for k = {k} a fold is empty; the sizes are {sizes.tolist()}.")
        if np.ptp(sizes) > largest:
            raise Hint(
                f"the folds are uneven, {sizes.tolist()}, and the largest group has {largest}. Groups differ in size: "
                "put each into the fold that has the fewest *examples* so far."
            )


GRADERS = {
    "05.1": predictions,
    "05.2": promise,
    "05.3": cheapest_threshold,
    "05.4": difference,
    "05.5": grouped_folds,
}
