"""Numbers of docs/errata.md that chapter 06 corrects, computed anew."""


def convolution(k, c, m):
    return k * k * c * m + m


def sides(side=150):
    """Side after each of three convolutions with pooling."""
    for _ in range(3):
        side = (side - 2) // 2
    return side


CONVOLUTIONS = [convolution(3, 3, 32), convolution(3, 32, 64), convolution(3, 64, 128)]
DENSE = sides() ** 2 * 128 * 512 + 512
ALL = sum(CONVOLUTIONS) + DENSE + 513

RECOMPUTED = {
    "E06-3": lambda: {"0": min(range(3)), "2": max(range(3))},
    "E06-5": lambda: {
        "19,034,177": ALL,
        "18,940,416": DENSE,
        **dict(zip(("896", "18,496", "73,856"), CONVOLUTIONS, strict=True)),
    },
    "E06-7": lambda: {"3,200": 100 * 32, "350": 133 + 127 + 90, "32": 32, "11": -(-350 // 32)},
    "E06-9": lambda: {"8": 4 * 2},
    "E06-10": lambda: {"19,034,177": ALL, "3,843": 1280 * 3 + 3},
    "E06-11": lambda: {"36": 9 * 4, "4": 2 * 2},
}
