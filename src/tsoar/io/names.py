"""Names of the observatory's products: ``<stem>-segNNN_nis_<product>.fits``."""

from __future__ import annotations

import re
from pathlib import Path

PATTERN = re.compile(r"^(?P<stem>.+?)(?:-seg(?P<segment>\d{3}))?_nis_(?P<product>[a-z0-9_]+?)$")


def parse(path: Path) -> tuple[str, int | None, str]:
    """Stem, segment number (None without one) and product of a file name; an odd name is its own stem.

    >>> parse(Path("jw01366002001_04101_00001-seg002_nis_uncal.fits"))
    ('jw01366002001_04101_00001', 2, 'uncal')
    """
    match = PATTERN.match(path.stem)
    if match is None:
        return path.stem, None, ""
    segment = match["segment"]
    return match["stem"], int(segment) if segment else None, match["product"]


def product_name(stem: str, segment: int | None, product: str) -> str:
    """The file name of a product.

    >>> product_name("jw01", 2, "rateints")
    'jw01-seg002_nis_rateints.fits'
    """
    middle = "" if segment is None else f"-seg{segment:03d}"
    return f"{stem}{middle}_nis_{product}.fits"
