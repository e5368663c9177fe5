"""The command line: python -m ownfiles.image_folder"""

import argparse
import os
import sys

from . import __doc__ as usage
from .base import FolderError, shown
from .files import refuse_inside, try_to_write
from .model import predict, restore, write_predictions
from .scan import scan, table, write_manifest


def main(arguments):
    """The command line. Returns the exit status: None, or the sentence of what went wrong."""
    predicting = arguments[:1] == ["predict"]
    parser = argparse.ArgumentParser(
        prog="python -m ownfiles.image_folder",
        description=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if predicting:
        parser.add_argument("predict")
        parser.add_argument("model", help="folder written by image_folder.save")
        parser.add_argument("pictures", help="folder of new pictures, or one file")
        parser.add_argument("--out", default="predictions.csv", help="CSV to write (default: %(default)s)")
    else:
        parser.add_argument("folder", help="folder with one subfolder a class (one named predict: ./predict)")
        parser.add_argument("--size", type=int, default=150, help="pixels a side (default: %(default)s)")
        parser.add_argument("--manifest", help="CSV to write, with a row for each file")
    chosen = parser.parse_args(arguments)
    seen, faults = None, []
    try:
        if predicting:
            refuse_inside(chosen.out, chosen.pictures, "pictures")
            refuse_inside(chosen.out, chosen.model, "model")
            saved = restore(chosen.model)
            try_to_write(chosen.out)
            rows = predict(saved, chosen.pictures)
            write_predictions(rows, chosen.out)
        else:
            seen = scan(chosen.folder, size=chosen.size)
    except FolderError as error:
        seen = error.scan
        faults.append(str(error))
    try:  # what is written comes first, lest it be lost where nothing can be printed
        if seen and chosen.manifest:
            write_manifest(seen, chosen.manifest)
    except FolderError as error:
        faults.append(str(error))
    if seen:
        print(table(seen))
    if predicting and not faults:
        done = sum(not row.why for row in rows)
        left = len(rows) - done
        print(f"{done} pictures predicted, {left} file{'s' * (left != 1)} not; see {shown(chosen.out)}")
    return " ".join(faults) or None


def run(arguments):
    """`main` for a shell, where standard output may be closed, full or a pipe that nobody reads any more."""
    try:
        if sys.stdout:
            sys.stdout.reconfigure(errors="backslashreplace")
        status = main(arguments)
        if sys.stdout:
            sys.stdout.flush()
        return status
    except OSError as error:  # main has no other: its files are read and written with a FolderError
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 1 if isinstance(error, BrokenPipeError) else f"Nothing can be printed ({error.strerror})."


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
