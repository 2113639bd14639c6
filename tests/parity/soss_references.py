"""Stand-ins for the observatory's SOSS references, from tsoar's published traces and wavelengths: enough for jwst to run."""

import numpy as np

from tsoar.blocks import Readout
from tsoar.soss.profiles import profile_images
from tsoar.soss.subarrays import SUBARRAYS
from tsoar.soss.traces import published_traces
from tsoar.soss.wavelength import wavelengths

ORDERS = (1, 2, 3)
ANGLE = 245.76  # [deg] commanded


def solution():
    """Wavelengths [um] and trace rows (3, x) of SUBSTRIP256."""
    sub = SUBARRAYS["SUBSTRIP256"]
    return wavelengths(Readout("SUBSTRIP256", sub.shape, sub.corner, 2, sub.tframe, sub.tframe)), published_traces(ANGLE)


def specwcs(path):
    """One table an order, wavelength by column."""
    import asdf
    from astropy.modeling.models import Mapping, Tabular1D

    tree, (waves, _) = {}, solution()
    for order in ORDERS:
        known = np.flatnonzero(np.isfinite(waves[order - 1]))
        wave = np.interp(np.arange(2048), known, waves[order - 1][known])
        tree[order] = Mapping((1,), n_inputs=2) | Tabular1D(np.arange(2048), wave, bounds_error=False, fill_value=np.nan)
    asdf.AsdfFile(tree).write_to(path)
    return str(path)


def pastasoss(path):
    """Traces, wavelength polynomials of degree 5 in column, throughput 1."""
    from stdatamodels.jwst import datamodels

    waves, rows = solution()
    x = np.arange(2048.0)
    model = datamodels.PastasossModel()
    traces, wavecal, throughputs = [], [], []
    for order in ORDERS:
        w, y = waves[order - 1], rows[order - 1]
        known = np.isfinite(w) & np.isfinite(y) & (y < 255)
        fit = np.polynomial.polynomial.polyfit(x[known] / 2047, w[known], 5)
        # the file's order: by total degree, column's power first
        coefficients = np.concatenate([[c] + [0.0] * n for n, c in enumerate(fit)])
        trace = np.stack([x[known], y[known]], axis=1)
        pivot = float(np.interp(1024, x[known], y[known]))
        traces.append(
            {"spectral_order": order, "pivot_x": 1024.0, "pivot_y": pivot, "trace": trace, "oversampling": 1}
            | {"cutoff": int(x[known].max()), "short_cutoff": 0.5}
        )
        wavecal.append(
            {"spectral_order": order, "polynomial_degree": 5, "coefficients": coefficients, "coefficient_labels": "x"}
            | {"scale_extents": np.array([[0.0, -0.25], [2047.0, 0.25]])}
        )
        throughputs.append({"spectral_order": order, "throughput": np.ones(50), "wavelength": np.linspace(0.5, 3, 50)})
    model.traces, model.wavecal_models, model.throughputs = traces, wavecal, throughputs
    meta = {"pwcpos_bounds": [245.5, 246.0], "pwcpos_cmd": ANGLE, "order2_separation_cutoff": [0.8, 0.9]}
    meta |= {"soss_xdim": 2048, "soss_ydim": 300, "subarray_ymin": 1792}
    meta |= {"wavemap_nwl": 5001, "wavemap_wlmin": 0.5, "wavemap_wlmax": 5.5}
    for key, value in meta.items():
        setattr(model.meta, key, value)
    model.save(str(path))
    return str(path)


def specprofile(path):
    """Profiles of the orders on SUBSTRIP256."""
    from stdatamodels.jwst import datamodels

    waves, rows = solution()
    images = np.nan_to_num(profile_images(rows, np.where(np.isfinite(waves), waves, 1.0), (256, 2048)))
    model = datamodels.SpecProfileModel()
    for order in ORDERS:
        item = {"order": order, "oversampling": 1, "padding": 0, "data": images[order - 1].astype(np.float32)}
        model.profile.append(item)
    model.save(str(path))
    return str(path)


def speckernel(path):
    """A triangle of 15 pixels, the same at all wavelengths."""
    from stdatamodels.jwst import datamodels

    pixels, oversampling = 15, 2
    width = oversampling * pixels - (oversampling - 1)
    waves = np.linspace(0.5, 3.0, 100)
    triangle = 1 + width // 2 - np.abs(np.arange(width) - width // 2)
    kernels = np.repeat((triangle / triangle.sum())[:, None], waves.size, axis=1)
    model = datamodels.SpecKernelModel(
        wavelengths=np.tile(waves, (width, 1)).astype(np.float32), kernels=kernels.astype(np.float32)
    )
    model.meta.halfwidth, model.meta.spectral_oversampling = pixels // 2, oversampling
    model.save(str(path))
    return str(path)
