"""Makes records: `python -m coursetools.records NAME ... [--seeds 1 2 3 4 5] [--write]`

NAME is a chapter (07), run headlessly once for each seed, every claim written down whether it holds or not; or an
experiment (07_schedules), whose script in recipes/ is called. A seed is written as soon as it is measured, so that
an interrupted record goes on; seeds that were measured with other code are measured anew. Files go to OUT/data/records,
with --write into data/ itself, manifest included.
"""

import argparse
import contextlib
import csv
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from coursetools import notebook, run
from coursetools.recipes import manifest
from groundup import files, session
from groundup.records import COLUMNS

DATA = notebook.SRC.parent / "data"
RECIPES = notebook.SRC / "coursetools" / "recipes"
SEEDS = (1, 2, 3, 4, 5)


def read(file, code):
    """Rows of a record's file that were measured with this code, as dicts of str; [] where there is no file."""
    with contextlib.suppress(FileNotFoundError), file.open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["code"] == code]
    return []


def write(file, rows):
    """Write a record's file, sorted by claim and seed; in data/ the manifest at once, or no chapter could read it."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(rows, key=lambda row: (row["claim"], int(row["seed"]))))
    files.write(file, text.getvalue())
    if file.parent.parent == DATA:
        manifest.refresh(DATA)


def measure(path, seed, out):
    """Run a chapter with a seed.

    Args:
        path: Path of the notebook.
        seed: int, for its parameter SEED.
        out: Path of a folder for what the chapter writes meanwhile.

    Returns:
        {claim: (value, bound)}, both as a record has them; a name that comes again gets a number.

    Raises:
        Refused: the chapter has no SEED, or a cell failed; says which.
    """
    nb = notebook.read(path)
    if "SEED" not in notebook.parameters_of(nb, path.name):
        raise notebook.Refused(f"{path.stem} has no parameter SEED")
    os.environ["GROUNDUP_RECORD"] = "1"
    try:
        with tempfile.TemporaryDirectory(dir=out) as scratch:  # what the chapter writes is not kept
            record, _ = run.run_chapter(path, nb, {"SEED": seed}, Path(scratch), Path(scratch), 3600)
    finally:
        del os.environ["GROUNDUP_RECORD"]
    if record["error"]:
        raise notebook.Refused(f"{path.stem} stopped with seed {seed}: {record['error'][:500]}")
    found = {}
    for claim in record["claims"]:
        name, number = claim["name"], 1
        while name in found:
            number += 1
            name = f"{claim['name']} ({number})"
        bound = f"{claim['sign']} {claim['bound']:.6g}" if claim["sign"] in (">=", "<=") else claim["sign"] or "holds"
        found[name] = (float(claim["value"]) if claim["sign"] else float(claim["ok"]), bound)
    return found


def held(row):
    """Whether the claim of a record's row held."""
    sign, _, bound = row["bound"].partition(" ")
    value = float(row["value"])
    return {">=": value >= float(bound or 0), "<=": value <= float(bound or 0), "holds": value == 1}.get(sign, True)


def chapter(path, seeds, out, folder):
    """Bring the record of a chapter up to date; prints the claims that failed. Raises Refused."""
    code, file = notebook.code_hash(notebook.read(path)), folder / f"{path.stem[:2]}.csv"
    rows = read(file, code)
    versions = " ".join(f"{name} {number}" for name, number in session.versions().items())
    for seed in seeds:
        if not any(row["seed"] == str(seed) for row in rows):
            for name, (value, bound) in measure(path, seed, out).items():
                row = (name, str(seed), f"{value:.6g}", bound, versions, code)
                rows.append(dict(zip(COLUMNS, row, strict=True)))
            write(file, rows)
    for row in rows:
        if not held(row):
            print(f"not so with seed {row['seed']}: {row['claim']} {row['value']} ({row['bound']})")
    print(f"written: {file}", flush=True)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.records", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters or experiments (all chapters without any)")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="default: 1 2 3 4 5")
    parser.add_argument("--write", action="store_true", help="write into data/, not into OUT/data")
    parser.add_argument("--out", default="build", help="where the results go (default: build)")
    options = parser.parse_args(arguments)
    out = Path(options.out).expanduser().absolute()
    folder = (DATA if options.write else out / "data") / "records"
    try:
        for each in (out, folder):
            each.mkdir(parents=True, exist_ok=True)
        names = options.names or [path.stem[:2] for path in notebook.find_chapters([])]
        known = sorted(path.stem.removeprefix("record_") for path in RECIPES.glob("record_*.py"))
        try:
            notebook.find_chapters([name for name in names if name not in known])  # before hours go into the first
        except notebook.Refused as error:
            raise notebook.Refused(f"{error}\nand there are the experiments {', '.join(known)}") from None
        for name in names:
            script = RECIPES / f"record_{name}.py"
            if name in known:
                given = ["--seeds", *map(str, options.seeds)] if options.seeds != SEEDS else []
                command = [sys.executable, script, "--out", out, *given, *["--write"] * options.write]
                if subprocess.run(command).returncode:
                    return 1
            else:
                for path in notebook.find_chapters([name]):
                    chapter(path, options.seeds, out, folder)
    except (notebook.Refused, OSError) as error:
        print(f"coursetools.records: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("coursetools.records: stopped; the seeds that were measured are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
