"""Rebuild data/movie_reviews/ from the source distribution of the Python package vaderSentiment 3.3.2.

A row is id, mean rating and sentence, with tabs between. Only line ends change: CRLF becomes LF, and the last line gets
one.
"""

import io

from coursetools.recipes import packages

PACKAGE = packages.pip(
    "vaderSentiment==3.3.2",
    "vaderSentiment-3.3.2.tar.gz",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    "--no-binary",
    ":all:",
)
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
LICENCE = "vaderSentiment-3.3.2/LICENSE.txt"
FILES = {
    "movies": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "newspapers": "nytEditorialSnippets",
    "tweets": "tweets",
}


def unix(content):
    """Bytes with LF for CRLF and one LF at the end; bytes that are not UTF-8 would become U+FFFD (there are none)."""
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return (text.rstrip("\n") + "\n").encode()


def build(package):
    """{path: bytes} of the set."""
    outer = packages.members(package, lambda name: name in (ARCHIVE, LICENCE))
    inner = packages.tar_members(io.BytesIO(outer[ARCHIVE]), "r:gz", lambda name: name.endswith("_GroundTruth.txt"))
    files = {
        f"movie_reviews/{ours}.tsv": unix(inner[f"hutto_ICWSM_2014/{theirs}_GroundTruth.txt"])
        for ours, theirs in FILES.items()
    }
    return files | {"movie_reviews/LICENSE.txt": unix(outer[LICENCE])}


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    files = build(packages.fetch(PACKAGE, "movie_reviews", options.given))
    raise SystemExit(packages.compare_and_write("movie_reviews", files, options.write) > 0)
