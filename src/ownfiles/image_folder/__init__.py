"""A folder of pictures, one subfolder a class: scanned, dealt for cross-validation, and a model used on new pictures.

    scan = image_folder.scan("my_photos", size=150)
    print(image_folder.table(scan))
    pictures = image_folder.load(scan)
    folds = image_folder.folds(pictures, 5, image_folder.groups(pictures, pattern="^.*_tile"))

The scan decodes each file, with the only operation there is (`decode`), and keeps the pixels. Training uses those: what
passed the scan cannot fail in training, not even when its file changes or vanishes. Nothing in the folder is deleted,
moved, changed or made. On the command line:

    python -m ownfiles.image_folder my_photos                                      # the table
    python -m ownfiles.image_folder predict my_model new_photos --out answers.csv  # a saved model
"""

from .base import STATUSES, File, FolderError, Pictures, Prediction, Saved, Scan, shown
from .decode import decode
from .model import predict, restore, save, write_predictions
from .parts import folds, groups, split
from .scan import load, scan, table, write_manifest

__all__ = [
    "STATUSES",
    "File",
    "FolderError",
    "Pictures",
    "Prediction",
    "Saved",
    "Scan",
    "decode",
    "folds",
    "groups",
    "load",
    "predict",
    "restore",
    "save",
    "scan",
    "shown",
    "split",
    "table",
    "write_manifest",
    "write_predictions",
]
