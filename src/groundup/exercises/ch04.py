"""Graders for chapter 04, regularization."""

import numpy as np

from .engine import Case, Hint, ask, near, table


@table
def penalised_gradient():
    """04.1: answer(g (d,), w (d,), lam) returns the gradient (d,) of loss + lam * sum(w**2); g is that of the loss."""
    rng = np.random.default_rng(41)
    for d, lam in ((3, 0.1), (5, 0.7)):
        g, w = rng.normal(size=d), rng.normal(size=d)
        yield Case(
            (g, w, lam),
            g + 2 * lam * w,
            [
                (g + lam * w, "the derivative of w**2 is 2 * w: a factor 2 is missing."),
                (
                    g - 2 * lam * w,
                    "the sign of the penalty is reversed. The penalty grows with w, so its gradient points along w.",
                ),
                (g + 4 * lam * w, "the penalty is counted twice. g is the gradient of the data loss alone."),
                (
                    g + lam * np.sign(w),
                    "this is the gradient for L1, the sum of absolute values. Asked is L2, the sum of squares.",
                ),
                (2 * lam * w, "this is the penalty alone: add the gradient of the data loss."),
                (g + 2 * lam * w / d, "the penalty is a sum over the weights, not a mean."),
                (
                    g + lam * np.sum(w**2),
                    "this adds the penalty itself to the gradient. Add its derivative, one entry for each weight.",
                ),
            ],
            "not g plus the derivative of lam * sum(w**2). Differentiate by one weight, w[j]; what is left?",
        )


@table
def soft_threshold():
    """04.2: answer(w (d,), threshold) returns the minimiser v (d,) of (v - w)**2 / 2 + threshold * abs(v)."""
    rng = np.random.default_rng(42)
    for w, t in ((np.array([-2.0, -0.3, 0.0, 0.4, 1.5]), 0.5), (2 * rng.normal(size=20), 1.0)):
        size, sign = np.abs(w), np.sign(w)
        right = sign * np.maximum(size - t, 0)
        as_l2 = "this is what L2 does: every weight shrinks in proportion, and none becomes zero."
        yield Case(
            (w, t),
            right,
            [
                (
                    sign * (size - t),
                    "small weights change their sign here. They should stop at zero: cut off with maximum(..., 0).",
                ),
                (
                    np.maximum(size - t, 0),
                    "the sizes are right, but negative weights come out positive: put the sign back.",
                ),
                (
                    np.maximum(w - t, 0),
                    "all negative weights become zero. Threshold the absolute value, then put the sign back.",
                ),
                (
                    np.where(size > t, w, 0),
                    "this is the hard threshold: large weights stay as they are. Here they move towards zero too, "
                    "by the threshold.",
                ),
                (w / (1 + 2 * t), as_l2),
                (w / (1 + t), as_l2),
                (
                    np.where(size > t, w + t * sign, 0),
                    "large weights grow. They should move towards zero, by the threshold.",
                ),
            ],
            f"for w = {w[:5].round(2)} and threshold {t} it should begin with {right[:5].round(2)}.",
        )


# A function, no table: which entries are dropped is random.
def inverted_dropout(answer):
    """04.3: answer(A (n, m), p, rng) returns A with inverted dropout, (n, m)."""
    A = np.random.default_rng(43).uniform(1, 2, size=(400, 50))
    for p in (0.25, 0.6, 0.0):
        result = ask(answer, A, p, np.random.default_rng(1), like=A)
        ratio = result / A
        kept = ratio != 0
        share, scale = kept.mean(), ratio[kept]
        if p == 0:
            if not near(result, A):
                raise Hint("with p = 0 nothing should change.")
            continue
        if kept.all():
            raise Hint(f"nothing was dropped with p = {p}.")
        if not kept.any():
            raise Hint(f"everything was dropped with p = {p}. Is a new random number drawn for each entry?")
        columns, rows = kept.mean(axis=0), kept.mean(axis=1)
        if np.isin(columns, (0, 1)).all():
            raise Hint("each unit is dropped for the whole batch or not at all. Draw a mask of the shape of A.")
        if np.isin(rows, (0, 1)).all():
            raise Hint("each example is dropped as a whole or not at all. Draw a mask of the shape of A.")
        if abs(share - (1 - p)) > 0.03:
            if abs(share - p) <= 0.03:
                raise Hint("the share p is kept here. p is the probability to be dropped.")
            raise Hint(f"a share of {1 - share:.2f} was dropped, it should be {p}.")
        if near(scale, np.full_like(scale, 1 / (1 - p))):
            continue
        if near(scale, np.ones_like(scale)):
            raise Hint("the survivors keep their size, so the mean falls. Inverted dropout divides them by 1 - p.")
        if near(scale, np.full_like(scale, 1 - p)):
            raise Hint("the survivors are multiplied by 1 - p. In training they are divided by it.")
        if near(scale, np.full_like(scale, 1 / p)):
            raise Hint("the survivors are divided by p, the share that is dropped. Divide by the share that is kept.")
        raise Hint(
            f"survivors should be {1 / (1 - p):.3f} times their old value when p = {p}; "
            f"they are {scale.mean():.3f} times in the mean."
        )


@table
def early_stop():
    """04.4: answer(losses (n,), patience) returns (best epoch, last epoch), counted from 0."""
    rng = np.random.default_rng(44)
    wobble = [3.0, 2.0, 2.5, 1.8, 1.9, 1.7, 1.75, 1.8, 1.72, 1.9, 1.6, 2.0]
    cases = [(np.array(wobble), 3), (np.array([3.0, 2.0, 2.0, 2.1, 2.0, 1.0]), 3), (np.array([5.0, 4, 3, 2, 1]), 2)]
    cases += [(np.linspace(2, 1, 40) + 0.2 * rng.normal(size=40), patience) for patience in (1, 2, 5)]
    for losses, patience in cases:
        best, last = right = _stop(losses, patience)
        wrong = [
            (_stop(losses, patience, ties=True), "an equal loss is not a new lowest one: compare with <, not <=."),
            (
                (last, last),
                "this gives the last epoch twice. The first number is the epoch with the lowest loss so far.",
            ),
            ((last, best), "the two numbers are exchanged: first the best epoch, then the last one."),
            ((best + 1, last + 1), "both are one too large: count the epochs from 0."),
            (
                _stop(losses, patience + 1),
                "training stops one epoch too late. With patience 1 it stops at the first epoch that is not the "
                "lowest so far.",
            ),
            (_stop(losses, patience - 1), "training stops one epoch too early."),
            (
                _stop(losses, patience, reset=False),
                "epochs without progress are counted over the whole run. A new lowest loss sets the count to 0.",
            ),
            (
                _stop(losses, patience, previous=True),
                "each loss is compared with the one before it. Compare with the lowest so far.",
            ),
        ]
        if np.argmin(losses) > last:
            wrong.append(
                (
                    (np.argmin(losses), ...),
                    "this looks at losses after the stop. They do not exist: training has ended.",
                )
            )
        yield Case(
            (losses, patience),
            right,
            wrong,
            f"for losses {losses[:8].round(2)} ... and patience {patience} it should be {right}, got "
            "({got[0]:g}, {got[1]:g}).",
        )


def _stop(losses, patience, ties=False, reset=True, previous=False):
    """(best, last) by the rule, or by one of its usual misreadings."""
    best, waited = 0, 0
    for epoch in range(1, len(losses)):
        bar = losses[epoch - 1] if previous else losses[best]
        if losses[epoch] < bar or (ties and losses[epoch] == bar):
            waited = 0 if reset else waited
            best = epoch
        else:
            waited += 1
        if waited >= patience:
            return best, epoch
    return best, len(losses) - 1


# A function, no table: what counts is how well the weights do on new data.
def ridge_fit(answer):
    """04.5: answer(X (n, d), y (n,), rng) returns w (d,) whose expected error is within 15 % of the best ridge's."""
    rng = np.random.default_rng(45)
    for noise in (8.0, 0.2, 20.0):
        X, truth = rng.normal(size=(200, 120)), rng.normal(size=120)
        y = X @ truth + noise * rng.normal(size=200)
        w = ask(answer, X, y, np.random.default_rng(1), like=truth)

        def error(w, truth=truth, noise=noise):  # expected on new data; exact for inputs from N(0, 1)
            return np.sum((w - truth) ** 2) + noise**2

        lambdas = np.geomspace(1e-4, 1e3, 141)
        values, vectors = np.linalg.eigh(X.T @ X / 200)
        fits = (vectors / (values + lambdas[:, None])[:, None]) @ (vectors.T @ (X.T @ y / 200))  # (141, 120)
        errors = np.array([error(fit) for fit in fits])
        ratio = error(w) / errors.min()
        if ratio <= 1.15:
            continue
        plain = np.linalg.lstsq(X, y, rcond=None)[0]
        if np.linalg.norm(w - plain) < 0.05 * np.linalg.norm(plain):
            raise Hint(
                "this is least squares, without a penalty or with hardly any. On new data its error is "
                f"{ratio:.1f} times that of the best λ. The error in training always chooses so: choose λ by "
                "data that were held out."
            )
        if np.linalg.norm(w) < 0.1 * np.linalg.norm(fits[errors.argmin()]):
            raise Hint("the weights are close to zero: the penalty is much too large for these data.")
        off = np.linalg.norm(fits - w, axis=1) / np.linalg.norm(fits, axis=1)
        if off.min() < 0.05:
            raise Hint(
                f"a ridge fit with λ near {lambdas[off.argmin()]:.2g}, and on new data its error is {ratio:.2f} "
                "times the lowest; 1.15 is allowed. Choose λ anew for each data set, by "
                "cross-validation."
            )
        raise Hint(
            f"on new data the error is {ratio:.2f} times that of the best ridge fit; 1.15 is allowed. Solve "
            "(X.T @ X / n + lam * I) w = X.T @ y / n for several λ, and choose."
        )


GRADERS = {
    "04.1": penalised_gradient,
    "04.2": soft_threshold,
    "04.3": inverted_dropout,
    "04.4": early_stop,
    "04.5": ridge_fit,
}
