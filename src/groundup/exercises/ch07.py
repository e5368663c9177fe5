"""Graders for chapter 07, residual networks."""

import numpy as np

from .engine import Case, Hint, WrongShape, ask, table


@table
def block_parameters():
    """07.1: answer(before, after) returns the trainable parameters of a residual block, an int."""
    for before, after in ((16, 16), (16, 32), (3, 8), (5, 5)):
        kernels, norms = 9 * before * after + 9 * after * after, 4 * after
        projected = before != after
        projection = (before * after + 2 * after) * projected
        right = kernels + norms + projection
        wrong = [
            (
                right + norms + 2 * after * projected,
                "the moving mean and variance are not trained: count gamma and beta alone.",
            ),
            (
                kernels + before * after * projected,
                "these are the convolutions alone. Each has a batch normalization, with gamma and beta.",
            ),
            (
                kernels + norms,
                f"from {before} to {after} channels the shortcut needs a projection, with gamma and beta.",
            ),
            (kernels + norms + before * after, "the projection has a batch normalization too."),
            (right + 2 * after + after * projected, "the convolutions have no bias here; beta does its work."),
            (
                18 * before * after + norms + projection,
                "the second convolution starts from the channels that the first one made.",
            ),
        ]
        if not projected:
            wrong.append(
                (
                    right + before * after + 2 * after,
                    "with as many channels after as before, the shortcut needs no projection.",
                )
            )
        yield Case(
            (before, after),
            right,
            wrong,
            f"from {before} to {after} channels it should be {right:,}, got {{got:,.0f}}.",
        )


@table
def fold():
    """07.2: answer(W (d, m), gamma, beta, mean, var (m,), epsilon) returns the folded (W (d, m), b (m,))."""
    rng = np.random.default_rng(72)
    for d, m in ((4, 3), (3, 3), (5, 1)):
        W, gamma, beta, mean = rng.normal(size=(d, m)), *rng.normal(size=(3, m))
        var, epsilon = rng.uniform(0.2, 2, m), 0.1
        s = np.sqrt(var + epsilon)
        scale = gamma / s
        folded, b = W * scale, beta - mean * scale
        inside = "epsilon is added to the variance, before the root is taken."
        wrong = [
            (
                (W * gamma / (var + epsilon), ...),
                "divide by the standard deviation, the square root of variance plus epsilon.",
            ),
            ((W * gamma / np.sqrt(var), ...), inside),
            ((W * gamma / (np.sqrt(var) + epsilon), ...), inside),
            ((W / s, ...), "gamma is missing from the weights."),
            ((folded, beta), "the weights are right. The mean must be taken off too, in the bias."),
            ((folded, beta - mean), "the weights are right. In the bias the mean is scaled as the weights are."),
            ((folded, beta + mean * scale), "the weights are right. The mean is subtracted, not added."),
            ((folded, ...), "the weights are right, the bias is not. What comes out for X = 0?"),
        ]
        if d == m:
            wrong.append(((W * scale[:, None], ...), "scale the columns of W, one for each output, not its rows."))
        yield Case(
            (W, gamma, beta, mean, var, epsilon),
            (folded, b),
            wrong,
            "the weights are not right. Write gamma (X W - mean) / s + beta, and collect what multiplies X.",
        )


# A function, no table: each wrong word has its own hint.
def faults(answer):
    """07.3: answer() returns the most likely faults of the networks A to E, a list of five words."""
    right = ["overfitting", "degradation", "moving averages", "learning rate", "scaling"]
    hints = {
        "A": "A is very good on training images in both modes, and much worse on validation images.",
        "B": "compare B's training accuracy with that of the reference.",
        "C": "C sees the same training images in both modes. What differs between the modes?",
        "D": "D guesses one class of ten, everywhere.",
        "E": "E fits its training images no better than the reference does, and the mode makes no difference to it.",
    }
    got = ask(answer, like=["word"])
    if len(got) != len(right):
        raise Hint(f"it should return five words, one for each network from A to E; it returned {len(got)}.")
    unknown = [word for word in got if word not in (*right, "leak")]
    if unknown:
        raise Hint(f"{unknown[0]!r} is none of the six faults; they are {', '.join(right)}, leak.")
    off = [i for i, (word, wanted) in enumerate(zip(got, right, strict=True)) if word != wanted]
    if "leak" in got:
        raise Hint("with a leak, validation images were learned from: they would score as the training images do.")
    if off and got[2] == "overfitting":
        raise Hint("C is not overfitting: an overfitted network is good on its training images in prediction, too.")
    if off and got[4] == "overfitting":
        raise Hint("E is not overfitting: compare its training accuracy with A's and with the reference.")
    if off and got[4] == "moving averages":
        raise Hint("E's moving averages are fine: on training images it is as good in prediction as in training mode.")
    if off:
        raise Hint(f"{hints['ABCDE'[off[0]]]} That does not look like {got[off[0]]}.")


@table
def shortcut_scale():
    """07.4: answer(blocks, growth) returns the factor c with (1 + c**2)**blocks = growth."""
    for blocks, growth in ((1, 2.0), (10, 3.0), (30, 4.0), (1000, 2.0)):
        right = np.sqrt(growth ** (1 / blocks) - 1)
        wrong = [
            (right**2, "this is c². The variance of c F is c² times that of F."),
            (
                1 / blocks,
                "too small for many blocks: it is the variance that grows by 1 + c², and c² is about 1 / blocks.",
            ),
            (growth ** (1 / blocks) - 1, "this is c². The variance of c F is c² times that of F."),
            (
                np.sqrt((growth - 1) / blocks),
                "the growth of the blocks multiplies, it does not add: (1 + c²) ** blocks.",
            ),
            ((growth - 1) / blocks, "the growth of the blocks multiplies, and c² is what a block adds."),
            (growth ** (1 / blocks), "this is what a block may multiply the variance by. It multiplies it by 1 + c²."),
            (
                np.sqrt(growth ** (1 / blocks)),
                "the identity path is there too: a block multiplies the variance by 1 + c².",
            ),
            (np.sqrt(np.log(growth) / blocks), "close, for many blocks. Solve (1 + c²) ** blocks = growth exactly."),
            (np.sqrt(1 / blocks), "that lets the variance grow by about e. Where does `growth` come in?"),
        ]
        if blocks == 1:  # the first mistakes coincide with the right result here
            wrong = wrong[5:7]
        yield Case(
            (blocks, growth),
            right,
            wrong,
            f"for {blocks} blocks and a growth of {growth:g} it should be {right:.4g}, got {{got:.4g}}.",
        )


@table
def collapse():
    """07.5: answer(k1 (d, m), k2 (m, m), h (m, c)) returns the matrix (d, c) of three mirrored layers with ReLU."""
    rng = np.random.default_rng(75)
    for d, m, c in ((3, 4, 2), (2, 5, 3)):
        k1, k2, h = rng.normal(size=(d, m)), rng.normal(size=(m, m)), rng.normal(size=(m, c))
        right = k1 @ k2 @ h
        pair = "of each pair (relu(u), relu(-u)) one is zero, so it gives u once, not twice."
        wrong = [
            (4 * right, f"this is W1 W2 W3, without the ReLUs. With them, {pair}"),
            (2 * right, pair),
            (right / 2, "relu(u) - relu(-u) is u, not half of it: nothing is lost in a pair."),
            (right / 4, "relu(u) - relu(-u) is u, not half of it: nothing is lost in a pair."),
            (-right, "the sign: the first half of a pair, relu(u), is read with + k."),
            (np.zeros((d, c)), "a pair does not cancel: it is read with k and -k, and relu(u) - relu(-u) = u."),
            (
                np.maximum(np.maximum(k1, 0) @ k2, 0) @ h,
                "ReLU does not act on the weights. It acts on x k1, whose sign depends on x.",
            ),
            (k1 @ k2.T @ h, "rows are multiplied from the left here: x k1, then (x k1) k2."),
            (WrongShape((d, m)), "the head h is missing: M leads from d inputs to c outputs."),
        ]
        yield Case(
            (k1, k2, h),
            right,
            wrong,
            "not this. Write u = x k1: what does a unit with weights k2 and -k2 get from relu(u) and relu(-u)?",
        )


GRADERS = {"07.1": block_parameters, "07.2": fold, "07.3": faults, "07.4": shortcut_scale, "07.5": collapse}
