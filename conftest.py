"""What every test run shares: chapters without a network, and outputs that nbval cannot compare."""

import os
from pathlib import Path

ROOT = Path(__file__).parent


def pytest_configure():
    # Kernels and other Python processes started by a test inherit these: the package, and no network.
    paths = [ROOT / "tests" / "offline", ROOT / "src"]
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, paths))


def pytest_collectstart(collector):
    # Messages from C++ reach Jupyter but not nbval; HTML and SVG carry random identifiers.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "text/html", "image/svg+xml")
