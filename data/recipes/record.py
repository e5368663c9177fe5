"""What the record_NN_experiment.py share: a chapter's own code without running the chapter, and a record that goes on.

A record_NN_experiment.py holds a function `measure(seed)` that gives {name: number}, and ends with

    record.rebuild("NN_experiment", measure, code)

where `code` came from `definitions`. Each seed is written as soon as it is measured, so that an interrupted record goes
on with the next one; seeds that were measured with other code are measured anew.
"""

import argparse
import ast
import csv
import hashlib
import io
import json
import os

import manifest
from groundup import records, session

NOTEBOOKS = manifest.DATA.parent / "notebooks"


def definitions(chapter, names, given=None):
    """What a chapter defines, executed without its experiments.

    Args:
        chapter: str, its number.
        names: functions, classes and assigned names that are wanted, those that they need included. Imports and the
            cell of parameters are executed in any case.
        given: dict of names that the definitions find, such as data or parameters of other value; these win.

    Returns:
        (namespace, code): the dict of names, and a hash of the source that was taken.

    Raises:
        KeyError: names that the chapter does not define.
    """
    path = next(NOTEBOOKS.glob(f"{chapter}_*.ipynb"))
    space, taken, left = {"__name__": path.stem}, [], set(names) - set(given or {})
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] != "code" or set(tags) & {"exercise", "check", "solution"}:
            continue
        for node in ast.parse("".join(cell["source"])).body:
            targets = [getattr(node, "name", None), *_assigned(node)]
            imports = isinstance(node, (ast.Import, ast.ImportFrom))
            if imports or "parameters" in tags or left.intersection(targets):
                taken.append(ast.unparse(node))
                space |= given or {}
                exec(compile(ast.Module([node], []), path.name, "exec"), space)
                left -= set(targets)
    if left:
        raise KeyError(f"{path.name} does not define {', '.join(sorted(left))}")
    space |= given or {}
    return space, hashlib.sha256("\n".join(taken).encode()).hexdigest()[:12]


def _assigned(node):
    """Names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def rebuild(name, measure, code, seeds=range(1, 6)):
    """Measure what the record lacks and write it, a seed at a time; `--write` into data/, else into build/data/.

    Args:
        name: str, the record's: the chapter's number and a word for the experiment.
        measure: function of a seed that returns {name: number}.
        code: hash of the code that is measured.
        seeds: iterable of int.
    """
    parser = argparse.ArgumentParser(description=f"Measures the record {name}.")
    parser.add_argument("--write", action="store_true", help="write into data/ itself, not into build/data/")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds), help="which seeds to measure")
    given = parser.parse_args()
    folder = (manifest.DATA if given.write else manifest.DATA.parent / "build" / "data") / "records"
    folder.mkdir(parents=True, exist_ok=True)
    file, rows = folder / f"{name}.csv", []
    if file.exists():
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["code"] == code]
    versions = " ".join(f"{package} {number}" for package, number in session.versions().items())
    for seed in given.seeds:
        if any(row["seed"] == str(seed) for row in rows):
            continue
        found = measure(seed)
        rows += [
            dict(zip(records.COLUMNS, (claim, str(seed), f"{value:.6g}", "", versions, code), strict=True))
            for claim, value in found.items()
        ]
        rows.sort(key=lambda row: (row["claim"], int(row["seed"])))
        text = io.StringIO()
        table = csv.DictWriter(text, records.COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        part = file.with_suffix(".part")
        part.write_text(text.getvalue(), encoding="utf-8")
        os.replace(part, file)
        print(
            f"{name}, seed {seed}:",
            *[f"{claim} {value:.4g}" for claim, value in found.items()],
            sep="\n  ",
            flush=True,
        )
    print(f"written: {file}" + ("; now run data/recipes/manifest.py" if given.write else ""))
