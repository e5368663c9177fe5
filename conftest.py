"""What every test run shares: no network, nbval's limits, the tiers, and how `make test` divides work between two.

Tests that start TensorFlow, a kernel or many processes are marked slow, file by file; `make check` leaves them and the
chapters out. `make test NB=03` takes all that is fast, and of the rest what is about chapter 03.
"""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
SLOW = "bert cluster efficientnet exercises gan gpt grade image_folder layers make_records mutants new".split()
SLOW += "offline recompute run session site training".split()


def pytest_configure():
    # Kernels and other Python processes that a test starts inherit it, and have no network.
    paths = [str(ROOT / "src" / "coursetools" / "offline"), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def pytest_addoption(parser):
    parser.addoption("--about", default="", help="of the slow tests only those about these chapters: '03 my_text'")


def pytest_collection_modifyitems(config, items):
    kept, left = [], []
    names = "|".join(map(re.escape, config.option.about.split()))
    for item in items:
        stem = item.path.stem.removeprefix("test_")
        slow = item.path.suffix == ".ipynb" or stem in SLOW or stem.startswith(("chapter", "my_"))
        if slow:
            item.add_marker("slow")
        name = stem if item.path.suffix == ".ipynb" else item.nodeid  # not "Cell 12" of every notebook
        about = re.search(rf"(?<![0-9])({names})(?![0-9])", name) if names else True
        (kept if about or not slow else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def pytest_collectstart(collector):
    # Messages from C++ reach Jupyter but not nbval; HTML and SVG carry random identifiers.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "text/html", "image/svg+xml")


def pytest_itemcollected(item):
    # nbval gives a finished cell 5 seconds to deliver its last output, and has no option for it (its issue 231). That
    # is too short on a machine that has other work to do; and nothing waits longer for it than it must.
    if hasattr(item, "output_timeout"):
        item.output_timeout = 60


@pytest.hookimpl(optionalhook=True)  # asked by pytest-xdist, when there is a -n
def pytest_xdist_make_scheduler(config, log):
    """`make test` names the tests first and then the chapters. One process takes whole files from the end of that list,
    so the chapters, from the last on; the others from its beginning, so the tests. Thus a chapter's cells stay in order
    in one kernel, there is one chapter at a time until the tests are done, and the short ones, 02 and 01, come last."""
    from xdist.scheduler import LoadFileScheduling

    class FromBothEnds(LoadFileScheduling):
        def _assign_work_unit(self, node):
            if node.gateway.id == "gw0":
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    return FromBothEnds(config, log)


def pytest_terminal_summary(terminalreporter):
    """Seconds by file, for it is whole files that the processes take."""
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if terminalreporter.config.option.durations:
        terminalreporter.section("seconds by file")
        for file, spent in seconds.most_common():
            if spent >= 1:
                terminalreporter.write_line(f"{spent:7.1f}  {file}")
