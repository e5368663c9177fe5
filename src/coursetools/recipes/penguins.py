"""Rebuild data/penguins.csv from the Python package palmerpenguins 0.1.6; the file is the package's own, unchanged."""

from coursetools.recipes import packages

PACKAGE = packages.pip(
    "palmerpenguins==0.1.6",
    "palmerpenguins-0.1.6-py3-none-any.whl",
    "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
)
FILE = "palmerpenguins/data/penguins.csv"


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    package = packages.fetch(PACKAGE, "penguins", options.given)
    files = {"penguins.csv": packages.members(package, lambda name: name == FILE)[FILE]}
    raise SystemExit(packages.compare_and_write("penguins", files, options.write) > 0)
