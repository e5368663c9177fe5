"""Graders for chapter 06, a classifier for a folder of pictures."""

import numpy as np

from .engine import Case, Hint, WrongShape, ask, first_off, near, table


@table
def predictions():
    """06.1: answer() returns five numbers: a side, a count, a receptive field, a corner of a map, a factor."""
    yield Case(
        (),
        (30, 4128, 11, 9, 1),
        [
            ((60, ..., ..., ..., ...), "a: 60 places fit with a stride of 1. Every second one is kept."),
            ((32, ..., ..., ..., ...), "a: 32 is with padding. Without it the kernel fits 60 times, at a stride of 1."),
            ((29.5, ..., ..., ..., ...), "a: round down before you add 1: the last window must fit whole."),
            ((31, ..., ..., ..., ...), "a: (64 - 5) / 2 is 29.5. Round it down, then add 1."),
            ((..., 4096, ..., ..., ...), "b: the biases are missing, one for each of the 32 filters."),
            ((..., 4096 + 128, ..., ..., ...), "b: one bias for each filter, that is for each channel that comes out."),
            ((..., 9 * 4096 + 32, ..., ..., ...), "b: a 1x1 kernel has one place, not nine."),
            (
                (..., ..., 7, ..., ...),
                "c: each of the last two layers adds 2 places, which are 2 pixels apart: 4 pixels.",
            ),
            (
                (..., ..., 15, ..., ...),
                "c: only the strides before a layer count. After the first one the distance stays 2.",
            ),
            ((..., ..., 9, ..., ...), "c: a layer adds (kernel - 1) times the distance, not the kernel."),
            (
                (..., ..., ..., 4, ...),
                "d: 6 pixels and a stride of 2 need only one zero in each direction, and Keras puts it to the right "
                "and the bottom.",
            ),
            ((..., ..., ..., 6, ...), "d: the one zero of each direction lies to the right and at the bottom."),
            ((..., ..., ..., ..., 4), "e: the maps grow fourfold, the weights do not: none belongs to a place."),
            ((..., ..., ..., ..., 2), "e: no weight belongs to a place. The global average leaves 128 numbers."),
        ],
        first_off((30, 4128, 11, 9, 1), "Write the formula down and put the numbers in.", "g"),
    )


# A function, no table: what counts is what was learned from and what was asked.
def measure(answer):
    """06.2: answer(images, labels, photographers, augment, learn, rng) returns the accuracy on new photographers."""
    data = np.random.default_rng(62)
    images = np.zeros((120, 2, 2, 3))
    images[:, 0, 0, 0] = np.arange(120)  # which picture this is; a version writes its number into the last pixel
    labels, photographers = data.integers(0, 3, 120), data.integers(0, 30, 120)
    answers = np.where(data.random(120) < 0.7, labels, (labels + 1) % 3)
    log = {}

    def augment(some, *others):
        log.setdefault("augmented", []).append(some[:, 0, 0, 0].astype(int))
        versions = np.repeat(some, 8, axis=0)
        versions[:, 1, 1, 2] = np.tile(np.arange(1, 9), len(some))
        return versions, *(np.repeat(each, 8) for each in others)

    def learn(some, known):
        rows = some[:, 0, 0, 0].astype(int)
        if not np.array_equal(labels[rows], known):
            raise ValueError("these labels belong to other pictures")
        log["learned"], log["versions"] = rows, some[:, 1, 1, 2].any()

        def predict(asked):
            log["asked"], log["changed"] = asked[:, 0, 0, 0].astype(int), asked[:, 1, 1, 2].any()
            return answers[log["asked"]]

        return predict

    tests = []
    for seed in (1, 2):
        log.clear()
        got = ask(answer, images, labels, photographers, augment, learn, np.random.default_rng(seed), like=0.0)
        if "learned" not in log:
            raise Hint("nothing is learned: call learn(images, labels) with the training pictures.")
        if "asked" not in log:
            raise Hint("the function that `learn` returns is never asked about the test pictures.")
        learned, asked = log["learned"], log["asked"]
        if set(learned) & set(asked):
            raise Hint("it learns from pictures that are then asked about. Learn from the training pictures alone.")
        if set(photographers[learned]) & set(photographers[asked]):
            raise Hint("pictures by one photographer are on both sides. Draw photographers, not pictures.")
        if any(set(rows) & set(asked) for rows in log.get("augmented", [])) or log["changed"]:
            raise Hint("test pictures are augmented. Split first, then augment what is learned from.")
        if not log["versions"]:
            raise Hint("it learns from the pictures as they are. Augment the training pictures.")
        share = len(set(photographers[asked])) / 30
        if not 0.1 <= share <= 0.35 or set(np.flatnonzero(np.isin(photographers, photographers[asked]))) != set(asked):
            raise Hint(f"{share:.0%} of the photographers are asked about; take a fifth, with all their pictures.")
        if not near(got, np.mean(answers[asked] == labels[asked])):
            raise Hint("the sides are right. Return the share of right answers on the test pictures.")
        tests.append(sorted(asked))
    if tests[0] == tests[1]:
        raise Hint("another rng gives the same test. Draw the photographers with it.")


@table
def occlusion():
    """06.3: answer(score, image (h, w, 3), size) returns the drop of the score for each black block."""
    rng = np.random.default_rng(63)
    for h, w, size in ((4, 6, 2), (6, 6, 3), (5, 5, 1)):
        image, weights = rng.integers(1, 256, (h, w, 3)).astype(float), rng.integers(1, 9, (h, w, 3)).astype(float)

        def score(x, weights=weights):
            if np.shape(x) != weights.shape:
                raise ValueError(f"score takes one picture of shape {weights.shape}, not {np.shape(x)}")
            return float((weights * x).sum())

        right = (weights * image).sum(axis=2).reshape(h // size, size, w // size, size).sum(axis=(1, 3))
        kept = right.sum() - right
        yield Case(
            (score, image, size),
            right,
            [
                (WrongShape((h, w)), "one number for each block, not for each pixel: the map has h/size rows."),
                (WrongShape(right.T.shape), "rows and columns are exchanged."),
                (-right, "the sign is reversed: a drop is the score before minus the score after."),
                (kept, "these are the scores of the covered pictures. Subtract them from the score before."),
                (right / score(image), "this is the share of the score. Return the drop itself."),
                (
                    right.ravel().cumsum().reshape(right.shape),
                    "the black blocks add up: begin each time with a fresh copy of the picture.",
                ),
                (right.T if h == w else ..., "rows and columns are exchanged."),
            ][: 7 if h == w else 6],
            f"for a {h}x{w} picture and blocks of {size} the first drop should be {right[0, 0]:g}.",
        )


@table
def mean_pool_backward():
    """06.4: answer(G (h, w)) returns the gradient (2h, 2w) of what was pooled by the mean of 2 x 2 blocks."""
    rng = np.random.default_rng(64)
    for h, w in ((1, 1), (2, 3), (4, 2)):
        G = rng.integers(1, 9, (h, w)).astype(float)
        spread = G.repeat(2, axis=0).repeat(2, axis=1)
        yield Case(
            (G,),
            spread / 4,
            [
                (spread, "each pixel has only a quarter of a say in the mean: divide by 4."),
                (spread / 2, "a block has four pixels, not two."),
                (
                    np.tile(G, (2, 2)) / 4,
                    "whole maps are laid side by side. Each value belongs to its own 2 x 2 block: repeat, not tile.",
                ),
                (
                    lambda got: np.count_nonzero(got) <= got.size / 4,
                    "only one pixel of each block gets something, as in max pooling. The mean shares among four.",
                ),
            ],
            f"for G = {G[0].tolist()} ... the upper left block should be {G[0, 0] / 4:g} everywhere.",
        )


# A function, no table: which object comes into which fold is random.
def folds_of_objects(answer):
    """06.5: answer(labels (n,) int, objects (n,) int, k, rng) returns the fold of each picture, (n,) in 0 .. k - 1."""
    data = np.random.default_rng(65)
    for n, k in ((300, 5), (240, 4)):
        kinds = data.integers(0, 3, n // 2)  # of each object
        objects = np.r_[np.arange(n // 2), data.integers(0, n // 2, n - n // 2)]
        order = data.permutation(n)
        objects, labels = objects[order], kinds[objects[order]]
        fold = ask(answer, labels, objects, k, np.random.default_rng(1), like=labels)
        if not np.array_equal(fold, fold.round()) or fold.min() < 0 or fold.max() >= k:
            raise Hint(f"each picture gets a whole number from 0 to {k - 1}: the fold in which it is tested.")
        if len(set(fold)) < k:
            raise Hint(f"only {len(set(fold))} of {k} folds have pictures.")
        if any(len(set(fold[objects == name])) > 1 for name in set(objects)):
            raise Hint(
                "pictures of one object lie in different folds. Deal the objects, then give each picture the "
                "fold of its object."
            )
        again = ask(answer, labels, objects, k, np.random.default_rng(2), like=labels)
        if np.array_equal(fold, again):
            raise Hint("another rng gives the same folds. Shuffle the objects with it first.")
        counts = np.array([[len(set(objects[(fold == f) & (labels == c)])) for c in range(3)] for f in range(k)])
        sizes = np.bincount(fold.astype(int), minlength=k)
        if sizes.max() > 1.8 * sizes.min():
            raise Hint(f"the folds have {sizes.tolist()} pictures. Deal the objects round like cards.")
        if np.ptp(counts, axis=0).max() > 1:
            raise Hint(
                "the classes are not spread evenly. Deal the objects of each class by themselves: their "
                "numbers should differ by one at most between folds."
            )


GRADERS = {
    "06.1": predictions,
    "06.2": measure,
    "06.3": occlusion,
    "06.4": mean_pool_backward,
    "06.5": folds_of_objects,
}
