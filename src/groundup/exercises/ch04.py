"""Graders for chapter 04, regularization."""

import numpy as np

from .engine import Case, Hint, ask, first_off, near, table


@table
def predictions():
    """04.1: answer() returns where a weight of 1 ends in five cases; the learning rate is 0.1, no data gradient."""
    right = (0.9**20, 0.95**20, 0.0, 0.04, 0.9)
    twice = "a: the derivative of w**2 is 2 * w, so a step multiplies the weight by 1 - 2 * 0.1 * 0.5."
    crossed = (
        "goes through zero and on. Past zero the sign of the weight has changed, and with it that of the gradient."
    )
    yield Case(
        (),
        right,
        [
            ((0.95**20, ..., ..., ..., ...), twice),
            ((1 - 20 * 0.1, ..., ..., ..., ...), "a: the pull of L2 becomes weaker as the weight becomes smaller."),
            (
                (..., 0.9**20, ..., ..., ...),
                "b: decay multiplies by 1 - 0.1 * 0.5. The 2 belongs to the derivative of L2.",
            ),
            ((..., ..., 1 - 20 * 0.08, ..., ...), "c: the proximal step stops at zero."),
            (
                (..., ..., 0.04, ..., ...),
                "c: in step 13 the threshold is larger than the weight, and the weight becomes 0.",
            ),
            ((..., ..., ..., 1 - 20 * 0.08, ...), f"d: here the weight {crossed}"),
            ((..., ..., ..., 0.0, ...), "d: a plain step of 0.08 jumps over zero. Where from, and where to?"),
            ((..., ..., ..., -0.04, ...), "d: count the jumps: after 12 steps the weight is 0.04. Where after 20?"),
            ((..., ..., ..., ..., 1 - 0.1 * 2 * 0.001), "e: Adam divides the gradient by its own size."),
            ((..., ..., ..., ..., 0.0), "e: one step of Adam is about as long as the learning rate."),
        ],
        first_off(right, "Write down the first two steps.", ".2f", rtol=0, atol=0.005),
        rtol=0,
        atol=0.005,
    )


# A function, no table: what counts is which sets it uses, and how often.
def tuning(answer):
    """04.2: answer(fit, loss, training, validation, test, lambdas) returns (chosen lambda, its loss on test)."""
    lambdas = [0.1, 0.3, 1.0, 3.0, 10.0]
    losses = {
        "training": [0.1, 0.2, 0.4, 0.7, 1.3],
        "validation": [0.9, 0.7, 0.6, 0.8, 1.5],
        "test": [0.95, 0.85, 0.75, 0.65, 1.4],
    }
    used = {name: 0 for name in losses}
    fitted = []

    def fit(data, lam):
        fitted.append(data)
        return lam

    def loss(model, data):
        used[data] += 1
        return losses[data][lambdas.index(model)]

    chosen, reported = ask(answer, fit, loss, "training", "validation", "test", lambdas, like=(0.0, 0.0))
    at = int(np.argmin(np.abs(np.array(lambdas) - chosen)))
    if set(fitted) - {"training"}:
        raise Hint("a model was fitted to validation or test data. Only the training set fits models here.")
    if not near(chosen, lambdas[at]):
        raise Hint(f"it should return one of the values of λ and a loss; the first number is {float(chosen):g}.")
    if at == len(lambdas) - 1:
        raise Hint("this is the λ with the largest loss. A loss should be small.")
    if used["test"] > 1:
        raise Hint(f"the test set was used {used['test']} times. Once is enough, for the model that was chosen.")
    if at == int(np.argmin(losses["training"])):
        raise Hint("this λ has the lowest loss in training. The training loss always chooses the weakest penalty.")
    if at != int(np.argmin(losses["validation"])):
        raise Hint("this is not the λ with the lowest validation loss.")
    if near(reported, losses["validation"][at]):
        raise Hint(
            "the λ is right. But its validation loss was chosen for being low: report a loss that no choice saw."
        )
    if not near(reported, losses["test"][at]):
        raise Hint("the λ is right. Report the loss of the model with this λ on the test set.")


# A function, no table: the answer calls a function that it is given.
def ablation(answer):
    """04.3: answer(settings, loss) returns how much the loss rises without each part, (len(settings),)."""
    for settings in (
        {"shift": 1, "dropout": 0.1, "decay": 0.3},
        {"decay": 1.0, "L1": 0.001, "shift": 2, "dropout": 0.4},
    ):
        names = list(settings)

        def loss(chosen, names=names):
            if not isinstance(chosen, dict):
                raise TypeError("loss takes a dict of settings")
            return _fake_loss([bool(chosen.get(name)) for name in names])

        got = ask(answer, settings, loss, like=np.zeros(len(names)))
        on = np.eye(len(names), dtype=bool)
        whole, nothing = _fake_loss([True] * len(names)), _fake_loss([False] * len(names))
        without = np.array([_fake_loss(~row) for row in on])
        alone = np.array([_fake_loss(row) for row in on])
        steps = [_fake_loss([i > k for i in range(len(names))]) for k in range(len(names))]
        if near(got, without - whole):
            continue
        if near(got, whole - without):
            raise Hint("the sign is reversed. If the loss rises without a part, its number is positive.")
        if near(got, without):
            raise Hint("these are the losses without each part. Subtract the loss of the whole.")
        if near(got, nothing - alone) or near(got, alone - nothing):
            raise Hint(
                "this adds one part at a time to nothing. Asked is what is missing when one part is taken from the "
                "whole; parts that do the same work make the two differ."
            )
        if near(got, np.array(steps) - whole) or near(got, np.diff([whole, *steps])):
            raise Hint("the parts stay switched off: each was taken away together with those before it.")
        if near(got, np.zeros(len(names))):
            raise Hint("nothing changes. Does the loss get settings in which the part is 0?")
        raise Hint(
            f"for {', '.join(names)} the loss of the whole is {whole:.3f}, without {names[0]} {without[0]:.3f}; "
            f"the first number should be {without[0] - whole:.3f}, it is {got[0]:.3f}."
        )


def _fake_loss(on):
    """A loss for parts that are on or off: each helps, and less when others do."""
    gains = np.array([0.05, 0.03, 0.07, 0.02])[: len(on)] * np.asarray(on)
    return 0.6 - gains.sum() + 0.2 * (gains.sum() ** 2 - np.sum(gains**2)) ** 0.5


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
                "data that were held out. If you did, your list of λ ends too early: the best may be above 1."
            )
        if np.linalg.norm(w) < 0.1 * np.linalg.norm(fits[errors.argmin()]):
            raise Hint("the weights are close to zero: the penalty is much too large for these data.")
        off = np.linalg.norm(fits - w, axis=1) / np.linalg.norm(fits, axis=1)
        if off.min() < 0.05:
            raise Hint(
                f"a ridge fit with λ near {lambdas[off.argmin()]:.2g}, and on new data its error is {ratio:.2f} "
                "times the lowest; 1.15 is allowed. Choose λ anew for each data set, by cross-validation, from a list "
                "that is fine enough and goes on past the best."
            )
        raise Hint(
            f"on new data the error is {ratio:.2f} times that of the best ridge fit; 1.15 is allowed. Solve "
            "(X.T @ X / n + lam * I) w = X.T @ y / n for several λ, and choose."
        )


GRADERS = {
    "04.1": predictions,
    "04.2": tuning,
    "04.3": ablation,
    "04.4": early_stop,
    "04.5": ridge_fit,
}
