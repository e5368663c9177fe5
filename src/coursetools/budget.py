"""Writes down how long chapters take: docs/budget.json, the table of the README, the first cell of each chapter."""

import json
import re

from coursetools import machine, notebook, tidy
from groundup import files


def write(records, speed):
    """Write measured time and memory into docs/budget.json, the README's table and each chapter's first cell.

    Args:
        records: {stem: what `run.run_chapter` returns of the chapter}.
        speed: GFLOP/s of this machine. Its column is that of its vector instructions; other columns are kept.

    Raises:
        Refused: the README has no place for the table.
        OSError: a file cannot be written.
    """
    root, kind = notebook.NOTEBOOKS.parent, machine.instructions()
    budget = machine.read(root / "docs" / "budget.json")
    about = budget.setdefault(kind, {"gflops": 0, "chapters": {}})
    about["gflops"] = round(speed)
    measured = {
        stem: [max(1, round(record["seconds"])), round(record["peak_mb"], -1)]
        for stem, record in records.items()
        if not record["error"]
    }
    about["chapters"] = dict(sorted({**about["chapters"], **measured}.items()))
    kinds = sorted(budget, key=lambda name: -budget[name]["gflops"])
    rows = []
    for path in notebook.find_chapters([]):
        nb = notebook.read(path)
        first = next((cell for cell in nb.cells if cell.cell_type == "markdown" and cell.source.strip()), None)
        if first is None:
            continue
        if path.stem in measured and kind == kinds[0]:  # the first cell is about the fastest machine
            sentence = "*Measured on two CPU cores: {} s, {} MB.*".format(*measured[path.stem])
            first.source = re.sub(r"\*Measured on two CPU cores: .*?\*", sentence, first.source)
            tidy.save(nb, path)
        title = re.sub(r"^#*\s*(\d+ · )?", "", first.source.strip().splitlines()[0])
        numbers = [budget[name]["chapters"].get(path.stem, ["", ""]) for name in kinds]
        if any(seconds for seconds, _ in numbers):
            cells = [*(seconds for seconds, _ in numbers), max(mb for _, mb in numbers if mb)]
            rows.append(f"| {path.stem[:2]} | [{title}](notebooks/{path.name}) | {' | '.join(map(str, cells))} |")
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8") if readme.exists() else ""
    speeds = ", ".join(f"{budget[name]['gflops']} with {name}" for name in kinds)
    lines = [
        "<!-- budget -->",
        f"Two cores; GFLOP/s in a {machine.SIDE}² float32 product: {speeds}.",
        "",
        f"| no | chapter | {' | '.join(f'seconds, {name}' for name in kinds)} | MB |",
        f"|---|---|{'---:|' * len(kinds)}---:|",
        *rows,
        "<!-- /budget -->",
    ]
    new, count = re.subn(r"<!-- budget -->.*?<!-- /budget -->", lambda _: "\n".join(lines), old, flags=re.S)
    if not count:
        raise notebook.Refused(
            f"{readme} has no place for the table: a line <!-- budget --> and a line <!-- /budget -->"
        )
    files.write(readme, new)
    (root / "docs").mkdir(exist_ok=True)
    files.write(root / "docs" / "budget.json", json.dumps(budget, indent=1) + "\n")
