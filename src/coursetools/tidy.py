"""Brings notebooks into one form, so that a change shows only what changed: `python -m coursetools.tidy FILE ...`

Cell ids stay; timestamps, machine traces and editor settings go; solutions are folded. A notebook that shows an
error or the path of a machine in its outputs is refused, and left as it is.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

from coursetools import notebook
from coursetools.notebook import nbformat
from groundup.files import write

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}
KEPT = ("tags", "jupyter", "slideshow", "editable", "deletable")  # what a cell's metadata may hold
MACHINE_PATH = re.compile(
    r"(?<![\w.:/-])/(?:home|root|Users|work|tmp|opt|private|mnt|var/folders)/[^\s\"'<>]+"
    r"|[A-Za-z]:\\+Users\\+[^\s\"'<>]+|[^\s\"'<>]*/site-packages/[^\s\"'<>]*"
)


def clean(nb):
    """Normalise a notebook in place and return it; nothing that a reader sees changes."""
    nb.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    nb.nbformat, nb.nbformat_minor = 4, 5
    seen = set()
    for index, cell in enumerate(nb.cells):
        if not cell.get("id") or cell.id in seen:
            cell["id"] = hashlib.sha256(f"{index} {cell.source}".encode()).hexdigest()[:8]
        seen.add(cell.id)
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in KEPT if cell.metadata.get(key)})
        if cell.cell_type == "code":
            _clean_code(cell)
    _describe(nb)
    code = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    counts = [cell.execution_count for cell in code]
    if None not in counts and counts == sorted(set(counts)):
        for count, cell in enumerate(code, 1):
            cell.execution_count = count
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
    return nb


def _describe(nb):
    """Give each figure its caption, which stands in the cell after it, as its alternative text."""
    for cell, after in zip(nb.cells, [*nb.cells, None][1:], strict=True):
        pictures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        text = after.source if after is not None and after.cell_type == "markdown" else ""
        captions = [" ".join(line.split()) for line in re.findall(r"(?ms)^(\*Figure .*?)(?=\n\n|\n\*Figure |\Z)", text)]
        for picture, caption in zip(pictures, captions, strict=False):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", caption)
            picture.metadata["image/png"] = {"alt": re.sub(r"[*`$]", "", plain)}


def _clean_code(cell):
    """One code cell: fold a solution, empty an empty cell, join neighbouring pieces of one stream."""
    if "solution" in cell.metadata.get("tags", []):
        cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
    if not cell.source.strip():
        cell.outputs, cell.execution_count = [], None
    joined = []
    for output in cell.outputs:
        last = joined[-1] if joined else None
        if output.output_type == "stream" and last and last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            joined.append(output)
    cell.outputs = joined


def problems(nb):
    """Sentences that say why a notebook may not be kept: an error output, the path of a machine in an output."""
    found = []
    for number, cell in enumerate((cell for cell in nb.cells if cell.cell_type == "code"), 1):
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"code cell {number} ended in {output.ename}: {output.evalue}")
            texts = {kind: text for kind, text in output.get("data", {}).items() if kind[-4:] not in ("/png", "jpeg")}
            match = MACHINE_PATH.search(json.dumps([output.get("text", ""), texts], ensure_ascii=False))
            if match:
                found.append(f"code cell {number} shows the path of a machine: {match.group(0)}")
    return found


def save(nb, path):
    """Write a notebook if that changes the file; True if it did.

    Raises:
        ValueError: the notebook shows an error or a machine's path, or is not a valid notebook.
        OSError: the file cannot be written.
    """
    faults = problems(nb)
    if faults:
        raise ValueError(faults[0])
    try:
        nbformat.validate(nb)
    except nbformat.ValidationError as error:
        raise ValueError(f"not a valid notebook: {error.message}") from None
    text = nbformat.writes(nb, version=4).rstrip("\n") + "\n"
    path = Path(path)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write(path, text)
    return True


def main(paths):
    """Tidy each notebook; returns 1 if one was refused or could not be read or written."""
    status = 0
    for path in paths:
        try:
            if save(clean(notebook.read(path)), path):
                print(f"tidied {path}")
        except (notebook.Refused, ValueError, OSError) as error:
            print(f"{path}: refused, {str(error).splitlines()[0]}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
