"""Graders for chapter 10, two networks that train each other."""

import numpy as np

from .engine import Case, Hint, NotFinite, first_off, table


@table
def mended_losses():
    """10.1: answer(real (n,), fake (m,)) returns (discriminator's loss, generator's loss) from logits."""
    rng = np.random.default_rng(101)
    for n, m in ((4, 4), (5, 8)):
        real, fake = rng.normal(size=n) + 1, rng.normal(size=m) - 0.5
        on_real, on_fake = np.logaddexp(0, -real), np.logaddexp(0, fake)
        rewarded, d_loss = np.logaddexp(0, -fake).mean(), on_real.mean() + on_fake.mean()
        yield Case(
            (real, fake),
            (d_loss, rewarded),
            [
                (
                    (on_real.mean() + rewarded, ...),
                    "discriminator: the second term rewards calling fakes real. It should be -ln(1 - D).",
                ),
                ((d_loss / 2, ...), "discriminator: this is half of it. The two means are added."),
                ((np.r_[on_real, on_fake].mean(), ...), "discriminator: take the mean of each kind, then add."),
                ((on_real.sum() + on_fake.sum(), ...), "discriminator: take the mean over each kind, not the sum."),
                ((np.logaddexp(0, real).mean() + rewarded, ...), "discriminator: real and fake are exchanged."),
                ((-d_loss, ...), "discriminator: a loss is what one wants to be small; this has the other sign."),
                (
                    (d_loss, -on_fake.mean()),
                    "generator: this is ln(1 - D), whose slope vanishes while D is right. Take -ln D.",
                ),
                ((d_loss, on_fake.mean()), "generator: this is what the discriminator pays for fakes."),
                ((d_loss, -rewarded), "generator: the sign is reversed. It wants D to be large."),
                ((..., rewarded), "the generator's loss is right, the discriminator's is not."),
                (NotFinite, "it returned NaN or infinity: these are logits, not probabilities, and may be negative."),
            ],
            f"the discriminator's loss should be {d_loss:.4f}, the generator's {rewarded:.4f}.",
        )
    yield Case(
        (np.array([-1000.0, 2.0]), np.array([1000.0, -1000.0])),
        (500 + np.logaddexp(0, -2) / 2 + 500, 500.0),
        [(Hint, "right, until a logit is large: exp overflows. np.logaddexp(0, l) does not.")],
        "right, but not for logits of 1,000: nothing may be cut off. np.logaddexp(0, l) is exact.",
    )


@table
def turning():
    """10.2: answer() returns steps until doubled, the strength of R1 at which turning stops, size in turns."""
    growth = np.sqrt(1.01)
    yield Case(
        (),
        (np.ceil(np.log(2) / np.log(growth)), 1.0, 1.0),
        [
            (
                (np.ceil(np.log(2) / np.log(1.01)), ..., ...),
                "a: the size of the eigenvalues is the root of 1.01, not 1.01.",
            ),
            ((np.floor(np.log(2) / np.log(growth)), ..., ...), "a: after that many steps it has not quite doubled."),
            ((np.log(2) / np.log(growth), ..., ...), "a: a whole number of steps, the first that suffices."),
            ((np.ceil(np.log(2) / np.log(1.04)), ..., ...), "a: both slopes of softplus are 1/2, so h/2 = 0.1 counts."),
            ((np.ceil(np.log(2) / np.log(np.sqrt(1.04))), ..., ...), "a: both σ are 1/2 near the solution: h/2 = 0.1."),
            (
                (..., 2.0, ...),
                "b: h/2 stands off the diagonal, not h. When is λ² - 4 · (1/2)² zero?",
            ),
            ((..., 0.5, ...), "b: the eigenvalues are 1 + h (-λ ± √(λ² - 1)) / 2. When does the root become real?"),
            ((..., 0.2, ...), "b: h does not matter here: it multiplies rotation and R1 alike."),
            ((..., ..., growth), "c: this is the size when both move at once. In turns the determinant is another."),
            ((..., ..., 1.01), "c: multiply the two matrices, one for each move. What is the determinant?"),
        ],
        first_off((140, 1.0, 1.0), "Write down the matrix of a step.", "g", rtol=0, atol=1e-3),
        rtol=0,
        atol=1e-3,
    )


@table
def what_falls():
    """10.3: answer() returns a list of four words, what falls for the generators a to d."""
    words = ["precision", "neither", "recall", "both"]
    reasons = (
        "half of its pictures are like no digit, and the other half cover all kinds.",
        "its pictures are real digits of all kinds. Which of the two numbers could notice a copy?",
        "its one picture is a perfect digit. How much of what people write is covered?",
        "count both: are its pictures like digits, and are all digits there?",
    )

    def first_wrong(got):
        if len(got) != 4:
            return f"it should return four words, one for each generator; it returned {len(got)}."
        at = next(i for i in range(4) if got[i] != words[i])
        if got[at] not in words:
            return f"{got[at]!r} is none of the four words: precision, recall, both, neither."
        return f"{'abcd'[at]}: {reasons[at]}"

    yield Case((), words, [], first_wrong)


@table
def diagonal_frechet():
    """10.4: answer(a (n, d), b (m, d)) returns the Fréchet distance for diagonal covariances, a float."""
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


GRADERS = {
    "10.1": mended_losses,
    "10.2": turning,
    "10.3": what_falls,
    "10.4": diagonal_frechet,
}
