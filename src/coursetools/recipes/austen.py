"""Rebuild data/austen/: six novels, from Debian's r-cran-janeaustenr 1.0.0-1. R itself is not needed."""

import zlib

from coursetools.recipes import packages

PACKAGE = packages.apt(
    "r-cran-janeaustenr=1.0.0-1",
    "r-cran-janeaustenr_1.0.0-1_all.deb",
    "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
)
FILE = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
NOVELS = {
    "EMMA": "emma",
    "MANSFIELD PARK": "mansfieldpark",
    "NORTHANGER ABBEY": "northangerabbey",
    "Persuasion": "persuasion",
    "PRIDE AND PREJUDICE": "prideprejudice",
    "SENSE AND SENSIBILITY": "sensesensibility",
}
STRINGS, STRING, LATIN1, ATTRIBUTES = 16, 9, 1 << 14, 1 << 9  # R Internals, sections 1.1 and 1.8


def objects(rdb):
    """The serialized objects in an R lazy-load database: each is its unpacked size (4 bytes), then zlib data."""
    while rdb:
        stream = zlib.decompressobj()
        content = stream.decompress(rdb[4:])
        if not stream.eof or len(content) != int.from_bytes(rdb[:4], "big"):
            raise ValueError("not a lazy-load database packed with zlib, or it is cut short")
        yield content
        rdb = stream.unused_data


def strings(content):
    """The list of str in an R character vector, serialized in the XDR format (version 2 or 3) without attributes."""
    at = 2

    def integer():
        nonlocal at
        at += 4
        return int.from_bytes(content[at - 4 : at], "big")

    def raw(size):
        nonlocal at
        at += size
        return content[at - size : at]

    version, _, _ = integer(), integer(), integer()
    if content[:2] != b"X\n" or version not in (2, 3):
        raise ValueError(f"not an R object in XDR format: it starts with {content[:6]!r}")
    if version == 3:
        raw(integer())  # the name of the native encoding
    if (flags := integer()) & (0xFF | ATTRIBUTES) != STRINGS:
        raise ValueError(f"not a plain character vector: flags {flags:#x}")
    lines = []
    for _ in range(integer()):
        if (flags := integer()) & 0xFF != STRING:
            raise ValueError(f"not a string: flags {flags:#x}")
        lines.append(raw(integer()).decode("latin-1" if flags & LATIN1 else "utf-8"))
    if at != len(content):
        raise ValueError("the character vector does not end where its data ends")
    return lines


def build(package):
    """{path: bytes} of the set: one UTF-8 text a novel, which its first line names."""
    novels = map(strings, objects(packages.members(package, lambda name: name == FILE)[FILE]))
    return {f"austen/{NOVELS[lines[0]]}.txt": ("\n".join(lines) + "\n").encode() for lines in novels}


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    files = build(packages.fetch(PACKAGE, "austen", options.given))
    raise SystemExit(packages.compare_and_write("austen", files, options.write) > 0)
