"""Graders for chapter 01, gradient descent."""

import numpy as np

from . import Hint, ask, near


def mean_squared_error(answer):
    """01.1: answer(prediction (n,), target (n,)) returns the mean of the squared errors, a float."""
    rng = np.random.default_rng(11)
    cases = [(np.array([1.0, 2.5, 4.0]), np.array([2.0, 3.0, 5.0])), (rng.normal(size=7), rng.normal(size=7))]
    for prediction, target in cases:
        result = ask(answer, prediction, target)
        error = prediction - target
        squares = error**2
        if near(result, squares.mean()):
            continue
        if near(result, squares.sum() / 2):
            raise Hint("this is half the sum. The mean divides by the number of examples, and has no factor 1/2.")
        if near(result, squares.sum()):
            raise Hint("this is the sum. Divide by the number of examples.")
        if near(result, squares.mean() / 2):
            raise Hint("this is half the mean. Drop the factor 1/2.")
        if near(result, np.sqrt(squares.mean())):
            raise Hint("this is the root of the mean squared error. Leave out the square root.")
        if near(result, np.abs(error).mean()):
            raise Hint("this is the mean absolute error. Square the errors before you average.")
        if near(result, error.mean() ** 2) or near(result, error.mean()):
            raise Hint("errors of opposite sign cancel here. Square each error first, then average.")
        wanted = f"{squares.mean():.4f}"
        raise Hint(f"for prediction {prediction.round(2)} and target {target.round(2)} it should be {wanted}.")


def mse_gradient(answer):
    """01.2: answer(X (n, d), y (n,), w (d,), b float) returns (dw (d,), db float) of the mean squared error."""
    rng = np.random.default_rng(12)
    for n, d in ((4, 1), (6, 3), (5, 5)):
        X, y, w, b = rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=d), 0.7
        result = ask(answer, X, y, w, b, shapes=((d,), ()))
        error = X @ w + b - y
        right = [2 * X.T @ error / n, 2 * error.mean()]
        if near(result, right):
            continue
        if near(result, [-g for g in right]):
            raise Hint("the sign is reversed. The error is prediction minus target.")
        if near(result, [g * n for g in right]):
            raise Hint("you forgot to divide by the number of examples.")
        if near(result, [g / 2 for g in right]):
            raise Hint("the factor 2 from the square is missing.")
        if near(result, [g * n / 2 for g in right]):
            raise Hint("this is the gradient of the half-sum; the mean squared error has 2/n in front.")
        no_bias = X @ w - y
        if near(result, [2 * X.T @ no_bias / n, 2 * no_bias.mean()]):
            raise Hint("the prediction is X @ w + b: the bias is missing from it.")
        if near(result[0], right[0]):
            raise Hint("dw is right, db is not. The bias has the input 1 in every example.")
        if near(result[1], right[1]):
            raise Hint("db is right, dw is not. Each error is multiplied by its own example's features.")
        raise Hint(f"for X of shape ({n}, {d}) neither part is right. Start from error = X @ w + b - y, shape ({n},).")


def largest_learning_rate(answer):
    """01.3: answer(A (n, d)) returns the largest stable learning rate for mean((A @ theta - y)**2), a float."""
    rng = np.random.default_rng(13)
    for n, d in ((8, 3), (20, 2), (30, 1)):
        A = rng.normal(size=(n, d)) * rng.uniform(0.5, 3, size=d)
        result = ask(answer, A)
        curvatures = np.linalg.eigvalsh(2 * A.T @ A / n)
        low, high = curvatures[0], curvatures[-1]
        if near(result, 2 / high, 1e-5):
            continue
        if near(result, 1 / high, 1e-5):
            raise Hint("1 over the largest curvature is the best rate for that one direction; the limit is twice that.")
        if d > 1 and near(result, 2 / low, 1e-5):
            raise Hint("this uses the smallest curvature. The steepest direction diverges first.")
        if d > 1 and near(result, 2 / (low + high), 1e-5):
            raise Hint("this is the fastest rate, 2 / (smallest + largest curvature). Asked is the limit of stability.")
        if near(result, 4 / high, 1e-5):
            raise Hint("the second derivative of a square brings a factor 2: the Hessian is 2 / n * A.T @ A.")
        if near(result, 2 / (high * n), 1e-5):
            raise Hint("the loss is a mean: divide A.T @ A by the number of rows.")
        if d > 1 and near(result, 2 / curvatures.sum(), 1e-5):
            raise Hint("this uses the trace, the sum of all curvatures; the largest one alone decides.")
        raise Hint(f"for a matrix of shape ({n}, {d}) it should be {2 / high:.4f}, got {float(result):.4f}.")


def adam_step(answer):
    """01.4: answer(w, g, m, v, t) with arrays (d,) and step t = 1, 2, ... returns the new (w, m, v)."""
    rng = np.random.default_rng(14)
    rate, beta1, beta2, epsilon = 0.001, 0.9, 0.999, 1e-7
    for t in (1, 2, 10):
        w, g, m, v = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.uniform(0.1, 1, size=3)
        if t == 1:
            g, m, v = np.abs(g), np.zeros(3), np.zeros(3)
        new_w, new_m, new_v = ask(answer, w, g, m, v, t, shapes=((3,), (3,), (3,)))
        right_m, right_v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2

        def moved(power, m=right_m, v=right_v):
            return -rate * (m / (1 - beta1**power)) / (np.sqrt(v / (1 - beta2**power)) + epsilon)

        if not near(new_m, right_m):
            if near(new_m, beta1 * m + g):
                raise Hint("m is an average: the new gradient enters with weight 1 - beta1, not 1.")
            if near(new_m, (1 - beta1) * m + beta1 * g):
                raise Hint("in m, beta1 and 1 - beta1 are exchanged.")
            raise Hint(f"m is not right at step {t}: it should be beta1 * m + (1 - beta1) * g.")
        if not near(new_v, right_v):
            if near(new_v, beta2 * v + (1 - beta2) * g):
                raise Hint("v averages the squares of the gradient: g**2, not g.")
            raise Hint(f"v is not right at step {t}: it should be beta2 * v + (1 - beta2) * g**2.")
        step = new_w - w
        if near(step, moved(t), 1e-4):
            continue
        if near(step, -moved(t), 1e-4):
            raise Hint("the step goes uphill: subtract it.")
        if near(step, -rate * right_m / (np.sqrt(right_v) + epsilon), 1e-4):
            raise Hint("the bias correction is missing: divide m by 1 - beta1**t and v by 1 - beta2**t.")
        if near(step, moved(t + 1), 1e-4):
            raise Hint("t counts from 1 here; do not add 1 to it.")
        corrected_m, corrected_v = right_m / (1 - beta1**t), right_v / (1 - beta2**t)
        if near(step, -rate * corrected_m / (corrected_v + epsilon), 1e-4):
            raise Hint("take the square root of the corrected v.")
        raise Hint(f"m and v are right, w is not at step {t}. Its step is -rate * m_hat / (sqrt(v_hat) + epsilon).")


def mini_batch_fit(answer):
    """01.5: answer(X (n, d), y (n,), rng) returns (w (d,), b) within 1 % of the lowest mean squared error."""
    rng = np.random.default_rng(15)
    for n, d in ((200, 2), (300, 5)):
        X = (rng.normal(size=(n, d)) - 0.5) * rng.uniform(0.5, 2, size=d)
        y = X @ rng.normal(size=d) + 3 + 0.3 * rng.normal(size=n)
        w, b = ask(answer, X, y, np.random.default_rng(1), shapes=((d,), ()))
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
