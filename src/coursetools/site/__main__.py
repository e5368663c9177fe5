"""Build the book: `python -m coursetools.site [--out OUT]`, to OUT/site."""

import argparse
import base64
import hashlib
import html
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from coursetools import doctor, notebook, pages
from coursetools.site import sources

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HERE = Path(__file__).resolve().parent
LIST = sources.ROOT / "requirements-site.txt"


def environment():
    """The Python of the book's own environment, inside that of the course, made when it is missing or out of date."""
    given = os.environ.get("SITE_PYTHON")
    if given:
        return given
    folder = Path(sys.prefix) / "site"
    python = doctor.python_of(str(folder))
    stamp = hashlib.sha256(LIST.read_bytes()).hexdigest()
    mark = folder / "groundup-site.txt"
    if not (mark.is_file() and mark.read_text() == stamp and Path(python).exists()):
        print("Setting up the environment of the book: 0.25 GB, a minute, once.", flush=True)
        log = str(folder / "setup.log")
        doctor.create(str(folder), log)
        if not doctor.quickly(
            str(folder), log, ["--no-deps", "-r", str(LIST)], str(Path(sys.executable).with_name("uv"))
        ):
            doctor.pip(str(folder), log, ["--no-deps", "-r", str(LIST)])
        mark.write_text(stamp)
    return python


def formulas(folder, site=None):
    """Write formulas.css: how formulas are set, and of their font what the formulas of a site need, inside the file.

    Inside, for browsers do not load a font from beside a page on the disk; and not all of it, which is a megabyte.
    """
    from fontTools import subset, ttLib

    slanted = [*range(0x1D434, 0x1D468), *range(0x1D6A4, 0x1D6E2)]  # what a browser sets for a single letter
    used = set(map(chr, [*range(0x20, 0x7F), *slanted]))
    for path in site.rglob("*.html") if site else []:
        for formula in re.findall(r"(?s)<math.*?</math>", path.read_text(encoding="utf-8")):
            used |= set(html.unescape(formula))
    whole = base64.b64decode(pages.formula_font())
    font, packed = ttLib.TTFont(io.BytesIO(whole), recalcTimestamp=False), io.BytesIO()
    options = subset.Options(layout_features=["*"], notdef_outline=True)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=map(ord, used))
    chosen.subset(font)
    font.flavor = "woff"
    font.save(packed)
    style = pages.formula_style(base64.b64encode(packed.getvalue()).decode())
    for place in [folder, *([site / "_static"] if site else [])]:
        place.mkdir(parents=True, exist_ok=True)
        (place / "formulas.css").write_text(style, encoding="utf-8")


def pdf(site, folder, names=("*",)):
    """Print chapters to folder/NAME.pdf, as Chromium prints their pages: with its MathML, folds open, an outline.

    Raises:
        Refused: there is no Chromium, or it prints nothing.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        raise notebook.Refused("the pages are printed by Chromium, which is not here: apt install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as profile:
        command = [program, "--headless=new", "--disable-gpu", "--no-pdf-header-footer", *root]
        command += ["--generate-pdf-document-outline", "--host-resolver-rules=MAP * ~NOTFOUND"]
        command += [f"--user-data-dir={profile}", "--virtual-time-budget=20000"]
        for page in sorted(path for name in names for path in (site / "notebooks").glob(f"{name}.html")):
            target = folder / f"{page.stem}.pdf"
            target.unlink(missing_ok=True)
            done = subprocess.run(
                [*command, f"--print-to-pdf={target}", page.as_uri()],
                env={**os.environ, "HOME": profile},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=300,
            )
            if not target.is_file():
                said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
                raise notebook.Refused(f"Chromium did not print {page.name}: {said}")


def build(out, epub=False):
    """Write the site to out/site and return where its first page is.

    Raises:
        Refused: Sphinx found something wrong; what it printed says what.
        doctor.Problem: its packages cannot be installed.
    """
    python, work = environment(), out / ".site"
    sources.write(work / "source")
    if not (work / "static" / "formulas.css").is_file():
        formulas(work / "static")
    shutil.copyfile(pages.STYLE / "reading.css", work / "static" / "reading.css")
    sources.downloads(work / "extra")
    env = os.environ | {"SITE_TREE": str(work / "source"), "PYTHONDONTWRITEBYTECODE": "1"}
    for builder, target in [("html", out / "site"), *([("epub", out / "epub")] if epub else [])]:
        command = [python, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "auto", "-b", builder, "-c", str(HERE)]
        command += ["-d", str(work / f"doctrees-{builder}"), str(work / "source"), str(target)]
        extra = {"SITE_EXTRA": str(work / "extra")} if builder == "html" else {}
        if subprocess.call(command, env=env | extra):
            raise notebook.Refused(f"the book has mistakes, which stand above; what was written is in {target}")
        if builder == "html":
            formulas(work / "static", target)
    return out / "site" / "index.html"


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coursetools.site", description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="build", help="the site goes to OUT/site (default: build)")
    parser.add_argument("--epub", action="store_true", help="also an EPUB, to OUT/epub")
    parser.add_argument("--pdf", action="store_true", help="also each chapter as a PDF, to OUT/pdf; needs Chromium")
    parser.add_argument("--setup", action="store_true", help="only make the environment of the book")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        if options.setup:
            environment()
            return 0
        out = Path(options.out).absolute()
        first = build(out, options.epub)
        if options.pdf:
            pdf(out / "site", out / "pdf")
        print(f"The book: {first}  ({time.monotonic() - start:.0f} s)")
        return 0
    except (notebook.Refused, doctor.Problem) as error:
        print(f"coursetools.site: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"coursetools.site: cannot go on: {error.strerror} ({error.filename}); OUT=/elsewhere writes elsewhere",
            file=sys.stderr,
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
