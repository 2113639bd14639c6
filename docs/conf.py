"""The documentation's site: `make docs`.

Nothing is fetched, neither by the build nor by who reads the pages. The tour and the notebook are run when the site is
built; TSOAR_DOCS_RUN=off builds the pages without running them.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.docutils import SphinxDirective

from tsoar import __version__

ROOT = Path(__file__).parents[1]

project = "tsoar"
author = "the authors of tsoar"
release = version = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build", "measured"]  # measured: written by programs, shown inside other pages
default_role = "literal"  # `name` in docstrings

html_theme = "pydata_sphinx_theme"
html_title = "tsoar"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "footer_start": [],
    "footer_end": [],
    "article_header_end": [],
}
html_sidebars = {page: [] for page in ("index", "quickstart", "tour", "example", "settings", "api", "architecture")}
html_static_path = ["site.css"]
html_css_files = ["site.css"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "off" if os.environ.get("TSOAR_DOCS_RUN") == "off" else "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "none"  # shapes and units are in the text, defaults in the signature
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
numpydoc_show_class_members = False


class Measured(SphinxDirective):
    """A file that a program wrote (its path from the root of the repository), or how to make it where there is none."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self):
        """The file's content below its title, headings one level down, or a note."""
        file = ROOT / self.arguments[0]
        self.env.note_dependency(str(file))
        if not file.exists():
            return [nodes.note("", nodes.paragraph("", f"Not measured in this copy. {' '.join(self.content)}"))]
        here = Path(self.env.doc2path(self.env.docname)).parent
        return self.parse_text_to_nodes(
            under_a_heading(file.read_text("utf-8"), file.parent, here), allow_section_headings=True
        )


def under_a_heading(text, was, now):
    """Markdown without its title, headings one level down, images found from folder ``now``; other links as plain text."""
    lines, code = [], False
    for line in re.sub(r"\A# .*\n", "", text).splitlines():
        code ^= line.startswith("```")
        lines.append("#" + line if line.startswith("#") and not code else line)
    text = "\n".join(lines)
    text = re.sub(r"(!\[[^]]*\])\((?!https?:)([^)]+)\)", lambda m: f"{m[1]}({os.path.relpath(was / m[2], now)})", text)
    return re.sub(r"(?<!!)\[([^]]*)\]\((?!https?:|#)[^)]+\)", r"\1", text)


def plain_prose(app, what, name, obj, options, lines):
    """Docstrings are prose with numpydoc's sections: bars are absolute values, and a literal may be followed by anything."""
    for k, line in enumerate(lines):
        pieces = re.split(r"(``.+?``)", line)  # literals are the odd ones
        pieces[::2] = [text.replace("|", r"\|") for text in pieces[::2]]
        pieces[2::2] = [rf"\ {text}" if text[:1].isalnum() else text for text in pieces[2::2]]
        lines[k] = "".join(pieces)
    if what == "module":  # what is set in from the text is code or a formula
        starts = [k for k in range(1, len(lines)) if lines[k].startswith("    ") and not lines[k - 1].strip()]
        for k in reversed([k for k in starts if not _last_text(lines[:k]).startswith("    ")]):
            lines[k:k] = ["::", ""]


def _last_text(lines):
    return next((line for line in reversed(lines) if line.strip()), "")


def inline_math(self, node):
    """MathML, which browsers draw by themselves."""
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def block_math(self, node):
    """The same for a formula of its own."""
    self.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """What the pages need beyond the extensions."""
    app.add_directive("measured", Measured)
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.connect("autodoc-process-docstring", plain_prose, priority=400)  # before numpydoc
