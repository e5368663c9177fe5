"""How Sphinx makes the book. `python -m coursetools.site` calls it; SITE_REPOSITORY says where the course is hosted."""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from myst_nb import sphinx_ext  # noqa: E402
from coursetools.site import extension  # noqa: E402

sphinx_ext.OUTPUT_FOLDER = ".site/outputs"  # beside the other folders of the work, and not in sight

tree = os.environ["SITE_TREE"]
project = "Large Models from the Ground Up"
author = "The authors of Large Models from the Ground Up"
copyright = "the authors; MIT licence"
language = "en"
version = release = re.search(r'version = "(.+?)"', (HERE.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[1]
extensions = ["myst_nb", "coursetools.site.extension"]
known = extension.known(tree)

# Notebooks as they are committed: nothing is executed.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "fieldlist", "attrs_block", "attrs_inline", "deflist"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
myst_links_external_new_tab = False
exclude_patterns = ["known.json"]
suppress_warnings = ["mystnb.unknown_mime_type"]
nitpicky = False

html_theme = "sphinx_book_theme"
html_title = project
html_math_renderer = "mathml"
html_static_path = [str(HERE / "static"), str(Path(tree).parent / "static")]
html_extra_path = [os.environ["SITE_EXTRA"]] if os.environ.get("SITE_EXTRA") else []
html_css_files = ["formulas.css", "reading.css", "site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False
html_show_sphinx = False
html_permalinks_icon = "#"
templates_path = [str(HERE / "templates")]
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "max_navbar_depth": 1,
    "search_bar_text": "Search the course",
    "toc_title": "On this page",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if os.environ.get("SITE_REPOSITORY"):
    html_theme_options |= {
        "repository_url": os.environ["SITE_REPOSITORY"],
        "repository_branch": os.environ.get("SITE_BRANCH", "main"),
        "use_repository_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"},
    }

epub_css_files = ["formulas.css", "reading.css", "site.css"]
epub_show_urls = "no"
epub_description = "From one weight and its gradient to BERT, GPT and GANs"
epub_tocdepth = 2
