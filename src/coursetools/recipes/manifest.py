"""Write the sizes and hashes of all files in data/ into data/MANIFEST.json: python -m coursetools.recipes.manifest

What a person wrote there (path, licence, credit, source, recipe) is kept. Run it after a file was changed on purpose,
and read the difference before you commit it.
"""

import hashlib
import json
from pathlib import Path

from groundup import files

DATA = Path(__file__).resolve().parents[3] / "data"


def read(folder=DATA):
    """The manifest of a data folder, as a dict: set name -> its entry."""
    return json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))


def entry(content):
    """What the manifest says about one file's bytes: {"bytes": size, "sha256": hexadecimal digest}."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def files_of(name, folder=DATA):
    """Files of one set, as sorted paths relative to `folder`: everything called NAME.* and everything in NAME/."""
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    visible = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    return sorted(path.as_posix() for path in visible if path.parts[0].split(".")[0] == name)


def text(manifest):
    """The manifest as JSON with sorted sets and one line a file, so that a change shows as the line it touches."""
    blocks = []
    for name, about in sorted(manifest.items()):
        lines = [
            f"    {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},"
            for key, value in about.items()
            if key != "files"
        ]
        files = [
            f"      {json.dumps(path, ensure_ascii=False)}: {json.dumps(facts, sort_keys=True)}"
            for path, facts in sorted(about["files"].items())
        ]
        lines = [f"  {json.dumps(name)}: {{", *lines, '    "files": {', ",\n".join(files), "    }\n  }"]
        blocks.append("\n".join(lines))
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def refresh(folder=DATA):
    """Write MANIFEST.json anew from the files in `folder`; returns the paths whose line changed."""
    old, new = read(folder), read(folder)
    for name, about in new.items():
        about["files"] = {path: entry((folder / path).read_bytes()) for path in files_of(name, folder)}
    files.write(folder / "MANIFEST.json", text(new))
    lines = [
        {(path, *facts.values()) for about in each.values() for path, facts in about["files"].items()}
        for each in (old, new)
    ]
    return sorted({path for path, *_ in lines[0] ^ lines[1]})


if __name__ == "__main__":
    changed = refresh()
    print("\n".join(f"changed: {path}" for path in changed) or "MANIFEST.json already says what is in data/")
