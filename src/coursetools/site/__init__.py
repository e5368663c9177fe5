"""The book: the chapters and docs/ as a site that needs no network, by `make site`.

`sources` writes what Sphinx reads, `made` the pages that come from tables and records, `reference` those of the
packages, `bibliography` the papers. `extension` is what Sphinx is taught. Only `conf` and `extension` need Sphinx.
"""
