"""Graders for chapter 03, the multilayer perceptron in Keras."""

import itertools

import numpy as np

from . import Hint, ask, near


def loss_from_logits(answer):
    """03.1: answer(logits (n, K), labels (n,)) returns the mean cross-entropy, a float, from any logits."""
    rng = np.random.default_rng(31)
    for n, classes in ((5, 4), (1, 3), (8, 10)):
        logits, labels = 2 * rng.normal(size=(n, classes)) + 3, rng.integers(0, classes, n)
        largest = logits.max(axis=1)
        without = np.log(np.exp(logits - largest[:, None]).sum(axis=1))  # ln of the sum, less the largest logit
        of_truth = logits[np.arange(n), labels]
        right = np.mean(largest + without - of_truth)
        down = np.log(np.exp(logits).sum(axis=0))[labels]
        result = ask(answer, logits, labels)
        if near(result, right):
            continue
        if near(result, -right):
            raise Hint("the sign is the wrong way round: a loss is minus a logarithm of a probability.")
        if near(result, right * n):
            raise Hint("this is the sum over the examples; asked is their mean.")
        if near(result, right / classes):
            raise Hint("this divides by the number of classes too: an example has one right class.")
        if near(result, right / np.log(2)):
            raise Hint("this is in bits: the logarithm is the natural one, np.log.")
        if near(result, np.mean(largest + without)):
            raise Hint("the logit of the right class is left out: subtract it from the logarithm of the sum.")
        if near(result, np.mean(without - of_truth)):
            raise Hint("the largest logit was subtracted inside the exponential; add it again outside the logarithm.")
        if near(result, np.mean(down - of_truth)):
            raise Hint("the sum runs over the examples. Softmax is over the classes of one example, axis 1.")
        if near(result, -np.mean(np.exp(of_truth - largest - without))):
            raise Hint("this is minus the probability; the loss is minus its logarithm.")
        raise Hint(
            f"for logits {logits[0].round(2).tolist()} and class {labels[0]} alone it should be "
            f"{(largest + without - of_truth)[0]:.4f}."
        )
    extreme = (
        ("(200, 0), in single precision", np.array([[200, 0]], np.float32), 200),
        ("(2000, 0) and (0, -2000)", np.array([[2000.0, 0], [0, -2000]]), 2000),
    )
    for name, logits, right in extreme:
        try:
            result = ask(answer, logits, np.ones(len(logits), int))
        except Hint as hint:
            if "NaN or infinity" not in str(hint):
                raise
            raise Hint(
                f"right for small logits; for {name}, and the second class, it returns NaN or infinity. The "
                "exponential overflows, or a probability is rounded to zero before its logarithm: subtract from "
                "each row its own largest logit, and take no softmax in between."
            ) from None
        if near(result, right, 1e-5):
            continue
        raise Hint(
            f"right for small logits; for {name}, and the second class, it should be {right:,}, not "
            f"{result:.1f}. Softmax first loses a small probability: it is rounded to zero, or clipped. Take "
            "the logarithm of the sum, less the logit."
        )


def prepare(answer):
    """03.2: answer(pictures (n, 28, 28) uint8) returns rows (n, 784) in 0..1."""
    rng = np.random.default_rng(32)
    dim = rng.integers(0, 100, (4, 28, 28)).astype(np.uint8)  # no pixel is 255 here
    for pictures in (rng.integers(0, 256, (5, 28, 28)).astype(np.uint8), dim, dim[:1]):
        n = len(pictures)
        result = _numbers(_ask_for_any_shape(answer, pictures)).astype(np.float64)
        right = pictures.reshape(n, 784) / 255
        if result.shape != right.shape:
            if result.shape == pictures.shape:
                raise Hint("these are still pictures of 28 rows: lay the rows of each one end to end, (n, 784).")
            if result.shape == (784, n):
                raise Hint("examples are rows: this has one example in each column.")
            if result.shape == (784 * n,):
                raise Hint("this runs all pictures together. Keep the first axis, one row for each picture.")
            raise Hint(f"{n} pictures should become shape {right.shape}, not {result.shape}.")
        if near(result, right, 1e-5):
            continue
        if near(result, pictures.reshape(n, 784)):
            raise Hint("the pixels are still in 0..255. Divide by 255.")
        if not np.any((result > 0) & (result < 1)):
            raise Hint("only whole numbers are left: an integer division, or a cast back to bytes.")
        if near(result, right * 255 / 256, 1e-5):
            raise Hint("the largest byte is 255, not 256; full ink should become exactly 1.")
        if near(result, right * 255 / pictures.max(), 1e-5):
            raise Hint(
                "this divides by the largest pixel of the batch, so a picture's row depends on its neighbours. "
                "Divide by 255, always."
            )
        if near(result, 1 - right, 1e-5):
            raise Hint("ink and paper are exchanged: 0 should stay 0.")
        if near(result, 2 * right - 1, 1e-5):
            raise Hint("this maps to -1..1. Asked is 0..1.")
        if near(result, pictures.transpose(0, 2, 1).reshape(n, 784) / 255, 1e-5):
            raise Hint("the pixels are read by columns; lay the *rows* of a picture end to end.")
        if near(np.sort(result, axis=None), np.sort(right, axis=None), 1e-5):
            raise Hint("the right pixels in wrong places: reshape without transposing.")
        raise Hint("shape is right, values are not. Divide bytes by 255 and reshape, nothing else.")


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


def surest_mistakes(answer):
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
        result = ask(answer, logits, labels, k, shapes=((k,),))
        right = first(-top)
        if np.array_equal(result, right):
            continue
        if np.array_equal(np.sort(result), np.sort(right)):
            raise Hint("these are the right images in another order: the surest first.")
        if np.array_equal(result, first(top)):
            raise Hint("these are the *least* confident mistakes: sort the other way round.")
        if np.array_equal(result, np.argsort(-top, kind="stable")[:k]):
            raise Hint("right answers are among them. Keep those whose argmax differs from the label.")
        if np.array_equal(result, np.argsort(-top[wrong], kind="stable")[:k]):
            raise Hint("these are places in the list of mistakes. Translate them back into places in the whole set.")
        if np.array_equal(result, first(-logits.max(axis=1))):
            raise Hint(
                "this sorts by the largest logit. Adding 5 to all logits of an image changes no probability: "
                "take the softmax first."
            )
        if np.array_equal(result, first(of_truth)):
            raise Hint("this sorts by the probability of the true class. Asked is that of the answer given.")
        if np.array_equal(result, wrong[:k]):
            raise Hint("these are the first mistakes, not the surest.")
        raise Hint(f"for {n} images and k={k} it should begin with {right[:3].tolist()}.")


def speed_up(answer):
    """03.5: answer(batch_sizes (m,), seconds (m,), batch_size, k) returns (a, b, speed-up), three floats."""
    rng = np.random.default_rng(35)
    for fixed, each, size, k in ((1e-3, 5e-6, 16, 50), (4e-4, 2e-5, 128, 10)):
        sizes = np.array([16.0, 32, 128, 512, 1024])
        seconds = (fixed + each * sizes) * rng.uniform(0.97, 1.03, size=5)
        result = ask(answer, sizes, seconds, size, k, shapes=((), (), ()))
        b, a = np.polyfit(sizes, seconds, 1)

        def ratio(overhead, a=a, b=b, size=size):
            return (a + b * size) / (overhead + b * size)

        if near(result[:2], [b, a], 1e-4):
            raise Hint("a and b are exchanged (np.polyfit returns the slope first).")
        if near(result[1], np.sum(sizes * seconds) / np.sum(sizes**2), 1e-4):
            raise Hint("this line goes through the origin: it has no fixed cost a.")
        if not near(result[:2], [a, b], 1e-4):
            raise Hint(f"a and b should be {a:.3e} and {b:.3e}: a least-squares line through all {len(sizes)} points.")
        if near(result[2], ratio(a / k), 1e-4):
            continue
        if near(result[2], 1 / ratio(a / k), 1e-4):
            raise Hint("this is the share of the time that is left; the speed-up is one over it.")
        if near(result[2], ratio(0), 1e-4):
            raise Hint("the fixed cost does not vanish: it is paid once in k steps, a / k a step.")
        if near(result[2], k, 1e-4):
            raise Hint("only the fixed cost is shared; the images still cost b each.")
        if near(result[2], (a + b * size) / (a / k + b * size / k), 1e-4):
            raise Hint("only the fixed cost is divided by k; the images still cost b each.")
        if near(result[2], (a + b) / (a / k + b), 1e-4):
            raise Hint("a step has batch_size images: they cost b * batch_size.")
        raise Hint("a and b are right, the speed-up is not: the time of a step before, over the time of a step after.")


def _ask_for_any_shape(answer, *args):
    """What `ask` returns for an answer whose result may be anything; the result itself, unchecked."""
    kept = []

    def relay(*args):
        result = answer(*args)
        if result is None or result is ...:
            return result
        kept.append(result)
        return 0.0

    ask(relay if callable(answer) else answer, *args)
    return kept[0]


def _numbers(value):
    """A value as an array without NaN or infinity, or a hint."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise Hint("it should return arrays of numbers; these are ragged.") from None
    if array.dtype.kind not in "biuf":
        raise Hint(f"it should return arrays of numbers; this is a {type(value).__name__}.")
    if not np.isfinite(array).all():
        raise Hint("it returned NaN or infinity.")
    return array


def _index_arrays(answer, *args):
    """Three index arrays from an answer to 03.3, each of shape (m,)."""
    result = _ask_for_any_shape(answer, *args)
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise Hint("it should return three arrays of indices, in a tuple: training, validation, test.")
    parts = [_numbers(part) for part in result]
    for part in parts:
        if part.ndim != 1:
            raise Hint(f"a set should be an array of indices, of shape (m,); one has shape {part.shape}.")
        if part.dtype.kind == "b":
            raise Hint("these are masks of True and False; return indices (np.flatnonzero makes them).")
        if np.any(part != np.round(part)):
            raise Hint("indices are whole numbers.")
    return [part.astype(np.int64) for part in parts]


GRADERS = {
    "03.1": loss_from_logits,
    "03.2": prepare,
    "03.3": three_sets,
    "03.4": surest_mistakes,
    "03.5": speed_up,
}
