"""Graders for chapter 01, gradient descent."""

import numpy as np

from .engine import Case, Hint, ask, table


@table
def mean_squared_error():
    """01.1: answer(prediction (n,), target (n,)) returns the mean of the squared errors, a float."""
    rng = np.random.default_rng(11)
    hand = np.array([1.0, 2.5, 4.0]), np.array([2.0, 3.0, 5.0])
    for prediction, target in (hand, (rng.normal(size=7), rng.normal(size=7))):
        error = prediction - target
        squares = error**2
        right = squares.mean()
        yield Case(
            (prediction, target),
            right,
            [
                (
                    squares.sum() / 2,
                    "this is half the sum. The mean divides by the number of examples, and has no factor 1/2.",
                ),
                (squares.sum(), "this is the sum. Divide by the number of examples."),
                (right / 2, "this is half the mean. Drop the factor 1/2."),
                (np.sqrt(right), "this is the root of the mean squared error. Leave out the square root."),
                (np.abs(error).mean(), "this is the mean absolute error. Square the errors before you average."),
                (error.mean() ** 2, "errors of opposite sign cancel here. Square each error first, then average."),
                (error.mean(), "errors of opposite sign cancel here. Square each error first, then average."),
            ],
            f"for prediction {prediction.round(2)} and target {target.round(2)} it should be {right:.4f}.",
        )


@table
def mse_gradient():
    """01.2: answer(X (n, d), y (n,), w (d,), b float) returns (dw (d,), db float) of the mean squared error."""
    rng = np.random.default_rng(12)
    for n, d in ((4, 1), (6, 3), (5, 5)):
        X, y, w, b = rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=d), 0.7

        def gradient(error, factor, X=X):
            return factor * X.T @ error, factor * error.sum()

        error = X @ w + b - y
        dw, db = gradient(error, 2 / n)
        yield Case(
            (X, y, w, b),
            (dw, db),
            [
                (gradient(error, -2 / n), "the sign is reversed. The error is prediction minus target."),
                (gradient(error, 2), "you forgot to divide by the number of examples."),
                (gradient(error, 1 / n), "the factor 2 from the square is missing."),
                (gradient(error, 1), "this is the gradient of the half-sum; the mean squared error has 2/n in front."),
                (gradient(X @ w - y, 2 / n), "the prediction is X @ w + b: the bias is missing from it."),
                ((dw, ...), "dw is right, db is not. The bias has the input 1 in every example."),
                ((..., db), "db is right, dw is not. Each error is multiplied by its own example's features."),
            ],
            f"for X of shape ({n}, {d}) neither part is right. Start from error = X @ w + b - y, shape ({n},).",
        )


@table
def largest_learning_rate():
    """01.3: answer(A (n, d)) returns the largest stable learning rate for mean((A @ theta - y)**2), a float."""
    rng = np.random.default_rng(13)
    for n, d in ((8, 3), (20, 2), (30, 1)):
        A = rng.normal(size=(n, d)) * rng.uniform(0.5, 3, size=d)
        curvatures = np.linalg.eigvalsh(2 * A.T @ A / n)
        low, high = curvatures[0], curvatures[-1]
        yield Case(
            (A,),
            2 / high,
            [
                (
                    1 / high,
                    "1 over the largest curvature is the best rate for that one direction; the limit is twice that.",
                ),
                (2 / low, "this uses the smallest curvature. The steepest direction diverges first."),
                (
                    2 / (low + high),
                    "this is the fastest rate, 2 / (smallest + largest curvature). Asked is the limit of stability.",
                ),
                (4 / high, "the second derivative of a square brings a factor 2: the Hessian is 2 / n * A.T @ A."),
                (2 / (high * n), "the loss is a mean: divide A.T @ A by the number of rows."),
                (
                    2 / curvatures.sum(),
                    "this uses the trace, the sum of all curvatures; the largest one alone decides.",
                ),
            ],
            f"for a matrix of shape ({n}, {d}) it should be {2 / high:.4f}, got {{got:.4f}}.",
            rtol=1e-5,
        )


@table
def adam_step():
    """01.4: answer(w, g, m, v, t) with arrays (d,) and step t = 1, 2, ... returns the new (w, m, v)."""
    rng = np.random.default_rng(14)
    rate, beta1, beta2, epsilon = 0.001, 0.9, 0.999, 1e-7
    for t in (1, 2, 10):
        w, g, m, v = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.uniform(0.1, 1, size=3)
        if t == 1:
            g, m, v = np.abs(g), np.zeros(3), np.zeros(3)
        w *= rate  # as large as a step, so that the tolerance is one of the step
        new_m, new_v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2

        def moved(power, sign=-1, root=np.sqrt, w=w, m=new_m, v=new_v):
            m_hat, v_hat = m / (1 - beta1**power), v / (1 - beta2**power)
            return w + sign * rate * m_hat / (root(v_hat) + epsilon)

        right = moved(t)
        uncorrected = w - rate * new_m / (np.sqrt(new_v) + epsilon)
        yield Case(
            (w, g, m, v, t),
            (right, new_m, new_v),
            [
                ((moved(t, sign=1), new_m, new_v), "the step goes uphill: subtract it."),
                (
                    (uncorrected, new_m, new_v),
                    "the bias correction is missing: divide m by 1 - beta1**t and v by 1 - beta2**t.",
                ),
                ((moved(t + 1), new_m, new_v), "t counts from 1 here; do not add 1 to it."),
                ((moved(t, root=lambda v: v), new_m, new_v), "take the square root of the corrected v."),
                (
                    (..., new_m, new_v),
                    f"m and v are right, w is not at step {t}. Its step is -rate * m_hat / (sqrt(v_hat) + epsilon).",
                ),
                ((..., new_m, beta2 * v + (1 - beta2) * g), "v averages the squares of the gradient: g**2, not g."),
                ((..., new_m, ...), f"v is not right at step {t}: it should be beta2 * v + (1 - beta2) * g**2."),
                ((..., beta1 * m + g, ...), "m is an average: the new gradient enters with weight 1 - beta1, not 1."),
                ((..., (1 - beta1) * m + beta1 * g, ...), "in m, beta1 and 1 - beta1 are exchanged."),
            ],
            f"m is not right at step {t}: it should be beta1 * m + (1 - beta1) * g.",
            rtol=1e-5,
        )


# A function, no table: a training may end anywhere near the lowest loss.
def mini_batch_fit(answer):
    """01.5: answer(X (n, d), y (n,), rng) returns (w (d,), b) within 1 % of the lowest mean squared error."""
    rng = np.random.default_rng(15)
    for n, d in ((200, 2), (300, 5)):
        X = (rng.normal(size=(n, d)) - 0.5) * rng.uniform(0.5, 2, size=d)
        y = X @ rng.normal(size=d) + 3 + 0.3 * rng.normal(size=n)
        w, b = ask(answer, X, y, np.random.default_rng(1), like=(X[0], 0.0))
        A = np.c_[X, np.ones(n)]
        best = np.mean((A @ np.linalg.lstsq(A, y, rcond=None)[0] - y) ** 2)
        loss = np.mean((X @ w + b - y) ** 2)
        if loss <= 1.01 * best:
            continue
        if np.var(X @ w - y) <= 1.01 * best:
            raise Hint("the weights are right, the bias is not. Is it updated too, and does it undo the centring?")
        if loss > np.mean(y**2):
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
    "01.2": mse_gradient,
    "01.3": largest_learning_rate,
    "01.4": adam_step,
    "01.5": mini_batch_fit,
}
