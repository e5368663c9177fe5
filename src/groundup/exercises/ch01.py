"""Graders for chapter 01, gradient descent."""

import numpy as np

from .engine import Case, Hint, ask, table


@table
def mean_squared_error():
    """01.1: answer(prediction (n,) or (n, 1), target (n,)) returns the mean of the squared errors, a float."""
    rng = np.random.default_rng(11)
    hand = np.array([1.0, 2.5, 4.0]), np.array([2.0, 3.0, 5.0])
    column = hand[0][:, None], hand[1]
    for prediction, target in (hand, (rng.normal(size=7), rng.normal(size=7)), column):
        error = prediction.ravel() - target
        squares = error**2
        right = squares.mean()
        yield Case(
            (prediction, target),
            right,
            [
                (
                    np.mean((prediction - target) ** 2) if prediction.ndim == 2 else np.inf,
                    "a column of shape (3, 1) minus a row of shape (3,) is a matrix of shape (3, 3): every prediction "
                    "minus every target. Bring the prediction to the shape of the target first.",
                ),
                (squares.sum() / 2, "this is half the sum. The mean has no factor 1/2 and divides by the number."),
                (squares.sum(), "this is the sum. Divide by the number of examples."),
                (right / 2, "this is half the mean. Drop the factor 1/2."),
                (np.sqrt(right), "this is the root of the mean squared error. Leave out the square root."),
                (np.abs(error).mean(), "this is the mean absolute error. Square the errors before you average."),
                (error.mean() ** 2, "errors of opposite sign cancel here. Square each error first, then average."),
                (error.mean(), "errors of opposite sign cancel here. Square each error first, then average."),
            ],
            f"for a prediction of shape {prediction.shape}, {prediction.ravel().round(2)}, and the target "
            f"{target.round(2)} it should be {right:.4f}.",
        )


@table
def weighted_gradient():
    """01.2: answer(X (n, d), y (n,), c (n,), w (d,), b float) returns (dw (d,), db) of sum(c e²) / sum(c)."""
    rng = np.random.default_rng(12)
    for n, d in ((4, 1), (6, 3), (5, 5)):
        X, y, w, b = rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=d), 0.7
        c = rng.uniform(0.2, 3, size=n)

        def gradient(pull, factor, X=X):
            return factor * X.T @ pull, factor * pull.sum()

        error = X @ w + b - y
        dw, db = gradient(c * error, 2 / c.sum())
        yield Case(
            (X, y, c, w, b),
            (dw, db),
            [
                (gradient(c * error, -2 / c.sum()), "the sign is reversed. The error is prediction minus target."),
                (gradient(c * error, 2 / n), "a weighted mean divides by the sum of the importances, not by n."),
                (gradient(c * error, 2), "you forgot to divide by the sum of the importances."),
                (gradient(c * error, 1 / c.sum()), "the factor 2 from the square is missing."),
                (gradient(error, 2 / n), "this is the gradient of the plain mean: each error needs its importance."),
                (gradient(error, 2 / c.sum()), "each error needs its own importance as a factor, in the sums too."),
                (
                    gradient(c**2 * error, 2 / c.sum()),
                    "the importance enters squared. In the loss it stands outside of the square.",
                ),
                (gradient(c * (X @ w - y), 2 / c.sum()), "the prediction is X @ w + b: the bias is missing from it."),
                ((dw, ...), "dw is right, db is not. The bias has the input 1 in every example."),
                ((..., db), "db is right, dw is not. Each error is multiplied by its own example's features."),
            ],
            f"for X of shape ({n}, {d}) neither part is right. Start from the errors, and compare with differences.",
        )


@table
def best_rate():
    """01.3: answer(excess (steps + 1,), learning_rate) returns the rate that arrives in one step, a float."""
    for start, rate, factor in ((2.0, 0.1, -1.5), (0.3, 0.02, -1.1), (5.0, 3.0, -2.5)):
        excess = start * factor ** (2 * np.arange(6))
        h, growth = (1 - factor) / rate, factor**2
        yield Case(
            (excess, rate),
            1 / h,
            [
                (2 / h, "this is the limit of stability, 2 / h. The rate that arrives in one step is half of it."),
                (h, "this is the curvature h. Which rate makes 1 - rate * h zero?"),
                (
                    rate / (1 + growth),
                    "the loss grows by that factor; the distance grows by its square root.",
                ),
                (
                    rate / (1 - growth**0.5),
                    "each step jumps across the minimum, so the factor 1 - rate * h is negative: it is minus the root.",
                ),
                (rate / (growth**0.5 - 1), "1 - rate * h is minus the root of the growth; which h does that give?"),
                (rate / growth**0.5, "the factor of the distance is 1 - rate * h, not rate * h."),
            ],
            f"for losses {excess[0]:g}, {excess[1]:g}, {excess[2]:g}, ... at a rate of {rate:g} it should be "
            f"{1 / h:.4g}, got {{got:.4g}}.",
            rtol=1e-5,
        )


@table
def without_correction():
    """01.4: answer(t, beta1, beta2) returns by how much step t of Adam is too long without its corrections."""
    for t, beta1, beta2 in ((1, 0.9, 0.999), (3, 0.8, 0.99), (50, 0.9, 0.999)):
        m, v = 1 - beta1**t, 1 - beta2**t
        yield Case(
            (t, beta1, beta2),
            m / np.sqrt(v),
            [
                (np.sqrt(v) / m, "this is the step with the corrections, in multiples of the one without them."),
                (m / v, "the step divides by the root of v."),
                (m, "this leaves out the correction of m only. Without its own, v is too small as well."),
                (1 / np.sqrt(v), "this leaves out the correction of v only. Without its own, m is too small as well."),
                (
                    (1 - beta1) / np.sqrt(1 - beta2),
                    "this is the first step. After t steps of a constant gradient, m has reached 1 - beta1**t of it.",
                ),
                (
                    beta1**t / np.sqrt(beta2**t),
                    "that share is still missing from the averages; they have reached 1 - beta**t.",
                ),
            ],
            f"for t = {t}, beta1 = {beta1} and beta2 = {beta2} it should be {m / np.sqrt(v):.4f}, got {{got:.4f}}.",
        )


# A function, no table: a training may end anywhere near the lowest loss.
def mini_batch_fit(answer):
    """01.5: answer(X (n, d), y (n,), rng) returns (w (d,), b) within 1 % of the lowest mean squared error."""
    rng = np.random.default_rng(15)
    for n, d in ((200, 2), (300, 5)):
        X = (rng.normal(size=(n, d)) + 10) * rng.uniform(0.5, 20, size=d)  # as in millimetres, far from zero
        y = (X / X.std(axis=0)) @ rng.normal(size=d) + 3 + 0.3 * rng.normal(size=n)
        w, b = ask(answer, X, y, np.random.default_rng(1), like=(X[0], 0.0))
        A = np.c_[X, np.ones(n)]
        best = np.mean((A @ np.linalg.lstsq(A, y, rcond=None)[0] - y) ** 2)
        loss = np.mean((X @ w + b - y) ** 2)
        if loss <= 1.01 * best:
            continue
        if np.var(X @ w - y) <= 1.01 * best:
            raise Hint("the weights are right, the bias is not. Is it updated too, and does it undo the centring?")
        mean, std = X.mean(axis=0), X.std(axis=0)
        if np.mean(((X - mean) / std @ w + b - y) ** 2) <= 1.01 * best:
            raise Hint("this fits the standardised features. Give w and b for the features as given: undo the scaling.")
        if not loss <= np.mean(y**2):
            raise Hint(
                "the loss is above that of w = 0 and b = 0: the descent diverges, or goes uphill. "
                "Try a tenth of the learning rate."
            )
        raise Hint(
            f"the loss is {loss / best:.2f} times the lowest, 1.01 is allowed. Train for more epochs, "
            "or let the learning rate fall towards the end."
        )


GRADERS = {
    "01.1": mean_squared_error,
    "01.2": weighted_gradient,
    "01.3": best_rate,
    "01.4": without_correction,
    "01.5": mini_batch_fit,
}
