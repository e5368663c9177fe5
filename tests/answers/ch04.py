"""Answers to the exercises of chapter 04: solutions, and mistakes with words of the hint that each must get."""

import numpy as np


def predict(a=0.9**20, b=0.95**20, c=0.0, d=0.04, e=0.9):
    return lambda: (a, b, c, d, e)


def tune(fit, loss, training, validation, test, lambdas, by=None, pick=np.argmin, report=None, fitted=None):
    models = [fit(fitted or training, lam) for lam in lambdas]
    i = int(pick([loss(model, by or validation) for model in models]))
    return lambdas[i], loss(models[i], report or test)


def printed(fit, loss, training, validation, test, lambdas):
    losses = [loss(fit(training, lam), test) for lam in lambdas]
    best = lambdas[int(np.argmax(losses))]
    return best, losses[lambdas.index(best)]


def ablate(settings, loss):
    return np.array([loss(settings | {part: 0}) - loss(settings) for part in settings])


def ablate_in_turn(settings, loss):
    left, whole, found = dict(settings), loss(settings), []
    for part in settings:
        left[part] = 0
        found.append(loss(left) - whole)
    return found


def stop(losses, patience, last=False, swap=False, late=0, ties=False, total=False, previous=False, one=0):
    best, waited = 0, 0
    for epoch in range(1, len(losses)):
        bar = losses[epoch - 1] if previous else losses[best]
        if losses[epoch] < bar or (ties and losses[epoch] == bar):
            best, waited = epoch, waited if total else 0
        else:
            waited += 1
        if waited >= patience + late:
            break
    result = (epoch if last else best) + one, epoch + one
    return result[::-1] if swap else result


def ridge(X, y, lam):
    return np.linalg.solve(X.T @ X / len(y) + lam * np.eye(X.shape[1]), X.T @ y / len(y))


def fit(X, y, rng, folds=5, by_training=False):
    lambdas, parts = np.geomspace(1e-3, 30, 30), np.array_split(rng.permutation(len(y)), folds)

    def ridges(X, y):
        values, vectors = np.linalg.eigh(X.T @ X / len(y))
        return (vectors.T @ X.T @ y / len(y) / (values + lambdas[:, None])) @ vectors.T

    def errors(w, rows):
        return np.sum((w @ X[rows].T - y[rows]) ** 2, axis=1)

    if by_training:
        total = errors(ridges(X, y), slice(None))
    else:
        total = sum(errors(ridges(np.delete(X, rows, 0), np.delete(y, rows)), rows) for rows in parts)
    return ridge(X, y, lambdas[np.argmin(total)])


SOLUTIONS = {
    "04.1": predict(),
    "04.2": tune,
    "04.3": ablate,
    "04.4": stop,
    "04.5": fit,
}

MISTAKES = [
    ("04.1", predict(a=0.95**20), "2 * w"),
    ("04.1", predict(a=-1.0), "weaker"),
    ("04.1", predict(b=0.9**20), "belongs to the derivative"),
    ("04.1", predict(c=-0.6), "stops at zero"),
    ("04.1", predict(c=0.04), "step 13"),
    ("04.1", predict(d=-0.6), "through zero"),
    ("04.1", predict(d=0.0), "jumps over"),
    ("04.1", predict(d=-0.04), "count the jumps"),
    ("04.1", predict(e=1.0), "own size"),
    ("04.1", predict(e=0.0), "learning rate"),
    ("04.1", predict(b=0.5), "b: 0.50 is off"),
    ("04.2", printed, "largest loss"),
    ("04.2", lambda *a: tune(*a, by=a[4]), "5 times|6 times"),
    ("04.2", lambda *a: tune(*a, by=a[2]), "weakest penalty"),
    ("04.2", lambda *a: tune(*a, pick=np.argmax), "largest loss"),
    ("04.2", lambda *a: tune(*a, report=a[3]), "no choice saw"),
    ("04.2", lambda *a: tune(*a, report=a[2]), "on the test set"),
    ("04.2", lambda *a: tune(*a, fitted=a[3]), "was fitted"),
    ("04.2", lambda *a: tune(*a, pick=lambda losses: 1), "not the λ"),
    ("04.2", lambda *a: (0.5, 0.75), "one of the values"),
    ("04.3", lambda s, loss: -ablate(s, loss), "reversed"),
    ("04.3", lambda s, loss: [loss(s | {part: 0}) for part in s], "Subtract"),
    ("04.3", lambda s, loss: [loss({}) - loss({part: s[part]}) for part in s], "to nothing"),
    ("04.3", ablate_in_turn, "stay switched off"),
    ("04.3", lambda s, loss: [loss(s) - loss(s) for part in s], "nothing changes"),
    ("04.3", lambda s, loss: [1.0 for part in s], "the first number should be"),
    ("04.4", lambda losses, p: stop(losses, p, last=True), "last epoch twice"),
    ("04.4", lambda losses, p: stop(losses, p, swap=True), "exchanged"),
    ("04.4", lambda losses, p: stop(losses, p, one=1), "count the epochs from 0"),
    ("04.4", lambda losses, p: stop(losses, p, late=1), "too late"),
    ("04.4", lambda losses, p: stop(losses, p, late=-1), "too early"),
    ("04.4", lambda losses, p: stop(losses, p, ties=True), "not <="),
    ("04.4", lambda losses, p: stop(losses, p, total=True), "over the whole run"),
    ("04.4", lambda losses, p: stop(losses, p, previous=True), "lowest so far"),
    ("04.4", lambda losses, p: (int(np.argmin(losses)), stop(losses, p)[1]), "after the stop"),
    ("04.4", lambda losses, p: (0, 0), "it should be"),
    ("04.5", lambda X, y, rng: np.linalg.lstsq(X, y, rcond=None)[0], "without a penalty"),
    ("04.5", lambda X, y, rng: fit(X, y, rng, by_training=True), "held out"),
    ("04.5", lambda X, y, rng: ridge(X, y, 0.5), "anew for each data set"),
    ("04.5", lambda X, y, rng: ridge(X, y, 1e4), "close to zero"),
    ("04.5", lambda X, y, rng: -fit(X, y, rng), "and choose"),
]
