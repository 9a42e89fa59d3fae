"""How Sphinx builds the pages."""

from importlib import metadata

project = "Taskwarden"
author = "The Taskwarden authors"
copyright = f"2026, {author}"
release = metadata.version("taskwarden")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3  # each error of the library links to its heading

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"Taskwarden {release}"
html_copy_source = False
