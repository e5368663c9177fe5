"""Graders for chapter 10, two networks that train each other."""

import numpy as np

from .engine import Case, Hint, NotFinite, table


@table
def best_discriminator():
    """10.1: answer(p (n,), q (n,)) returns the probabilities (n,) that the best discriminator gives."""
    rng = np.random.default_rng(101)
    for p, q in ((np.array([0.3, 0.1, 0.2]), np.array([0.1, 0.1, 0.6])), tuple(rng.uniform(0.05, 2, size=(2, 7)))):
        right = p / (p + q)
        yield Case(
            (p, q),
            right,
            [
                (q / (p + q), "this is the probability that an example is generated. D is the one that it is real."),
                (p / q, "this is a ratio, p to q. A probability needs the share of p in both: divide by p + q."),
                (right > 0.5, "this decides. The best discriminator says how sure one can be."),
                (
                    p / (p + q).sum(),
                    "each place stands for itself: divide by p + q there, not by their sum over places.",
                ),
                (np.log(p / q), "this is the logit. Turn it into a probability."),
                (p, "this is only the density of real ones. How often would a generated one stand there?"),
            ],
            f"for p = {p.round(2)} and q = {q.round(2)} it should be {right.round(3)}.",
        )


@table
def discriminator_loss():
    """10.2: answer(real (n,), fake (m,)) returns the discriminator's loss from logits, a float."""
    rng = np.random.default_rng(102)
    for n, m in ((4, 4), (5, 8)):
        real, fake = rng.normal(size=n) + 1, rng.normal(size=m) - 0.5
        on_real, on_fake = np.logaddexp(0, -real), np.logaddexp(0, fake)
        right = on_real.mean() + on_fake.mean()
        rewarded = np.logaddexp(0, -fake).mean()
        yield Case(
            (real, fake),
            right,
            [
                (right / 2, "this is half of it: add the two means."),
                (on_real.sum() + on_fake.sum(), "take the mean over each kind, not the sum."),
                (np.r_[on_real, on_fake].mean(), "this is one mean over all. Take the mean of each kind, then add."),
                (
                    np.logaddexp(0, real).mean() + rewarded,
                    "real and fake are exchanged: a high logit means real, so it must be cheap for real pictures.",
                ),
                (
                    on_real.mean() + rewarded,
                    "the second term rewards calling fakes real. It is -log(1 - D), softplus(+fake).",
                ),
                (on_real.mean() - on_fake.mean(), "both terms are costs: add them."),
                (on_real.mean(), "the generated pictures are missing."),
                (on_fake.mean(), "the real pictures are missing."),
                (
                    (_sigmoid(real).mean() + _sigmoid(fake).mean()) / 2,
                    "this is the source's code: no labels, no logarithm.",
                ),
                (-right, "the sign is reversed: a loss is what one wants to be small."),
                (NotFinite, "it returned NaN or infinity: these are logits, not probabilities, and may be negative."),
            ],
            f"for real {real.round(2)} and fake {fake.round(2)} it should be {right:.4f}.",
        )
    yield Case(
        (np.array([-1000.0, 2.0]), np.array([1000.0])),
        500 + np.logaddexp(0, -2) / 2 + 1000,
        [(Hint, "right, until a logit is large: exp overflows. np.logaddexp(0, l) does not.")],
        "right, but not for logits of 1,000: nothing may be cut off. np.logaddexp(0, l) is exact.",
    )


@table
def generator_gradient():
    """10.3: answer(fake (n,)) returns the gradient (n,) of the mean non-saturating loss."""
    rng = np.random.default_rng(103)
    for n in (4, 7):
        fake = rng.normal(size=n) * 2 - 1
        D = _sigmoid(fake)
        right = (D - 1) / n
        silent = "this is the gradient of log(1 - D), the loss that goes silent. Take that of -log D."
        yield Case(
            (fake,),
            right,
            [
                (right * n, "the loss is a mean: divide by the number of pictures."),
                (-right, "the sign is reversed: a higher logit lowers the loss."),
                (-right * n, "the sign is reversed, and the loss is a mean: divide by the number of pictures."),
                (-D / n, silent),
                (-D, silent),
                (
                    -1 / D / n,
                    "this is the derivative with respect to D. The chain rule goes on to the logit: dD/dl = D (1 - D).",
                ),
                (-D * (1 - D) / n, "this is the gradient of -D. The logarithm is missing."),
                (np.logaddexp(0, -fake), "this is the loss of each picture. Asked is its gradient."),
                ((2 * D - 1) / n, "this is the gradient of the source's printed loss, with its second term."),
            ],
            f"for logits {fake.round(2)} it should be {right.round(4)}.",
        )


@table
def recognised_and_rarest():
    """10.4: answer(p (n, classes), sure) returns (share recognised, share of the rarest class among those)."""
    rng = np.random.default_rng(104)
    hand = np.array([[0.95, 0.05, 0.0], [0.1, 0.9, 0.0], [0.4, 0.3, 0.3], [0.0, 0.97, 0.03], [0.0, 0.05, 0.95]])
    sharp = rng.dirichlet(np.full(4, 0.15), size=60)
    for p, sure in ((hand, 0.9), (hand[:4], 0.9), (sharp, 0.8)):
        top, classes = p.max(axis=1), p.shape[1]
        kept = top >= sure
        counts = np.bincount(p[kept].argmax(axis=1), minlength=classes)
        every = np.bincount(p.argmax(axis=1), minlength=classes)
        share, rarest = kept.mean(), counts.min() / counts.sum()
        yield Case(
            (p, sure),
            (share, rarest),
            [
                (
                    (share, every.min() / len(p)),
                    "the balance is asked among the recognised samples, this is among all.",
                ),
                ((share, counts.min() / len(p)), "divide by the number of recognised samples, not of all."),
                ((share, counts.max() / counts.sum()), "this is the most frequent class. Asked is the rarest."),
                (
                    (share, counts[counts > 0].min() / counts.sum()),
                    "a class that never occurs has the share 0: give np.bincount a minlength.",
                ),
                ((share, counts.min()), "this is a number of samples. Divide by how many are recognised."),
                ((share, ...), f"the share recognised is right; that of the rarest class should be {rarest:.3f}."),
                (((top > sure).mean(), ...), "a probability of exactly `sure` counts, too: at least."),
                ((kept.sum(), ...), "this is a number of samples. Divide by how many there are."),
                (((p >= sure).mean(), ...), "this averages over all entries of p. Take the largest of each row first."),
                ((top.mean(), ...), "this is the mean confidence. Count the samples that reach `sure`."),
            ],
            f"the share recognised should be {share:.3f}.",
        )


@table
def diagonal_frechet():
    """10.5: answer(a (n, d), b (m, d)) returns the Fréchet distance for diagonal covariances, a float."""
    rng = np.random.default_rng(105)
    for n, m, d in ((6, 9, 3), (12, 5, 1), (40, 40, 5)):
        a, b = rng.normal(size=(n, d)) * rng.uniform(0.5, 2, d), rng.normal(size=(m, d)) + 1
        means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
        va, vb = a.var(axis=0, ddof=1), b.var(axis=0, ddof=1)
        spreads = np.sum((np.sqrt(va) - np.sqrt(vb)) ** 2)
        right = means + spreads
        yield Case(
            (a, b),
            right,
            [
                (means, "the spread is missing: two clouds with one centre may still differ."),
                (spreads, "the distance of the means is missing."),
                (np.sqrt(right), "this is its root. Asked is the distance in squared units."),
                (
                    means + np.sum((a.std(axis=0) - b.std(axis=0)) ** 2),
                    "the variances divide by n here. Divide by n - 1: ddof=1.",
                ),
                (
                    means + np.sum((va - vb) ** 2),
                    "compare the deviations, the roots of the variances, not the variances.",
                ),
                (means + np.sum(va + vb), "the mixed term is missing: va + vb - 2 √(va vb)."),
                (means + np.sum(va + vb - np.sqrt(va * vb)), "the mixed term counts twice: - 2 √(va vb)."),
                (right / d, "sum over the features, do not average."),
                (
                    (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2,
                    "each feature has a mean and a variance of its own: axis=0.",
                ),
            ],
            f"for clouds of shapes {a.shape} and {b.shape} it should be {right:.4f}, got {{got:.4f}}.",
        )


def _sigmoid(l):
    return 1 / (1 + np.exp(-l))


GRADERS = {
    "10.1": best_discriminator,
    "10.2": discriminator_loss,
    "10.3": generator_gradient,
    "10.4": recognised_and_rarest,
    "10.5": diagonal_frechet,
}
