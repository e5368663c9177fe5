"""What the record_NN_experiment.py share: a chapter's own code without running the chapter, and a record that goes on.

A record_NN_experiment.py holds a function `measure(seed)` that gives {name: number}, and ends with

    record.rebuild("NN_experiment", measure, code)

where `code` came from `definitions`. Each seed is written as soon as it is measured, so that an interrupted record goes
on with the next one; seeds that were measured with other code are measured anew.
"""

import argparse
import ast
import hashlib
import json
from pathlib import Path

from coursetools import notebook, records
from groundup import files, session
from groundup.records import COLUMNS

# What all experiments of a chapter take from it: its data, their division, and the networks.
SHARED = {
    "03": "mnist images test_images rows order for_validation X X_val mlp".split(),
    "06": "sky scan pictures images who deal turned Batches small_network fit outputs".split(),
    "07": "load_pictures x_all order train_rows mean std scaled x SHAPE conv block network LOSS".split(),
    "09": "reviews kept texts labels divide train ids".split(),
    "13": (
        "folder about shape load_gpt novel tokenizer policy reference GIVEN WRITTEN BATCH VOCABULARY MARKS "
        "openings NOVELS narratives for_choices held_out spoken sample gumbel log_probabilities taken scores "
        "judge_policy adam weighted_step restart advantages_of pursue sigmoid make_pairs dpo_update train_dpo "
        "best_of_n PENALTIES DPO_BETAS EQUAL"
    ).split(),
}


def statements(chapter, names):
    """The statements of a chapter that define `names`, with its imports and its parameters.

    Args:
        chapter: str, its number.
        names: functions, classes and assigned names.

    Returns:
        list of (node of ast, its source as str), in the chapter's order.

    Raises:
        KeyError: names that the chapter does not define.
    """
    path = notebook.find_chapters([chapter])[0]
    found, left = [], set(names)
    for cell in notebook.code_cells(notebook.read(path)):
        parameters, lines = "parameters" in cell.metadata.get("tags", []), cell.source.splitlines()
        for node in ast.parse(cell.source).body:
            targets = {getattr(node, "name", None), *_assigned(node)}
            if isinstance(node, (ast.Import, ast.ImportFrom)) or parameters or left & targets:
                first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
                found.append((node, "\n".join(lines[first - 1 : node.end_lineno])))
                left -= targets
    if left:
        raise KeyError(f"{path.name} does not define {', '.join(sorted(left))}")
    return found


def code_of(found):
    """A hash of what `statements` found, imports and comments left out."""
    kept = [notebook.bare(source) for node, source in found if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:12]


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
    found, space = statements(chapter, set(names) - set(given or {})), {"__name__": chapter, **(given or {})}
    for node, _ in found:
        exec(compile(ast.Module([node], []), f"chapter {chapter}", "exec"), space)
        space |= given or {}
    return space, code_of(found)


class Kept:
    """Results of the single trainings of a seed, kept in a file so that an interrupted seed goes on with the next one.

    Args:
        path: Path of the file.
        code: hash of the code that is measured; results of other code are not used.
    """

    def __init__(self, path, code):
        self.path, self.code = path, code

    def __call__(self, name, make, *arguments):
        """What make(*arguments) gave under this name, before an interruption or now; anything that JSON can hold."""
        known = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        key = f"{self.code} {name}"
        if key not in known:
            known[key] = make(*arguments)
            files.write(self.path, json.dumps(known))
        return known[key]


def _assigned(node):
    """Names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def rebuild(name, measure, code, seeds=range(1, 6)):
    """Measure what the record lacks and write it, a seed at a time; `--write` into data/, else into OUT/data.

    Args:
        name: str, the record's: the chapter's number and a word for the experiment.
        measure: function of a seed that returns {name: number}.
        code: hash of the code that is measured.
        seeds: iterable of int.
    """
    parser = argparse.ArgumentParser(description=f"Measures the record {name}.")
    parser.add_argument("--write", action="store_true", help="write into data/ itself, not into OUT/data")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds), help="which seeds to measure")
    parser.add_argument("--out", default="build", help="where the results go without --write (default: build)")
    given = parser.parse_args()
    folder = (records.DATA if given.write else Path(given.out) / "data") / "records"
    folder.mkdir(parents=True, exist_ok=True)
    rows = records.read(folder / f"{name}.csv", code)
    versions = " ".join(f"{package} {number}" for package, number in session.versions().items())
    for seed in given.seeds:
        if any(row["seed"] == str(seed) for row in rows):
            continue
        found = measure(seed)
        for claim, value in found.items():
            row = (claim, str(seed), f"{value:.6g}", "", versions, code)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
        records.write(folder / f"{name}.csv", rows)
        said = [f"{claim} {value:.4g}" for claim, value in found.items()]
        print(f"{name}, seed {seed}:", *said, sep="\n  ", flush=True)
    print(f"written: {folder / name}.csv")
