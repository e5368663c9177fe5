"""Graders for chapter 06, a classifier for a folder of pictures."""

import numpy as np

from .engine import Case, Hint, WrongShape, ask, table


def _convolve(X, K):
    h, w = X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1
    return np.array([[np.sum(X[i : i + len(K), j : j + K.shape[1]] * K) for j in range(w)] for i in range(h)])


@table
def convolve_one():
    """06.1: answer(X (h, w), K (k, l)) returns one feature map (h - k + 1, w - l + 1), no padding, no bias."""
    rng = np.random.default_rng(61)
    for (h, w), (k, m) in (((3, 3), (2, 2)), ((5, 7), (3, 3)), ((6, 4), (3, 2))):
        X, K = rng.integers(-4, 5, (h, w)).astype(float), rng.integers(-4, 5, (k, m)).astype(float)
        right = _convolve(X, K)
        wrong = [
            (
                WrongShape((h, w)),
                "the map is as large as the picture: the kernel fits in h - k + 1 places only, without padding.",
            ),
            (
                WrongShape((h - k, w - m)),
                "the map is one row and one column too small: the last place is h - k, counted from 0.",
            ),
            (WrongShape(right.shape[::-1]), "the map is rows and columns exchanged."),
            (
                _convolve(X, K[::-1, ::-1]),
                "the kernel is flipped, as mathematicians define it. Keras lays it on as it is.",
            ),
            (right / K.size, "this is the mean of the products. Take their sum."),
            (np.maximum(right, 0), "that is after ReLU. Return the sums themselves."),
        ]
        if k == m:
            wrong.append((_convolve(X, K.T), "rows and columns of the kernel are exchanged."))
        yield Case(
            (X, K),
            right,
            wrong,
            f"for a {h}x{w} picture and a {k}x{m} kernel the first value should be {right[0, 0]:g}, "
            "got {got[0][0]:g}.",
        )


@table
def layer_size():
    """06.2: answer(side, channels, filters, kernel, stride), ints, returns (side of the output, parameters)."""
    for side, channels, filters, kernel, stride in (
        (74, 32, 64, 3, 1),
        (150, 3, 32, 3, 1),
        (51, 3, 16, 5, 2),
        (50, 8, 8, 3, 2),
    ):
        places, area = side - kernel, kernel**2
        out, weights = places // stride + 1, area * channels * filters
        count = weights + filters
        all_filters = "count all filters, and one bias for each filter."
        every_place = "the same weights serve every place: the output's side does not count."
        round_down = "the parameters are right. The last window must fit whole: round the side down."
        yield Case(
            (side, channels, filters, kernel, stride),
            (out, count),
            [
                (
                    (side - kernel + 1, count),
                    "the parameters are right. With a stride, only every second place is kept: divide.",
                ),
                (
                    (-(-side // stride), count),
                    "the parameters are right. That side is with padding; without it kernel - 1 places are lost.",
                ),
                ((places / stride + 1, count), round_down),
                ((-(-places // stride) + 1, count), round_down),
                (
                    (places // stride, count),
                    "the parameters are right. The side is one too small: the first place counts too.",
                ),
                (
                    (..., count),
                    f"the parameters are right; a side of {side} with kernel {kernel}, stride {stride} becomes {out}.",
                ),
                ((..., weights), "the biases are missing: one for each filter."),
                (
                    (..., area * filters + filters),
                    "a filter spans all channels of its input: kernel * kernel * channels weights each.",
                ),
                ((..., kernel * channels * filters + filters), "a kernel has kernel * kernel places, not kernel."),
                ((..., weights + channels), all_filters),
                ((..., area * channels + 1), all_filters),
                ((..., count * out**2), every_place),
                ((..., count * out), every_place),
            ],
            f"{filters} filters of {kernel}x{kernel} on {channels} channels have {count:,} parameters.",
        )


@table
def receptive_field():
    """06.3: answer(layers), a list of (kernel, stride), returns the side in pixels that one unit of the last sees."""
    for layers in (
        [(3, 1)],
        [(3, 1), (2, 2), (3, 1)],
        [(3, 2), (3, 1), (2, 2), (3, 1)],
        [(7, 2), (3, 2), (3, 1), (3, 1)],
        [(5, 1), (5, 1)],
    ):
        right, distance, late = 1, 1, 1
        for kernel, stride in layers:
            right, late, distance = (
                right + (kernel - 1) * distance,
                late + (kernel - 1) * distance * stride,
                distance * stride,
            )
        kernels = [kernel for kernel, _ in layers]
        yield Case(
            (layers,),
            right,
            [
                (
                    1 + sum(kernel - 1 for kernel in kernels),
                    "the strides are missing. After a stride of 2, neighbours are twice as far apart in pixels.",
                ),
                (late, "a layer's own stride changes the layers after it, not its own view. Multiply afterwards."),
                (sum(kernels), "this adds the kernels. They overlap: each adds kernel - 1."),
                (
                    np.prod(kernels),
                    "this multiplies the kernels. They overlap: each adds (kernel - 1) times the distance.",
                ),
                (
                    distance,
                    "this is the distance between neighbours. Add up the views: (kernel - 1) times that distance.",
                ),
                (right - 1, "start with 1: before any layer a unit sees its own pixel."),
            ],
            f"for {layers} it should be {right}, got {{got:g}}.",
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
    "06.1": convolve_one,
    "06.2": layer_size,
    "06.3": receptive_field,
    "06.4": mean_pool_backward,
    "06.5": folds_of_objects,
}
