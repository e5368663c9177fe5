"""The archives that are handed out: all that a chapter needs to run, in a zip with the same bytes each time."""

import json
import zipfile
from pathlib import Path

from coursetools import notebook
from groundup.files import whole

ROOT = notebook.SRC.parent
OURS = (
    ".py",
    ".j2",
    ".md",
    ".mplstyle",
    ".css",
    ".js",
    ".html",
)  # what the packages are made of; beside it may lie anything


def files_to_run():
    """(path in the archive, path here) of what a chapter needs to run, and of the notebooks for own data."""
    kept = [
        "Makefile",
        "LICENSE",
        "pyproject.toml",
        "requirements.txt",
        "requirements-bert.txt",
        "requirements-llm.txt",
    ]
    source = (path for path in (ROOT / "src").rglob("*") if path.suffix in OURS and path.is_file())
    kept += sorted(path.relative_to(ROOT).as_posix() for path in source)
    kept += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "notebooks").glob("my_*.ipynb"))
    # Of data/ only what belongs to it: beside it may lie what nobody wants to hand out.
    manifest = json.loads((ROOT / "data" / "MANIFEST.json").read_text(encoding="utf-8"))
    kept += ["data/MANIFEST.json", "data/README.md"]
    kept += sorted(f"data/{name}" for about in manifest.values() for name in about["files"])
    readme = Path(__file__).with_name("templates") / "learner.md"
    return [("README.md", readme), *((name, ROOT / name) for name in kept)]


def write(path, files):
    """Write a zip archive of (name, path or text) pairs, the same bytes for the same contents."""
    with whole(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            data = content.encode() if isinstance(content, str) else content.read_bytes()
            info = zipfile.ZipInfo(f"groundup-workshop/{name}")
            small = name.endswith((".npz", ".jpg"))  # compressed already
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if small else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
