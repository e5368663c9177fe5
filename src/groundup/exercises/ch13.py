"""Graders for chapter 13, from predicting to following."""

import math

import numpy as np

from .engine import Case, NotFinite, first_off, table


@table
def predictions():
    """13.1: answer() returns six numbers that can be predicted before anything is run."""
    right = (40_960.0, 416.0, 12.0, 10.0, np.log(2.0), 1 / (1 + np.exp(-1.0)))

    def but(place, value, hint):
        return (tuple(value if i == place else ... for i in range(6)), hint)

    yield Case(
        (),
        right,
        [
            but(0, 1024.0 * 4096, "a: that is the whole matrix. The factors are 1,024 by 8 and 8 by 4,096."),
            but(0, 8.0 * 1024, "a: that is one of the two factors. Count both."),
            but(0, 8.0 * 4096, "a: that is one of the two factors. Count both."),
            but(1, 1600.0, "b: that is training all weights. Frozen ones need no gradient and no averages."),
            but(1, 404.0, "b: the trained million needs gradients and Adam's two averages, too: 16 bytes each."),
            but(1, 16.0, "b: the frozen weights are in memory as well, 4 bytes each."),
            but(2, 8.0, "c: the two additions need not share a direction. Their ranks can add up."),
            but(2, 32.0, "c: ranks add up, they do not multiply."),
            but(3, 30.0, "d: the prompt is masked. Only the answer's tokens count."),
            but(3, 64.0, "d: the mask leaves out the prompt and what only fills the row."),
            but(3, 9.0, "d: the first token of the answer counts, too: it is predicted at the prompt's last place."),
            but(4, 0.0, "e: the logarithm of σ(0) is not zero. What is σ(0)?"),
            but(4, 0.5, "e: σ(0) is 1/2. The loss is minus its logarithm."),
            but(4, 1.0, "e: that is in bits. The loss is in nats, with the natural logarithm."),
            but(5, 2 / 3, "f: the scores are exponents: σ of their difference, not their share of the sum."),
            but(5, 1 / (1 + np.exp(1.0)), "f: that is the chance of the other one."),
        ],
        first_off(right, "Write the question down as a formula.", ".4g", rtol=0.006, atol=0.006),
        rtol=0.006,
        atol=0.006,
    )


@table
def answer_loss():
    """13.2: answer(log_p (n, T, V), ids (n, T + 1), begins, ends) returns the mean nats of the answers' tokens."""
    rng = np.random.default_rng(132)
    for n, T, V in ((1, 6, 5), (3, 9, 7)):
        z = rng.normal(size=(n, T, V))
        log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
        ids = rng.integers(0, V, (n, T + 1))
        begins = rng.integers(2, 4, n)
        ends = begins + np.arange(2, 2 + n)

        def mean(shift=0, first=0, last=0, rows=False, prompt=False, ids=ids, log_p=log_p, begins=begins, ends=ends):
            found = []
            for row, (begin, end) in enumerate(zip(begins, ends, strict=True)):
                places = range(1 if prompt else begin + first, end + last)
                places = [t for t in places if t - 1 + shift < log_p.shape[1]]
                found.append([-log_p[row, t - 1 + shift, ids[row, t]] for t in places])
            return np.mean([np.mean(each) for each in found]) if rows else np.mean(np.concatenate(found))

        yield Case(
            (log_p, ids, begins, ends),
            mean(),
            [
                (mean(shift=1), "log_p[row, t] is about token t + 1. Token t is judged by the place before it."),
                (mean(prompt=True), "this counts the prompt, too. The loss is about the answer only."),
                (mean(first=1), "the first token of the answer is missing. The prompt's last place predicts it."),
                (mean(last=-1), "the last token of the answer is missing: it is the one that ends it."),
                (-mean(), "the sign: a loss is minus the logarithm of a probability."),
                (mean() / np.log(2), "this is in bits. Nats were asked for."),
                *(
                    [(mean(rows=True), "this is a mean of the rows' means. Take one mean over all tokens.")]
                    if n > 1
                    else []
                ),
            ],
            f"the answers have {int((ends - begins).sum())} tokens in {n} row(s), and their mean is {mean():.4f}.",
        )


@table
def group_advantages():
    """13.3: answer(marks, log_p, log_ref (n, T), beta, prompt (n,)) returns the advantages (n,)."""
    rng = np.random.default_rng(133)
    for T, beta, prompt in ((5, 0.5, [0, 1, 0, 1, 1, 0]), (3, 2.0, [2, 0, 2, 1, 0, 2]), (1, 0.1, [0, 0, 0])):
        prompt = np.array(prompt)
        n, same = len(prompt), (prompt[:, None] == prompt).astype(float)
        marks = rng.integers(0, 2, (n, T)).astype(float)
        log_p, log_ref = -rng.exponential(2, (2, n, T))
        ratio = log_p - log_ref

        def of(r, same=same, own=False, alone=0.0):
            R = r.sum(axis=1)
            others = same if own else same - np.eye(len(R))
            mean = others @ R / np.maximum(others.sum(axis=1), 1)
            return np.where(others.sum(axis=1) > 0, R - mean, alone * R)

        r, all_prompts = marks - beta * ratio, np.ones((n, n))
        yield Case(
            (marks, log_p, log_ref, beta, prompt),
            of(r),
            [
                (of(r, own=True), "the mean contains the continuation itself. Asked is the mean of the others."),
                (of(r, alone=1.0), "a prompt with one continuation has no others to compare with: 0."),
                (of(r, all_prompts), "these are the others of all prompts. Asked are those of the same prompt."),
                (
                    of(r, all_prompts, own=True),
                    "this is the mean of all prompts, and it contains the continuation itself.",
                ),
                (r.sum(axis=1), "the baseline is missing."),
                (of(marks), "the penalty is missing: beta has no effect."),
                (
                    of(marks + beta * ratio),
                    "the penalty has the wrong sign: this pays for being far from the reference.",
                ),
                (of(marks - ratio), "the penalty is not multiplied by beta."),
                (of(r) / T, "the return is the sum over the tokens. This is their mean."),
            ],
            f"for T = {T}, beta = {beta:g} and prompts {prompt.tolist()} it should be {of(r).round(3)}.",
        )


@table
def dpo_losses():
    """13.4: answer(policy_w, policy_l, ref_w, ref_l, mask_w, mask_l (n, T), beta) returns the losses (n,)."""
    rng = np.random.default_rng(137)
    for n, T, beta in ((4, 6, 0.5), (3, 9, 0.2)):
        policy_w, policy_l, ref_w, ref_l = -rng.exponential(1.5, (4, n, T))
        mask_w, mask_l = (np.arange(T) < rng.integers(2, T, (2, n, 1))).astype(float)

        def h(reduce=np.sum, masks=(mask_w, mask_l), refs=(ref_w, ref_l), policies=(policy_w, policy_l)):
            w, l_ = (reduce((p - q) * m, axis=1) for p, q, m in zip(policies, refs, masks, strict=True))
            return w - l_

        def mean(values, axis):
            return values.sum(axis=axis) / (values != 0).sum(axis=axis)

        ones, zeros = (np.ones((n, T)),) * 2, (np.zeros((n, T)),) * 2

        def loss(h):
            return np.logaddexp(0, -h)

        yield Case(
            (policy_w, policy_l, ref_w, ref_l, mask_w, mask_l, beta),
            loss(beta * h()),
            [
                (loss(beta * h(masks=ones)), "the padding counts: multiply by the masks before you sum."),
                (loss(beta * h(refs=zeros)), "the reference has no effect."),
                (loss(h()), "beta has no effect."),
                (loss(h() / beta), "h is multiplied by beta, not divided."),
                (loss(-beta * h()), "the sign is wrong: this makes the worse answer more probable."),
                (loss(beta * h(mean)), "an answer's log-probability is the sum over its tokens. This is their mean."),
                (loss(beta * h(np.mean)), "an answer's log-probability is the sum over its tokens. This is a mean."),
                (1 / (1 + np.exp(-beta * h())), "this is σ(h), a probability. The loss is -log σ(h)."),
                (-loss(beta * h()), "a loss is minus the logarithm."),
            ],
            f"for beta = {beta:g} the losses should be {loss(beta * h()).round(3)}.",
        )
    big = np.full((1, 3), 500.0)
    yield Case(
        (-big, 0 * big, 0 * big, 0 * big, np.ones((1, 3)), np.ones((1, 3)), 1.0),
        np.array([1500.0]),
        [(NotFinite, "right, until h is very negative: exp overflows. np.logaddexp(0, -h) does not.")],
        "for h = -1500 the loss should be 1500.",
    )


@table
def best_of():
    """13.5: answer(rewards (m,), n) returns the expected largest reward of n answers, estimated from m."""
    rng = np.random.default_rng(138)
    cases = [(np.array([1.0, 2.0, 6.0]), 2), (rng.normal(size=8), 3), (rng.normal(size=6), 1), (rng.normal(size=5), 5)]
    cases += [(rng.permutation(np.array([0.0, 0, 0, 1, 1, 2, 5])), 4)]
    for rewards, n in cases:
        m, ordered = len(rewards), np.sort(rewards)
        weights = np.array([math.comb(i, n - 1) / math.comb(m, n) for i in range(m)])
        again = (np.arange(1, m + 1) / m) ** n - (np.arange(m) / m) ** n
        right = weights @ ordered
        yield Case(
            (rewards, n),
            right,
            [
                (rewards.max(), "this is the largest of all. Asked is the largest of n of them, on average."),
                (rewards.mean(), "this is the mean, which is right for n = 1 only."),
                (ordered[-n:].mean(), "this is the mean of the n largest."),
                (
                    again @ ordered,
                    "this draws with replacement: the same answer may come twice, and the estimate is too low.",
                ),
                (rewards[:n].max(), "this looks at the first n only. Average over all choices of n."),
                (weights @ rewards, "the weights belong to the rewards in order of size: sort first."),
                (weights @ ordered[::-1], "this is the smallest of n: the order is the wrong way round."),
            ],
            f"for rewards {rewards.round(2).tolist()} and n = {n} it should be {right:.4f}.",
        )


GRADERS = {"13.1": predictions, "13.2": answer_loss, "13.3": group_advantages, "13.4": dpo_losses, "13.5": best_of}
