"""The chapters, and one way to read a notebook that has a sentence for whatever a file may hold."""

import ast
import hashlib
import io
import json
import os
import sys
import tokenize
from pathlib import Path

# jsonschema, which nbformat imports, builds a grammar of addresses where it finds this package: 1.3 seconds, at each
# start of a program, for a check that no notebook has. So it does not find it. The others take nbformat from here.
sys.modules.setdefault("rfc3987_syntax", None)
import nbformat  # noqa: E402

if sys.modules["rfc3987_syntax"] is None:
    del sys.modules["rfc3987_syntax"]

SRC = Path(__file__).resolve().parents[1]
NOTEBOOKS = Path(os.environ.get("GROUNDUP_NOTEBOOKS") or SRC.parent / "notebooks")


class Refused(Exception):
    """What was asked for cannot be done; says what can."""


def find_chapters(names):
    """Paths of the notebooks named by number or file name; of all numbered chapters when none is named.

    Those that begin with my_, for a reader's own data, run when they are named. Raises Refused.
    """
    chapters = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    existing = [*chapters, *sorted(NOTEBOOKS.glob("my_*.ipynb"))]
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        match = [path for path in existing if stem in (path.stem, path.stem[3:]) or stem.zfill(2) == path.stem[:2]]
        if not match:
            listing = "\n".join(f"  {path.stem[:2]}  {path.stem}" for path in existing) or "  none"
            raise Refused(f"there is no chapter {name} in {NOTEBOOKS}; there is\n{listing}")
        found += [path for path in match if path not in found]
    if not existing:
        raise Refused(f"there is no chapter in {NOTEBOOKS}")
    return found or chapters


def read(path):
    """A notebook in format 4, from a file of that format or an older one.

    Args:
        path: str or Path.

    Returns:
        nbformat.NotebookNode. Every cell has a type that Jupyter knows, its source as one str, and metadata, in which
        tags are a list of str; every code cell has an execution count and a list of outputs. What else may be wrong
        `tidy.save` finds.

    Raises:
        Refused: not a notebook; one sentence that names the file, the cell where it is one, and the fault.
        OSError: the file cannot be read.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        found = json.loads(content.decode("utf-8-sig"))
        if isinstance(found, dict) and found.get("nbformat") in (1, 2, 3):
            found = nbformat.reads(json.dumps(found), as_version=4)
        fault = _fault(found)
        if not fault:
            return nbformat.v4.to_notebook(found)
    except Exception as error:  # JSON, UTF-8, too many brackets; and what nbformat raises depends on the file
        fault = (str(error).splitlines() or [type(error).__name__])[0][:200]
    raise Refused(f"{path.name} is not a notebook: {fault}")


OUTPUTS = {  # what each kind of output must hold
    "stream": {"name": str, "text": (str, list)},
    "display_data": {"data": dict},
    "execute_result": {"data": dict},
    "error": {"ename": str, "evalue": str, "traceback": list},
}


def _fault(found):
    """What is wrong with a notebook as JSON gives it, in words, or None; adds what may be left out."""
    if not isinstance(found, dict):
        return f"it holds {_name(found)} where a notebook has {{...}}"
    if found.get("nbformat") != 4:
        return f"its nbformat is {found.get('nbformat')!r}, and 4 is the present one"
    if not isinstance(found.setdefault("metadata", {}), dict):
        return f"its metadata is {_name(found['metadata'])}, not {{...}}"
    if not isinstance(found.get("cells"), list):
        return f"its cells are {_name(found.get('cells'))}, not a list"
    for number, cell in enumerate(found["cells"], 1):
        fault = _fault_of_cell(cell)
        if fault:
            return f"in cell {number}, {fault}"
    return None


def _fault_of_cell(cell):
    """The same of a cell."""
    if not isinstance(cell, dict):
        return f"there is {_name(cell)} where a cell has {{...}}"
    if cell.get("cell_type") not in ("code", "markdown", "raw"):
        return f"cell_type is {cell.get('cell_type')!r}, not code, markdown or raw"
    source, metadata = cell.get("source"), cell.setdefault("metadata", {})
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        return f"source is {_name(source)}, not text"
    if any("\ud800" <= letter <= "\udfff" for letter in "".join(lines)):
        return "source holds half a surrogate pair, which is no letter"
    if not isinstance(metadata, dict) or not isinstance(metadata.get("jupyter", {}), dict):
        return "metadata is not {...}"
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return f"tags are {tags!r}, not a list of words"
    if not isinstance(cell.get("id", ""), str):
        return f"id is {cell['id']!r}, not text"
    if cell["cell_type"] != "code":
        return None
    if not isinstance(cell.setdefault("execution_count", None), (int, type(None))):
        return f"execution_count is {cell['execution_count']!r}, not a number"
    if not isinstance(cell.setdefault("outputs", []), list):
        return f"outputs are {_name(cell['outputs'])}, not a list"
    for output in cell["outputs"]:
        kind = output.get("output_type") if isinstance(output, dict) else None
        wanted = OUTPUTS.get(kind) if isinstance(kind, str) else None
        if wanted is None or not all(isinstance(output.get(key), types) for key, types in wanted.items()):
            return "an output is none that Jupyter writes"
    return None


def _name(value):
    """What JSON calls a value."""
    names = {dict: "{...}", list: "a list", str: "a text", bool: "true or false", type(None): "nothing (null)"}
    return names.get(type(value), "a number")


def parameters_of(nb, name):
    """The parameters of a chapter, from its cell tagged `parameters`.

    Args:
        nb: the chapter.
        name: str, its file's, for errors.

    Returns:
        {parameter: (default, comment)}; a default that is no literal is given as `...`.

    Raises:
        Refused: that cell is not plain Python, so what it sets cannot be told; names the file, the cell and the line.
    """
    found = {}
    for number, cell in enumerate(nb.cells, 1):
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            lines = cell.source.split("\n")
            try:
                nodes = ast.parse(cell.source).body
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # ValueError: a NUL
                line = getattr(error, "lineno", None) or 1
                shown = lines[min(line, len(lines)) - 1].strip()[:80]
                raise Refused(
                    f"{name}: cell {number}, which sets the parameters, is not plain Python in line {line}, {shown!r} "
                    f"({getattr(error, 'msg', error)}); without -p it runs as it is"
                ) from None
            for node in nodes:
                target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
                if isinstance(target, ast.Name) and getattr(node, "value", None) is not None:
                    try:
                        default = ast.literal_eval(node.value)
                    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                        default = ...
                    rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
                    found[target.id] = (default, rest.partition("#")[2].strip())
    return found


def code_cells(nb):
    """The code cells of a chapter that are not of its exercises."""
    kinds = {"exercise", "check", "solution"}
    return [cell for cell in nb.cells if cell.cell_type == "code" and not kinds & set(cell.metadata.get("tags", []))]


def bare(source):
    """Python source without comments and empty lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source + "\n").readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def code_hash(nb):
    """Twelve hexadecimal digits for the code of a chapter; exercises, comments and empty lines do not count."""
    return hashlib.sha256("\n".join(bare(cell.source) for cell in code_cells(nb)).encode()).hexdigest()[:12]
