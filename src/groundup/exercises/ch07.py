"""Graders for chapter 07, residual networks."""

import numpy as np

from . import Hint, ask, near


def block_parameters(answer):
    """07.1: answer(before, after) returns the trainable parameters of a residual block, an int."""
    for before, after in ((16, 16), (16, 32), (3, 8), (5, 5)):
        result = float(ask(answer, before, after))
        kernels, norms = 9 * before * after + 9 * after * after, 4 * after
        projection = before * after + 2 * after if before != after else 0
        right = kernels + norms + projection
        if result == right:
            continue
        if result == right + norms + (2 * after if projection else 0):
            raise Hint("the moving mean and variance are not trained: count gamma and beta alone.")
        if result == kernels + (before * after if projection else 0):
            raise Hint("these are the convolutions alone. Each has a batch normalization, with gamma and beta.")
        if result == kernels + norms:
            raise Hint(f"from {before} to {after} channels the shortcut needs a projection, with gamma and beta.")
        if result == kernels + norms + before * after:
            raise Hint("the projection has a batch normalization too.")
        if not projection and result == right + before * after + 2 * after:
            raise Hint("with as many channels after as before, the shortcut needs no projection.")
        if result == right + 2 * after + (after if projection else 0):
            raise Hint("the convolutions have no bias here; beta does its work.")
        if result == 18 * before * after + norms + projection:
            raise Hint("the second convolution starts from the channels that the first one made.")
        raise Hint(f"from {before} to {after} channels it should be {right:,}, got {result:,.0f}.")


def fold(answer):
    """07.2: answer(W (d, m), gamma, beta, mean, var (m,), epsilon) returns the folded (W (d, m), b (m,))."""
    rng = np.random.default_rng(72)
    for d, m in ((4, 3), (3, 3), (5, 1)):
        W, gamma, beta, mean = rng.normal(size=(d, m)), *rng.normal(size=(3, m))
        var, epsilon = rng.uniform(0.2, 2, m), 0.1
        got_W, got_b = ask(answer, W, gamma, beta, mean, var, epsilon, shapes=((d, m), (m,)))
        s = np.sqrt(var + epsilon)
        scale = gamma / s
        right_b = beta - mean * scale
        if near(got_W, W * scale) and near(got_b, right_b):
            continue
        if near(got_W, W * gamma / (var + epsilon)):
            raise Hint("divide by the standard deviation, the square root of variance plus epsilon.")
        if near(got_W, W * gamma / np.sqrt(var)) or near(got_W, W * gamma / (np.sqrt(var) + epsilon)):
            raise Hint("epsilon is added to the variance, before the root is taken.")
        if near(got_W, W / s):
            raise Hint("gamma is missing from the weights.")
        if d == m and near(got_W, W * scale[:, None]):
            raise Hint("scale the columns of W, one for each output, not its rows.")
        if near(got_W, W * scale):
            if near(got_b, beta):
                raise Hint("the weights are right. The mean must be taken off too, in the bias.")
            if near(got_b, beta - mean):
                raise Hint("the weights are right. In the bias the mean is scaled as the weights are.")
            if near(got_b, beta + mean * scale):
                raise Hint("the weights are right. The mean is subtracted, not added.")
            raise Hint("the weights are right, the bias is not. What comes out for X = 0?")
        raise Hint("the weights are not right. Write gamma (X W - mean) / s + beta, and collect what multiplies X.")


def batch_norm_gradient(answer):
    """07.3: answer(g (m, c), z (m, c), gamma (c,), epsilon) returns dL/dz (m, c)."""
    rng = np.random.default_rng(73)
    for m, c in ((6, 2), (5, 5), (8, 1)):
        g, z, gamma, epsilon = rng.normal(size=(m, c)), rng.normal(2, 3, size=(m, c)), rng.uniform(0.5, 2, c), 0.1
        result = ask(answer, g, z, gamma, epsilon, shapes=((m, c),))
        s = np.sqrt(z.var(axis=0) + epsilon)
        hat = (z - z.mean(axis=0)) / s
        along = hat * (g * hat).mean(axis=0)
        right = gamma / s * (g - g.mean(axis=0) - along)
        if near(result, right):
            continue
        if near(result, gamma / s * g):
            raise Hint("this takes mean and variance for constants. They depend on z too: two terms are missing.")
        if near(result, gamma / s * (g - g.mean(axis=0))):
            raise Hint("the term of the variance is missing: the component of g along z_hat.")
        if near(result, gamma / s * (g - along)):
            raise Hint("the term of the mean is missing: subtract the mean of g over the batch.")
        if near(result, right / gamma):
            raise Hint("gamma is missing.")
        if near(result, right * s):
            raise Hint("divide by the standard deviation s.")
        if near(result, gamma / s * (g - g.sum(axis=0) - hat * (g * hat).sum(axis=0))):
            raise Hint("the two terms are means over the batch, not sums.")
        if near(result, gamma / s * (g - g.mean() - hat * (g * hat).mean())):
            raise Hint("take the means for each feature on its own: over axis 0.")
        bare = (z - z.mean(axis=0)) / z.std(axis=0)
        if near(result, gamma / z.std(axis=0) * (g - g.mean(axis=0) - bare * (g * bare).mean(axis=0))):
            raise Hint("epsilon is missing: s is the root of variance plus epsilon.")
        raise Hint(f"not right for z of shape ({m}, {c}). Compare with finite differences: check.finite_differences.")


def warm_cosine(answer):
    """07.4: answer(t, peak, warm, steps) returns a rate that rises in a line to peak, then falls along a cosine."""
    for peak, warm, steps in ((0.003, 10, 110), (2.0, 5, 25)):
        half = (steps - warm) // 2
        for t in (0, warm // 2, warm, warm + half // 2, warm + half, steps):
            result = float(ask(answer, t, peak, warm, steps))
            fall = (1 + np.cos(np.pi * (t - warm) / (steps - warm))) / 2
            right = peak * t / warm if t < warm else peak * fall
            if abs(result - right) <= 1e-6 * peak:
                continue
            late = (1 + np.cos(np.pi * t / steps)) / 2
            if t < warm and abs(result - peak * (t + 1) / warm) <= 1e-6 * peak:
                raise Hint("at step 0 the rate is 0: it rises as t / warm.")
            if abs(result - peak * late) <= 1e-6 * peak:
                if t < warm:
                    raise Hint("the warm-up is missing: up to step `warm` the rate rises in a straight line.")
                raise Hint("the cosine starts after the warm-up: it runs from step `warm` to `steps`.")
            if t >= warm and abs(result - 2 * right) <= 1e-6 * peak:
                raise Hint("the cosine part is twice too high: 1 + cos goes from 2 to 0, so halve it.")
            if t >= warm and abs(result - peak * (1 - (t - warm) / (steps - warm))) <= 1e-6 * peak:
                raise Hint("after the warm-up this falls in a straight line. Asked is a cosine.")
            if t >= warm and abs(result - (peak - right)) <= 1e-6 * peak:
                raise Hint("this rises after the warm-up: 1 + cos, not 1 - cos.")
            if t >= warm and abs(result - peak * np.cos(np.pi / 2 * (t - warm) / (steps - warm))) <= 1e-6 * peak:
                raise Hint("this is a quarter of a cosine. Asked is a half, (1 + cos(π s)) / 2 for s from 0 to 1.")
            where = f"step {t} of {steps}, with {warm} to warm up to {peak}"
            raise Hint(f"at {where}, it should be {right:.4g}, got {result:.4g}.")


GRADERS = {
    "07.1": block_parameters,
    "07.2": fold,
    "07.3": batch_norm_gradient,
    "07.4": warm_cosine,
}
