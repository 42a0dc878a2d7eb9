"""The documentation site: `hatch run docs`."""

import sys
from pathlib import Path

import infonoise_core

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "infonoise"
author = "the infonoise contributors"
release = version = infonoise_core.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "site_pages"]
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = "infonoise"
html_static_path = ["_static"]
html_math_renderer = "mathml"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Docstrings are Google's style; `names` and formulas in backticks are code.
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False
# Two packages may have a class of one name, such as TrainedRun: their signatures stay unlinked.
suppress_warnings = ["ref.python"]

autodoc_default_options = {"members": True, "member-order": "bysource", "ignore-module-all": True}
python_maximum_signature_line_length = 88
# Names such as Options are used in every domain; the text of a signature does not say whose.
suppress_warnings = ["ref.python"]
# Lightning is wanted by one module only, and takes long to import.
autodoc_mock_imports = ["lightning"]
