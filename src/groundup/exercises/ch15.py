"""Graders for chapter 15: privacy, fairness, explanation."""

import math

import numpy as np

from .engine import Case, first_off, table


@table
def privacy_numbers():
    """15.1: answer() returns five numbers that can be predicted before anything is run."""
    right = (0.1 * math.exp(0.5), 15.0, 2.0, 2.0, 0.5)

    def but(place, value, hint):
        return (tuple(value if i == place else ... for i in range(5)), hint)

    yield Case(
        (),
        right,
        [
            but(0, 0.15, "a: the factor is exp(0.5), not 1.5."),
            but(0, 0.6, "a: ε multiplies probabilities, by exp(ε). It is not added."),
            but(0, 0.1 * math.exp(-0.5), "a: that is the smallest. Asked is the largest."),
            but(1, 5.0, "b: one person changes the count by up to three, so the sensitivity is 3."),
            but(1, 0.6, "b: the scale is the sensitivity divided by ε."),
            but(1, 1 / 15, "b: the other way round: less ε, more noise."),
            but(2, 0.2, "c: ten answers tell more than one. The allowances add up."),
            but(2, 0.2 * math.sqrt(10), "c: that is how standard deviations grow. Allowances add up plainly."),
            but(3, 10.0, "d: that is the norm before clipping."),
            but(3, 0.2, "d: that is the factor. What is the norm after it?"),
            but(4, 0.0, "e: equal scores are ties, and ties count a half."),
            but(4, 1.0, "e: equal scores are ties, and ties count a half."),
        ],
        first_off(right, "Write the question down as a formula.", ".4g", rtol=0.006, atol=0.0006),
        rtol=0.006,
        atol=0.0006,
    )


@table
def randomized_response():
    """15.2: answer(answers (n,), t) returns the estimated share of ones among the truths, and epsilon."""
    rng = np.random.default_rng(152)
    for n, share, t in ((200, 0.3, 0.6), (500, 0.8, 0.25), (100, 0.1, 0.8)):
        truth = rng.random(n) < share
        answers = np.where(rng.random(n) < t, truth, rng.random(n) < 0.5).astype(int)
        mean, epsilon = answers.mean(), math.log((1 + t) / (1 - t))
        right = (mean - (1 - t) / 2) / t
        yield Case(
            (answers, t),
            (right, epsilon),
            [
                ((mean, ...), "this is the share among the answers. The coins pull it towards one half."),
                ((mean / t, ...), "without a truth told, half of the coins still show one: subtract them first."),
                (((mean - (1 - t)) / t, ...), "of the answers by coin only half are ones."),
                ((mean - (1 - t) / 2, ...), "what is left comes from the share t that told the truth: divide by t."),
                ((..., (1 + t) / (1 - t)), "this is the ratio of the probabilities. ε is its logarithm."),
                ((..., -epsilon), "ε is not negative: take the larger probability over the smaller one."),
                (
                    (..., math.log(2 * t / (1 - t))),
                    "the coin can show the truth, too: then 1 has probability t + (1 - t)/2.",
                ),
                ((..., math.log(1 / (1 - t))), "the coin shows a wrong answer in only half of its throws: (1 - t)/2."),
            ],
            f"for t = {t} and a share {mean:.3f} of ones it should be {right:.4f} and {epsilon:.4f}.",
        )


@table
def equalized_odds_gap():
    """15.3: answer(chosen, truth, group) returns the larger of the gaps of TPR and FPR over all groups."""
    rng = np.random.default_rng(153)
    for n, groups, lean in ((80, 2, -0.8), (80, 2, 0.8), (150, 3, 0.6), (200, 4, -0.6)):
        group, truth = rng.integers(0, groups, n), rng.integers(0, 2, n)
        chosen = (rng.random(n) < 0.5 + lean * (group - (groups - 1) / 2) / groups * (1.6 - truth)).astype(int)

        def rate(of, asked, label, group=group):
            return np.array([asked[(group == g) & (of == label)].mean() for g in np.unique(group)])

        tpr, fpr = rate(truth, chosen, 1), rate(truth, chosen, 0)
        ppv, missed = rate(chosen, truth, 1), rate(chosen, truth, 0)
        gaps = np.ptp(tpr), np.ptp(fpr)
        given = max(ppv[0] - ppv[1], missed[0] - missed[1])
        signed = max(fpr[0] - fpr[1], tpr[0] - tpr[1])
        predicted = max(np.ptp(ppv), np.ptp(missed))
        first_two = max(abs(fpr[0] - fpr[1]), abs(tpr[0] - tpr[1]))
        wrong = [
            (
                lambda got, a=predicted, b=given: min(abs(got - a), abs(got - b)) < 1e-9,
                "these are shares of the people with a decision. TPR and FPR are shares of those with a truth.",
            ),
            (signed, "a difference of two groups can be negative: the largest rate less the smallest one."),
            (min(gaps), "this is the smaller of the two gaps."),
            (np.mean(gaps), "this is the mean of the two gaps. Asked is the larger one."),
            (np.sum(gaps), "this is the sum of the two gaps. Asked is the larger one."),
        ]
        if groups > 2:
            wrong.insert(1, (first_two, "there are more than two groups: this compares the first two only."))
        wrong = [(value, hint) for value, hint in wrong if callable(value) or abs(value - max(gaps)) > 1e-6]
        yield Case(
            (chosen, truth, group),
            max(gaps),
            wrong,
            f"for {groups} groups with TPR {tpr.round(2)} and FPR {fpr.round(2)} it should be {max(gaps):.4f}.",
        )


@table
def explained():
    """15.4: answer() returns six numbers that can be predicted before anything is run."""
    right = (1 / 15, 3.0, 1.5, 6.0, 1 / 9, 2.0)

    def but(place, value, hint):
        return (tuple(value if i == place else ... for i in range(6)), hint)

    yield Case(
        (),
        right,
        [
            but(0, 0.2, "a: that is the first group's. The odds of the second group are 1/3."),
            but(0, 0.05, "a: the odds of the base rate are p / (1 - p), not p."),
            but(0, 0.6, "a: FPR = p / (1 - p) · (1 - PPV) / PPV · TPR. With p = 0.25?"),
            but(1, 6.0, "b: x1 and x2 share the product: in half of the orders x1 comes first and adds nothing."),
            but(1, 2.0, "b: x1 adds 0 if it comes before x2, and 6 if it comes after."),
            but(2, 3.0, "c: with x1 = 1 in the background, the value with x2 alone known is 3 already."),
            but(2, 0.0, "c: where x2 is known, x1 goes from 1 to 2. That adds 3."),
            but(3, 2.0, "d: that is the attribution of x1."),
            but(3, 4.0, "d: half of 8 is what Shapley values give. Integrate 3 x1 x2² along the way."),
            but(3, 3.0, "d: that is the integral. It is multiplied by the change of x2, which is 2."),
            but(3, 8.0, "d: that is the sum of both attributions."),
            but(4, 1 / 3, "e: that is the weight of each. The loss rises with its square."),
            but(4, 1 / 4, "e: that is for two copies. Three share the weight in thirds."),
            but(4, 9.0, "e: the other way round: the importance becomes smaller."),
            but(5, 10.0, "f: divide by the length of the weights, the root of 9 + 16."),
            but(5, -2.0, "f: a distance is not negative."),
            but(5, 0.4, "f: the step is 10/25 times the weights, and those are 5 long."),
            but(5, 10 / 7, "f: the length of (3, 4) is the root of 9 + 16, not their sum."),
        ],
        first_off(right, "Write the question down as a formula.", ".4g", rtol=0.006, atol=0.0006),
        rtol=0.006,
        atol=0.0006,
    )


@table
def equal_odds():
    """15.5: answer(curve_a, curve_b, fpr) returns the common TPR and the two probabilities of using one's own curve."""
    first = (np.array([0, 0.1, 0.4, 1]), np.array([0, 0.5, 0.8, 1]))
    second = (np.array([0, 0.2, 0.6, 1]), np.array([0, 0.4, 0.9, 1]))
    for curve_a, curve_b, f in (
        (first, second, 0.3),
        (second, first, 0.3),
        (first, second, 0.7),
        (first, second, 0.05),
    ):
        a, b = np.interp(f, *curve_a), np.interp(f, *curve_b)
        low, high = min(a, b), max(a, b)
        near = [curve[1][np.abs(curve[0] - f).argmin()] for curve in (curve_a, curve_b)]
        steps = [curve[1][curve[0] <= f][-1] for curve in (curve_a, curve_b)]
        wrong = [
            ((high, ..., ...), "the group with the lower curve cannot reach this TPR. The common one is the smaller."),
            (((a + b) / 2, ..., ...), "the mean of both is out of reach for the group with the lower curve."),
            ((low, low / a, low / b), "the random part is selected with probability fpr, not with 0: its TPR is fpr."),
            ((low, (low - f) / (b - f), (low - f) / (a - f)), "the two probabilities are in the wrong order."),
            ((low, 1 - (low - f) / (a - f), 1 - (low - f) / (b - f)), "w is the probability of using one's own curve."),
        ]
        if abs(min(near) - low) > 1e-9:
            wrong.append(
                ((min(near), ..., ...), "mix the thresholds on both sides of fpr: a straight line between points.")
            )
        if abs(min(steps) - low) > 1e-9:
            wrong.append(
                ((min(steps), ..., ...), "mix the thresholds on both sides of fpr: a straight line between points.")
            )
        yield Case(
            (curve_a, curve_b, f),
            (low, (low - f) / (a - f), (low - f) / (b - f)),
            wrong,
            f"at FPR {f:g} the curves have TPR {a:.3f} and {b:.3f}. To reach {low:.3f}, mix each with ({f:g}, {f:g}).",
        )


GRADERS = {
    "15.1": privacy_numbers,
    "15.2": randomized_response,
    "15.3": equalized_odds_gap,
    "15.4": explained,
    "15.5": equal_odds,
}
