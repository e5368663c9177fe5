"""Graders for chapter 03, the multilayer perceptron in Keras."""

import itertools

import numpy as np

from .engine import Case, Hint, NotFinite, WrongShape, call, near, numbers, table


@table
def loss_from_logits():
    """03.1: answer(logits (n, K), labels (n,)) returns the mean cross-entropy, a float, from any logits."""
    rng = np.random.default_rng(31)
    for n, classes in ((5, 4), (1, 3), (8, 10)):
        logits, labels = 2 * rng.normal(size=(n, classes)) + 3, rng.integers(0, classes, n)
        largest = logits.max(axis=1)
        without = np.log(np.exp(logits - largest[:, None]).sum(axis=1))  # ln of the sum, less the largest logit
        of_truth = logits[np.arange(n), labels]
        each = largest + without - of_truth
        right = each.mean()
        down = np.log(np.exp(logits).sum(axis=0))[labels]
        yield Case(
            (logits, labels),
            right,
            [
                (-right, "the sign is the wrong way round: a loss is minus a logarithm of a probability."),
                (right * n, "this is the sum over the examples; asked is their mean."),
                (right / classes, "this divides by the number of classes too: an example has one right class."),
                (right / np.log(2), "this is in bits: the logarithm is the natural one, np.log."),
                (
                    np.mean(largest + without),
                    "the logit of the right class is left out: subtract it from the logarithm of the sum.",
                ),
                (
                    np.mean(without - of_truth),
                    "the largest logit was subtracted inside the exponential; add it again outside the logarithm.",
                ),
                (
                    np.mean(down - of_truth),
                    "the sum runs over the examples. Softmax is over the classes of one example, axis 1.",
                ),
                (-np.exp(-each).mean(), "this is minus the probability; the loss is minus its logarithm."),
            ],
            f"for logits {logits[0].round(2).tolist()} and class {labels[0]} alone it should be {each[0]:.4f}.",
        )
    extreme = (
        ("(200, 0), in single precision", np.array([[200, 0]], np.float32), 200),
        ("(2000, 0) and (0, -2000)", np.array([[2000.0, 0], [0, -2000]]), 2000),
    )
    for name, logits, right in extreme:
        yield Case(
            (logits, np.ones(len(logits), int)),
            right,
            [
                (
                    NotFinite,
                    f"right for small logits; for {name}, and the second class, it returns NaN or infinity. The "
                    "exponential overflows, or a probability is rounded to zero before its logarithm: subtract from "
                    "each row its own largest logit, and take no softmax in between.",
                )
            ],
            f"right for small logits; for {name}, and the second class, it should be {right:,}, not "
            "{got:.1f}. Softmax first loses a small probability: it is rounded to zero, or clipped. Take "
            "the logarithm of the sum, less the logit.",
            rtol=1e-5,
        )


@table
def prepare():
    """03.2: answer(pictures (n, 28, 28) uint8) returns rows (n, 784) in 0..1."""
    rng = np.random.default_rng(32)
    dim = rng.integers(0, 100, (4, 28, 28)).astype(np.uint8)  # no pixel is 255 here
    for pictures in (rng.integers(0, 256, (5, 28, 28)).astype(np.uint8), dim, dim[:1]):
        n = len(pictures)
        right = pictures.reshape(n, 784) / 255

        def shuffled(got, right=right):
            return near(np.sort(got, axis=None), np.sort(right, axis=None), 1e-5)

        yield Case(
            (pictures,),
            right,
            [
                (
                    WrongShape((n, 28, 28)),
                    "these are still pictures of 28 rows: lay the rows of each one end to end, (n, 784).",
                ),
                (WrongShape((784, n)), "examples are rows: this has one example in each column."),
                (
                    WrongShape((784 * n,)),
                    "this runs all pictures together. Keep the first axis, one row for each picture.",
                ),
                (WrongShape, f"{n} pictures should become shape {right.shape}, not {{got.shape}}."),
                (right * 255, "the pixels are still in 0..255. Divide by 255."),
                (
                    lambda got: not np.any((got > 0) & (got < 1)),
                    "only whole numbers are left: an integer division, or a cast back to bytes.",
                ),
                (right * 255 / 256, "the largest byte is 255, not 256; full ink should become exactly 1."),
                (
                    right * 255 / pictures.max(),
                    "this divides by the largest pixel of the batch, so a picture's row depends on its neighbours. "
                    "Divide by 255, always.",
                ),
                (1 - right, "ink and paper are exchanged: 0 should stay 0."),
                (2 * right - 1, "this maps to -1..1. Asked is 0..1."),
                (
                    pictures.transpose(0, 2, 1).reshape(n, 784) / 255,
                    "the pixels are read by columns; lay the *rows* of a picture end to end.",
                ),
                (shuffled, "the right pixels in wrong places: reshape without transposing."),
            ],
            "shape is right, values are not. Divide bytes by 255 and reshape, nothing else.",
            rtol=1e-5,
        )


# A function, no table: which examples come into which set is random.
def three_sets(answer):
    """03.3: answer(n, validation, test, rng) returns index arrays (training, validation, test) that share nothing."""
    names = ("training", "validation", "test")
    for n, validation, test, seed in ((100, 20, 10, 1), (57, 5, 13, 2)):
        sizes = (n - validation - test, validation, test)
        parts = _index_arrays(answer, n, validation, test, np.random.default_rng(seed))
        seen = tuple(len(part) for part in parts)
        together = np.concatenate(parts)
        for name, part in zip(names, parts, strict=True):
            if len(part) and (part.min() < 0 or part.max() >= n):
                raise Hint(f"an index of the {name} set lies outside 0..{n - 1}.")
            if len(np.unique(part)) < len(part):
                raise Hint(f"an example is twice in the {name} set: draw without putting back (rng.permutation).")
        for a, b in itertools.combinations(range(3), 2):
            shared = len(np.intersect1d(parts[a], parts[b]))
            if shared:
                raise Hint(f"{shared} of {n} examples are both in {names[a]} and in {names[b]}.")
        if seen != sizes:
            if sorted(seen) == sorted(sizes):
                raise Hint(f"the sizes are {seen}: the order should be training, validation, test.")
            if len(together) < n:
                raise Hint(f"{n - len(together)} of {n} examples are in no set. Training gets all that is left.")
            raise Hint(f"for n={n}, validation={validation}, test={test} the sizes should be {sizes}, not {seen}.")
        if all(np.array_equal(np.sort(part), np.arange(part.min(), part.max() + 1)) for part in parts):
            raise Hint("each set is a piece of the original order. Data often come sorted: shuffle first.")
        again = _index_arrays(answer, n, validation, test, np.random.default_rng(seed + 10))
        if all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True)):
            raise Hint("it ignores rng: another generator should give another division.")


def _index_arrays(answer, *args):
    """Three index arrays from an answer to 03.3, each of shape (m,)."""
    result = call(answer, *args)
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise Hint("it should return three arrays of indices, in a tuple: training, validation, test.")
    parts = [numbers(part) for part in result]
    for part, values in zip(result, parts, strict=True):
        if values.ndim != 1:
            raise Hint(f"a set should be an array of indices, of shape (m,); one has shape {values.shape}.")
        if np.asarray(part).dtype == bool:
            raise Hint("these are masks of True and False; return indices (np.flatnonzero makes them).")
        if np.any(values != np.round(values)):
            raise Hint("indices are whole numbers.")
    return [values.astype(np.int64) for values in parts]


@table
def surest_mistakes():
    """03.4: answer(logits (n, 10), labels (n,), k) returns the k wrong answers of largest probability, surest first."""
    rng = np.random.default_rng(34)
    for n, k in ((60, 4), (200, 7)):
        logits = 2 * rng.normal(size=(n, 10)) + 5 * rng.normal(size=(n, 1))  # a shift that softmax does not see
        labels = np.where(rng.random(n) < 0.5, logits.argmax(axis=1), rng.integers(0, 10, n))
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        wrong = np.flatnonzero(logits.argmax(axis=1) != labels)

        def first(order, wrong=wrong, k=k):
            return wrong[np.argsort(order[wrong], kind="stable")][:k]

        top, of_truth = p.max(axis=1), p[np.arange(n), labels]
        right = first(-top)
        yield Case(
            (logits, labels, k),
            right,
            [
                (
                    lambda got, right=right: near(np.sort(got), np.sort(right)),
                    "these are the right images in another order: the surest first.",
                ),
                (first(top), "these are the *least* confident mistakes: sort the other way round."),
                (
                    np.argsort(-top, kind="stable")[:k],
                    "right answers are among them. Keep those whose argmax differs from the label.",
                ),
                (
                    np.argsort(-top[wrong], kind="stable")[:k],
                    "these are places in the list of mistakes. Translate them back into places in the whole set.",
                ),
                (
                    first(-logits.max(axis=1)),
                    "this sorts by the largest logit. Adding 5 to all logits of an image changes no probability: "
                    "take the softmax first.",
                ),
                (
                    first(of_truth),
                    "this sorts by the probability of the true class. Asked is that of the answer given.",
                ),
                (wrong[:k], "these are the first mistakes, not the surest."),
            ],
            f"for {n} images and k={k} it should begin with {right[:3].tolist()}.",
        )


@table
def speed_up():
    """03.5: answer(batch_sizes (m,), seconds (m,), batch_size, k) returns (a, b, speed-up), three floats."""
    rng = np.random.default_rng(35)
    for fixed, each, size, k in ((1e-3, 5e-6, 16, 50), (4e-4, 2e-5, 128, 10)):
        sizes = np.array([16.0, 32, 128, 512, 1024])
        seconds = (fixed + each * sizes) * rng.uniform(0.97, 1.03, size=5)
        b, a = np.polyfit(sizes, seconds, 1)
        images = b * size
        before, after = a + images, a / k + images
        yield Case(
            (sizes, seconds, size, k),
            (a, b, before / after),
            [
                ((b, a, ...), "a and b are exchanged (np.polyfit returns the slope first)."),
                (
                    (..., np.sum(sizes * seconds) / np.sum(sizes**2), ...),
                    "this line goes through the origin: it has no fixed cost a.",
                ),
                ((a, b, after / before), "this is the share of the time that is left; the speed-up is one over it."),
                ((a, b, before / images), "the fixed cost does not vanish: it is paid once in k steps, a / k a step."),
                ((a, b, k), "only the fixed cost is shared; the images still cost b each."),
                ((a, b, (a + b) / (a / k + b)), "a step has batch_size images: they cost b * batch_size."),
                (
                    (a, b, ...),
                    "a and b are right, the speed-up is not: the time of a step before, over the time of a step after.",
                ),
            ],
            f"a and b should be {a:.3e} and {b:.3e}: a least-squares line through all {len(sizes)} points.",
            rtol=1e-4,
        )


GRADERS = {"03.1": loss_from_logits, "03.2": prepare, "03.3": three_sets, "03.4": surest_mistakes, "03.5": speed_up}
