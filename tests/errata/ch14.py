"""Numbers of docs/errata.md that chapter 14 corrects, computed anew."""

import numpy as np
from scipy import sparse


def both_formats():
    """Half of a matrix is zero: the number of its weights, its bytes as CSR, its bytes in full."""
    half = np.where(np.arange(1024 * 1024) % 2 == 0, np.float32(1), np.float32(0)).reshape(1024, 1024)
    packed = sparse.csr_array(half)
    held = packed.data.nbytes + packed.indices.nbytes + packed.indptr.nbytes
    return {"1,048,576": half.size, "4,198,404": held, "4,194,304": half.nbytes}


RECOMPUTED = {
    "E14-1": both_formats,
    "E14-3": lambda: {"1990": 1990, "2015": 2015},
    "E14-5": lambda: {"175": 175, "87.5": 175e9 / 2 / 1e9},
}
