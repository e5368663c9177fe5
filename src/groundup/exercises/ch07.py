"""Graders for chapter 07, residual networks."""

import numpy as np

from .engine import Case, table


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


@table
def batch_norm_gradient():
    """07.3: answer(g (m, c), z (m, c), gamma (c,), epsilon) returns dL/dz (m, c)."""
    rng = np.random.default_rng(73)
    for m, c in ((6, 2), (5, 5), (8, 1)):
        g, z, gamma, epsilon = rng.normal(size=(m, c)), rng.normal(2, 3, size=(m, c)), rng.uniform(0.5, 2, c), 0.1
        s = np.sqrt(z.var(axis=0) + epsilon)
        hat = (z - z.mean(axis=0)) / s
        middle, along = g.mean(axis=0), hat * (g * hat).mean(axis=0)
        right = gamma / s * (g - middle - along)
        bare = (z - z.mean(axis=0)) / z.std(axis=0)
        yield Case(
            (g, z, gamma, epsilon),
            right,
            [
                (
                    gamma / s * g,
                    "this takes mean and variance for constants. They depend on z too: two terms are missing.",
                ),
                (gamma / s * (g - middle), "the term of the variance is missing: the component of g along z_hat."),
                (gamma / s * (g - along), "the term of the mean is missing: subtract the mean of g over the batch."),
                (right / gamma, "gamma is missing."),
                (right * s, "divide by the standard deviation s."),
                (gamma / s * (g - m * middle - m * along), "the two terms are means over the batch, not sums."),
                (
                    gamma / s * (g - g.mean() - hat * (g * hat).mean()),
                    "take the means for each feature on its own: over axis 0.",
                ),
                (
                    gamma / z.std(axis=0) * (g - middle - bare * (g * bare).mean(axis=0)),
                    "epsilon is missing: s is the root of variance plus epsilon.",
                ),
            ],
            f"not right for z of shape ({m}, {c}). Compare with finite differences: check.finite_differences.",
        )


@table
def warm_cosine():
    """07.4: answer(t, peak, warm, steps) returns a rate that rises in a line to peak, then falls along a cosine."""
    for peak, warm, steps in ((0.003, 10, 110), (2.0, 5, 25)):
        half = (steps - warm) // 2
        for t in (0, warm // 2, warm, warm + half // 2, warm + half, steps):
            whole = peak * (1 + np.cos(np.pi * t / steps)) / 2  # as if there were no warm-up
            if t < warm:
                right = peak * t / warm
                wrong = [
                    (peak * (t + 1) / warm, "at step 0 the rate is 0: it rises as t / warm."),
                    (whole, "the warm-up is missing: up to step `warm` the rate rises in a straight line."),
                ]
            else:
                s = (t - warm) / (steps - warm)
                right = peak * (1 + np.cos(np.pi * s)) / 2
                wrong = [
                    (whole, "the cosine starts after the warm-up: it runs from step `warm` to `steps`."),
                    (2 * right, "the cosine part is twice too high: 1 + cos goes from 2 to 0, so halve it."),
                    (peak * (1 - s), "after the warm-up this falls in a straight line. Asked is a cosine."),
                    (peak - right, "this rises after the warm-up: 1 + cos, not 1 - cos."),
                    (
                        peak * np.cos(np.pi / 2 * s),
                        "this is a quarter of a cosine. Asked is a half, (1 + cos(π s)) / 2 for s from 0 to 1.",
                    ),
                ]
            yield Case(
                (t, peak, warm, steps),
                right,
                wrong,
                f"at step {t} of {steps}, with {warm} to warm up to {peak}, it should be {right:.4g}, got {{got:.4g}}.",
                atol=1e-6 * peak,
            )


GRADERS = {"07.1": block_parameters, "07.2": fold, "07.3": batch_norm_gradient, "07.4": warm_cosine}
