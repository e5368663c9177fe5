"""Editions of the chapters for teaching: `python -m coursetools.workshop [CHAPTER ...] [--out OUT]`"""

import argparse
import shutil
import sys
from pathlib import Path

from coursetools import notebook, tidy
from coursetools.tidy import nbformat
from coursetools.workshop import editions, pack, slides


def build(names, out):
    """Write all editions of the chapters named (of all when none is). Raises Refused, OSError."""
    chapters = {path.stem: nbformat.read(path, as_version=4) for path in notebook.find_chapters(names)}
    guide, deck = editions.read_guide(), slides.libraries()
    makers = {
        "learner": lambda stem, nb: nbformat.writes(editions.learner_edition(nb)) + "\n",
        "instructor": lambda stem, nb: nbformat.writes(editions.instructor_edition(nb, guide.get(stem[:2], ""))) + "\n",
        "slides": lambda stem, nb: slides.slides_page(nb, editions.title(nb), deck, chapters),
    }
    packed = {}
    for edition, make in makers.items():
        if (out / edition).exists():
            shutil.rmtree(out / edition)  # what an earlier call left is not handed out
        (out / edition).mkdir(parents=True)
        for stem, nb in chapters.items():
            name = stem + (".slides.html" if edition == "slides" else ".ipynb")
            tidy.write(out / edition / name, make(stem, nb))
            packed.setdefault(edition, []).append((name, out / edition / name))
        print(f"{edition:<10}  {len(chapters)} in {out / edition}", flush=True)
    to_run = pack.files_to_run()
    for edition in ("learner", "instructor"):
        notebooks = [(f"notebooks/{name}", path) for name, path in packed[edition]]
        extra = [("docs/teaching.md", editions.GUIDE)] if edition == "instructor" and editions.GUIDE.exists() else []
        pack.write(out / f"{edition}.zip", dict([*to_run, *notebooks, *extra]).items())
    pack.write(out / "slides.zip", packed["slides"])
    for edition in makers:
        print(f"{out / edition}.zip  {(out / f'{edition}.zip').stat().st_size / 1e6:.1f} MB", flush=True)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.workshop", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="01, 02 ... (all when none is given)")
    parser.add_argument("--out", default="build", help="the editions go to OUT/workshop (default: build)")
    options = parser.parse_args(arguments)
    try:
        build(options.chapters, Path(options.out).absolute() / "workshop")
        return 0
    except notebook.Refused as error:
        print(f"coursetools.workshop: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"coursetools.workshop: cannot go on: {error.strerror or error} ({error.filename or options.out}); "
            "OUT=/elsewhere writes elsewhere",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
