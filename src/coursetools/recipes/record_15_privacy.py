"""Measures a record of chapter 15, ten seconds a seed on one core: make records NB=15_privacy

DP-SGD at five noise levels, with clipping alone, and plain training of as many steps: accuracy on pictures of neither
set, and the AUC of the attack by the loss. A seed draws the pictures, the initial weights, the batches and the noise.
"""

from coursetools.recipes import record

NAMES = [
    "pictures",
    "kinds",
    "deal",
    "losses",
    "accuracy",
    "train_plainly",
    "auc",
    "attack",
    "clipped_sums",
    "RATES",
    "train_privately",
]

space, code = record.definitions("15", NAMES)


def measure(seed):
    """{"training: accuracy" or "training: attack": value}."""
    space["members"], space["strangers"], space["others"] = space["deal"](seed)
    networks = {"plain": space["train_plainly"](*space["members"], steps=300, seed=seed)}
    for sigma in space["RATES"]:
        networks[f"σ = {sigma}"] = space["train_privately"](*space["members"], sigma=sigma, seed=seed)
    found = {f"{kind}: accuracy": space["accuracy"](each, *space["others"]) for kind, each in networks.items()}
    return found | {f"{kind}: attack": space["attack"](each)[0] for kind, each in networks.items()}


if __name__ == "__main__":
    record.rebuild("15_privacy", measure, code)
