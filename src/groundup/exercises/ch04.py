"""Graders for chapter 04, regularization."""

import numpy as np

from . import Hint, ask, near


def penalised_gradient(answer):
    """04.1: answer(g (d,), w (d,), lam) returns the gradient (d,) of loss + lam * sum(w**2); g is that of the loss."""
    rng = np.random.default_rng(41)
    for d, lam in ((3, 0.1), (5, 0.7)):
        g, w = rng.normal(size=d), rng.normal(size=d)
        result = ask(answer, g, w, lam, shapes=((d,),))
        if near(result, g + 2 * lam * w):
            continue
        if near(result, g + lam * w):
            raise Hint("the derivative of w**2 is 2 * w: a factor 2 is missing.")
        if near(result, g - 2 * lam * w):
            raise Hint("the sign of the penalty is reversed. The penalty grows with w, so its gradient points along w.")
        if near(result, g + 4 * lam * w):
            raise Hint("the penalty is counted twice. g is the gradient of the data loss alone.")
        if near(result, g + lam * np.sign(w)):
            raise Hint("this is the gradient for L1, the sum of absolute values. Asked is L2, the sum of squares.")
        if near(result, 2 * lam * w):
            raise Hint("this is the penalty alone: add the gradient of the data loss.")
        if near(result, g + 2 * lam * w / d):
            raise Hint("the penalty is a sum over the weights, not a mean.")
        if near(result, g + lam * np.sum(w**2)):
            raise Hint("this adds the penalty itself to the gradient. Add its derivative, one entry for each weight.")
        raise Hint("not g plus the derivative of lam * sum(w**2). Differentiate by one weight, w[j]; what is left?")


def soft_threshold(answer):
    """04.2: answer(w (d,), threshold) returns the minimiser v (d,) of (v - w)**2 / 2 + threshold * abs(v)."""
    rng = np.random.default_rng(42)
    cases = [(np.array([-2.0, -0.3, 0.0, 0.4, 1.5]), 0.5), (2 * rng.normal(size=20), 1.0)]
    for w, t in cases:
        result = ask(answer, w, t, shapes=(w.shape,))
        right = np.sign(w) * np.maximum(np.abs(w) - t, 0)
        if near(result, right):
            continue
        if near(result, np.sign(w) * (np.abs(w) - t)):
            raise Hint("small weights change their sign here. They should stop at zero: cut off with maximum(..., 0).")
        if near(result, np.maximum(np.abs(w) - t, 0)):
            raise Hint("the sizes are right, but negative weights come out positive: put the sign back.")
        if near(result, np.maximum(w - t, 0)):
            raise Hint("all negative weights become zero. Threshold the absolute value, then put the sign back.")
        if near(result, np.where(np.abs(w) > t, w, 0)):
            raise Hint(
                "this is the hard threshold: large weights stay as they are. Here they move towards zero too, "
                "by the threshold."
            )
        if near(result, w / (1 + 2 * t)) or near(result, w / (1 + t)):
            raise Hint("this is what L2 does: every weight shrinks in proportion, and none becomes zero.")
        if near(result, np.where(np.abs(w) > t, w + t * np.sign(w), 0)):
            raise Hint("large weights grow. They should move towards zero, by the threshold.")
        raise Hint(f"for w = {w[:5].round(2)} and threshold {t} it should begin with {right[:5].round(2)}.")


def inverted_dropout(answer):
    """04.3: answer(A (n, m), p, rng) returns A with inverted dropout, (n, m)."""
    A = np.random.default_rng(43).uniform(1, 2, size=(400, 50))
    for p in (0.25, 0.6, 0.0):
        result = ask(answer, A, p, np.random.default_rng(1), shapes=(A.shape,))
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


def early_stop(answer):
    """04.4: answer(losses (n,), patience) returns (best epoch, last epoch), counted from 0."""
    rng = np.random.default_rng(44)
    wobble = [3.0, 2.0, 2.5, 1.8, 1.9, 1.7, 1.75, 1.8, 1.72, 1.9, 1.6, 2.0]
    cases = [(np.array(wobble), 3), (np.array([3.0, 2.0, 2.0, 2.1, 2.0, 1.0]), 3), (np.array([5.0, 4, 3, 2, 1]), 2)]
    cases += [(np.linspace(2, 1, 40) + 0.2 * rng.normal(size=40), patience) for patience in (1, 2, 5)]
    for losses, patience in cases:
        result = tuple(int(r) for r in ask(answer, losses, patience, shapes=((), ())))
        right = _stop(losses, patience)
        if result == right:
            continue
        if result == _stop(losses, patience, ties=True):
            raise Hint("an equal loss is not a new lowest one: compare with <, not <=.")
        if result == (right[1], right[1]):
            raise Hint("this gives the last epoch twice. The first number is the epoch with the lowest loss so far.")
        if result == right[::-1]:
            raise Hint("the two numbers are exchanged: first the best epoch, then the last one.")
        if result == (right[0] + 1, right[1] + 1):
            raise Hint("both are one too large: count the epochs from 0.")
        if result == _stop(losses, patience + 1):
            raise Hint(
                "training stops one epoch too late. With patience 1 it stops at the first epoch that is not the "
                "lowest so far."
            )
        if patience > 1 and result == _stop(losses, patience - 1):
            raise Hint("training stops one epoch too early.")
        if result == _stop(losses, patience, reset=False):
            raise Hint("epochs without progress are counted over the whole run. A new lowest loss sets the count to 0.")
        if result == _stop(losses, patience, previous=True):
            raise Hint("each loss is compared with the one before it. Compare with the lowest so far.")
        if result[0] == int(np.argmin(losses)) and result[0] > right[1]:
            raise Hint("this looks at losses after the stop. They do not exist: training has ended.")
        raise Hint(f"for losses {losses[:8].round(2)} ... and patience {patience} it should be {right}, got {result}.")


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


def ridge_fit(answer):
    """04.5: answer(X (n, d), y (n,), rng) returns w (d,) whose expected error is within 15 % of the best ridge's."""
    rng = np.random.default_rng(45)
    for noise in (8.0, 0.2, 20.0):
        X, truth = rng.normal(size=(200, 120)), rng.normal(size=120)
        y = X @ truth + noise * rng.normal(size=200)
        w = ask(answer, X, y, np.random.default_rng(1), shapes=((120,),))

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
