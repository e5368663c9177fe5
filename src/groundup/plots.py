"""The house style of the figures, and the figures that several chapters share."""

from pathlib import Path

import numpy as np

STYLE = Path(__file__).with_name("groundup.mplstyle")
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]  # those of the style, in order
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), "-"]  # likewise
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


def style():
    """Set Matplotlib's defaults for every figure of the course to those of groundup.mplstyle."""
    import matplotlib.style

    matplotlib.style.use(STYLE)


def surface(ax, loss, x_range, y_range, paths=None, levels=14):
    """Draw the contours of a loss of two parameters, with the paths that optimizers took over it.

    Args:
        ax: Matplotlib axes.
        loss: function of two arrays of one shape (a grid of parameters) to an array of that shape.
        x_range, y_range: (low, high) of the two parameters.
        paths: dict from label to an array (steps, 2) of visited points; the first point is marked with a ring.
        levels: int, number of contours, spaced evenly in log(loss - minimum).
    """
    x, y = np.meshgrid(np.linspace(*x_range, 121), np.linspace(*y_range, 121))
    z = loss(x, y)
    z = np.log10(z - z.min() + 1e-3 * (z.max() - z.min()))
    ax.contourf(x, y, z, levels, cmap="Greys", alpha=0.45)
    ax.contour(x, y, z, levels, colors="0.6", linewidths=0.6, linestyles="-")
    for i, (label, path) in enumerate((paths or {}).items()):
        path = np.asarray(path)
        ax.plot(
            path[:, 0],
            path[:, 1],
            color=COLOURS[i],
            linestyle="-",
            linewidth=1.2,
            marker=MARKERS[i],
            markersize=3.5,
            label=label,
        )
        ax.plot(*path[0], marker="o", markersize=9, markerfacecolor="none", markeredgecolor=COLOURS[i])
    ax.set(xlim=x_range, ylim=y_range)
    ax.grid(False)
