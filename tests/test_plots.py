"""The style of the figures is one file, which Matplotlib takes as it is."""

import matplotlib as mpl
from groundup import plots


def test_the_style_is_that_of_the_file_and_its_colours_are_ours():
    with mpl.rc_context():
        mpl.rcdefaults()
        plots.style()
        assert mpl.rcParams["figure.figsize"] == [7.0, 3.4] and mpl.rcParams["figure.constrained_layout.use"]
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()
    assert cycle["color"] == plots.COLOURS
    assert len(plots.MARKERS) == len(plots.COLOURS)
    assert cycle["linestyle"][4] == (0, (5, 1, 1, 1, 1, 1)), "dashes by numbers, too"
