"""Trains the networks whose weights are in data/resnet and data/bert: chapters 07 and 09, run with their own switches.

`make weights` calls this. Each chapter trains its network whole (three and four minutes), holds it against its claims
and leaves the weights in its folder of --out; from there they go to build/data/ or, with --write, to data/ itself.
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from coursetools.recipes import packages

CHAPTERS = {"07": ("resnet", "ALL_RUNS"), "09": ("bert", "TRAIN_HERE")}  # set, and the switch that trains it


def trained(chapter, switch, out):
    """{name: array} that a chapter writes when its switch is on. Exits if the chapter fails."""
    command = [sys.executable, "-m", "coursetools.run", chapter, "--out", str(out), "-p", switch, "True"]
    if subprocess.run(command).returncode:
        raise SystemExit(f"chapter {chapter} failed: nothing was written for it")
    with np.load(io.BytesIO((out / chapter / "weights.npz").read_bytes()), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write into data/ itself, not into build/data/")
    parser.add_argument("--out", type=Path, default=packages.BUILD / "data" / "chapters", help="folder for the runs")
    given = parser.parse_args()
    for chapter, (name, switch) in CHAPTERS.items():
        packages.write_weights(
            {f"{name}/weights.npz": packages.npz(**trained(chapter, switch, given.out.resolve()))}, given
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
