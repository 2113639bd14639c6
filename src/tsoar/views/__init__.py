"""Interactive views (Bokeh models) for report, explorer and notebooks: each takes products and returns a layout.

Nothing here knows a page or a server. `embed` makes the pieces of a self-contained page of them.
"""

from tsoar.views.curves import BinnedCurves, binned_curves
from tsoar.views.embed import embed, library
from tsoar.views.light_curve_image import light_curve_image
from tsoar.views.lines import spectra, white_light

__all__ = ["BinnedCurves", "binned_curves", "embed", "library", "light_curve_image", "spectra", "white_light"]
