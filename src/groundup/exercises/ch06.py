"""Graders for chapter 06, a classifier for a folder of pictures."""

import numpy as np

from . import Hint, ask, near


def _convolve(X, K):
    h, w = X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1
    return np.array([[np.sum(X[i : i + len(K), j : j + K.shape[1]] * K) for j in range(w)] for i in range(h)])


def convolve_one(answer):
    """06.1: answer(X (h, w), K (k, l)) returns one feature map (h - k + 1, w - l + 1), no padding, no bias."""
    rng = np.random.default_rng(61)
    for (h, w), (k, m) in (((3, 3), (2, 2)), ((5, 7), (3, 3)), ((6, 4), (3, 2))):
        X, K = rng.integers(-4, 5, (h, w)).astype(float), rng.integers(-4, 5, (k, m)).astype(float)
        right = _convolve(X, K)
        try:
            result = ask(answer, X, K, shapes=(right.shape,))
        except Hint as hint:
            sides = {
                (h, w): "as large as the picture: the kernel fits in h - k + 1 places only, without padding",
                (h - k, w - m): "one row and one column too small: the last place is h - k, counted from 0",
                right.shape[::-1]: "rows and columns exchanged",
            }
            for shape, words in sides.items():
                if shape != right.shape and f"this has shape {shape}" in str(hint):
                    raise Hint(f"the map is {words}.") from None
            raise
        if near(result, right):
            continue
        if near(result, _convolve(X, K[::-1, ::-1])):
            raise Hint("the kernel is flipped, as mathematicians define it. Keras lays it on as it is.")
        if k == m and near(result, _convolve(X, K.T)):
            raise Hint("rows and columns of the kernel are exchanged.")
        if near(result, right / K.size):
            raise Hint("this is the mean of the products. Take their sum.")
        if near(result, np.maximum(right, 0)):
            raise Hint("that is after ReLU. Return the sums themselves.")
        raise Hint(
            f"for a {h}x{w} picture and a {k}x{m} kernel the first value should be {right[0, 0]:g}, "
            f"got {result[0, 0]:g}."
        )


def layer_size(answer):
    """06.2: answer(side, channels, filters, kernel, stride), ints, returns (side of the output, parameters)."""
    for side, channels, filters, kernel, stride in (
        (74, 32, 64, 3, 1),
        (150, 3, 32, 3, 1),
        (51, 3, 16, 5, 2),
        (50, 8, 8, 3, 2),
    ):
        result = ask(answer, side, channels, filters, kernel, stride, shapes=((), ()))
        out, count = (side - kernel) // stride + 1, kernel**2 * channels * filters + filters
        if near(result, [out, count]):
            continue
        if not near(result[1], count):
            if near(result[1], count - filters):
                raise Hint("the biases are missing: one for each filter.")
            if near(result[1], kernel**2 * filters + filters):
                raise Hint("a filter spans all channels of its input: kernel * kernel * channels weights each.")
            if near(result[1], kernel * channels * filters + filters):
                raise Hint("a kernel has kernel * kernel places, not kernel.")
            if near(result[1], kernel**2 * channels * filters + channels) or near(result[1], kernel**2 * channels + 1):
                raise Hint("count all filters, and one bias for each filter.")
            if near(result[1], count * out**2) or near(result[1], count * out):
                raise Hint("the same weights serve every place: the output's side does not count.")
            raise Hint(f"{filters} filters of {kernel}x{kernel} on {channels} channels have {count:,} parameters.")
        if near(result[0], side - kernel + 1):
            raise Hint("the parameters are right. With a stride, only every second place is kept: divide.")
        if near(result[0], -(-side // stride)):
            raise Hint("the parameters are right. That side is with padding; without it kernel - 1 places are lost.")
        if near(result[0], (side - kernel) / stride + 1) or near(result[0], -(-(side - kernel) // stride) + 1):
            raise Hint("the parameters are right. The last window must fit whole: round the side down.")
        if near(result[0], (side - kernel) // stride):
            raise Hint("the parameters are right. The side is one too small: the first place counts too.")
        raise Hint(f"the parameters are right; a side of {side} with kernel {kernel}, stride {stride} becomes {out}.")


def receptive_field(answer):
    """06.3: answer(layers), a list of (kernel, stride), returns the side in pixels that one unit of the last sees."""
    cases = [
        [(3, 1)],
        [(3, 1), (2, 2), (3, 1)],
        [(3, 2), (3, 1), (2, 2), (3, 1)],
        [(7, 2), (3, 2), (3, 1), (3, 1)],
        [(5, 1), (5, 1)],
    ]
    for layers in cases:
        result = ask(answer, layers)
        right, distance, own, late = 1, 1, 1, 1
        for kernel, stride in layers:
            right, distance = right + (kernel - 1) * distance, distance * stride
            late, own = late + (kernel - 1) * own * stride, own * stride
        if near(result, right):
            continue
        if near(result, 1 + sum(kernel - 1 for kernel, _ in layers)):
            raise Hint("the strides are missing. After a stride of 2, neighbours are twice as far apart in pixels.")
        if near(result, late):
            raise Hint("a layer's own stride changes the layers after it, not its own view. Multiply afterwards.")
        if near(result, sum(kernel for kernel, _ in layers)):
            raise Hint("this adds the kernels. They overlap: each adds kernel - 1.")
        if near(result, np.prod([kernel for kernel, _ in layers])):
            raise Hint("this multiplies the kernels. They overlap: each adds (kernel - 1) times the distance.")
        if near(result, distance):
            raise Hint("this is the distance between neighbours. Add up the views: (kernel - 1) times that distance.")
        if near(result, right - 1):
            raise Hint("start with 1: before any layer a unit sees its own pixel.")
        raise Hint(f"for {layers} it should be {right}, got {float(result):g}.")


def mean_pool_backward(answer):
    """06.4: answer(G (h, w)) returns the gradient (2h, 2w) of what was pooled by the mean of 2 x 2 blocks."""
    rng = np.random.default_rng(64)
    for h, w in ((1, 1), (2, 3), (4, 2)):
        G = rng.integers(1, 9, (h, w)).astype(float)
        result = ask(answer, G, shapes=((2 * h, 2 * w),))
        spread = G.repeat(2, axis=0).repeat(2, axis=1)
        if near(result, spread / 4):
            continue
        if near(result, spread):
            raise Hint("each pixel has only a quarter of a say in the mean: divide by 4.")
        if near(result, spread / 2):
            raise Hint("a block has four pixels, not two.")
        if near(result, np.tile(G, (2, 2)) / 4):
            raise Hint("whole maps are laid side by side. Each value belongs to its own 2 x 2 block: repeat, not tile.")
        if np.count_nonzero(result) <= h * w:
            raise Hint("only one pixel of each block gets something, as in max pooling. The mean shares among four.")
        raise Hint(f"for G = {G[0].tolist()} ... the upper left block should be {G[0, 0] / 4:g} everywhere.")


def folds_of_objects(answer):
    """06.5: answer(labels (n,) int, objects (n,) int, k, rng) returns the fold of each picture, (n,) in 0 .. k - 1."""
    data = np.random.default_rng(65)
    for n, k in ((300, 5), (240, 4)):
        kinds = data.integers(0, 3, n // 2)  # of each object
        objects = np.r_[np.arange(n // 2), data.integers(0, n // 2, n - n // 2)]
        order = data.permutation(n)
        objects, labels = objects[order], kinds[objects[order]]
        fold = ask(answer, labels, objects, k, np.random.default_rng(1), shapes=((n,),))
        if not np.array_equal(fold, fold.round()) or fold.min() < 0 or fold.max() >= k:
            raise Hint(f"each picture gets a whole number from 0 to {k - 1}: the fold in which it is tested.")
        if len(set(fold)) < k:
            raise Hint(f"only {len(set(fold))} of {k} folds have pictures.")
        if any(len(set(fold[objects == name])) > 1 for name in set(objects)):
            raise Hint(
                "pictures of one object lie in different folds. Deal the objects, then give each picture the "
                "fold of its object."
            )
        again = ask(answer, labels, objects, k, np.random.default_rng(2), shapes=((n,),))
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
