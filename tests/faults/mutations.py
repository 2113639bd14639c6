"""FITS files with something wrong: 40 kinds of mutation of an exposure, its slopes, its references.

`make_case` draws everything from the case's number, so that a failing case can be made again by itself. Files that are
not mutated are links to the good ones.
"""

import gzip
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

SEED = 2026
REFERENCES = ("mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise")
VALUES = (
    "'text'", "''", "'   '", "T", "F", "0", "1", "-1", "2", "3", "7", "-32", "1.5", "-0.5", "1E308", "-1E308", "1E-300", "NaN",
    "inf", "-inf", "1D5", "2147483648", "99999999999999999999999", "-99999999999999999999", "(1.0, 2.0)", "", "garbage",
    "'unfinished", "'<script>alert(1)</script>'", "'\x1b[2J\x1b[31mred'", "'\xe9\xff'", "'\x00\x01'", "'" + "x" * 200 + "'",
)  # fmt: skip
STRUCTURE = ("XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4", "PCOUNT", "GCOUNT", "BZERO", "BSCALE",
             "EXTNAME", "END")  # fmt: skip
TABLE = ("XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "TTYPE1", "TFORM1", "TTYPE6",
         "TFORM6", "TFORM7", "EXTNAME")  # fmt: skip


@dataclass
class Case:
    """One mutated input, and the command that is to face it."""

    number: int
    kind: str
    folder: Path
    what: str = ""
    """what was done, in words"""
    touched: list[Path] = field(default_factory=list)
    uncal: list[Path] = field(default_factory=list)
    refs: Path | None = None

    @property
    def whole(self):
        """Whether it faces the whole reduction; of the cases that only touch structure and headers every fourth does.

        The others end with the calibrated ramps (``--only-through dark_current``): all files are read, the costly rest, which
        sees nothing of what was mutated, is left out.
        """
        deep = ("values", "shape", "times", "segment", "corner", "definition", "swapped", "image_type")
        return self.refs is None or self.number % 4 == 0 or self.kind.partition(": ")[2] in deep

    def arguments(self, out):
        """Of `tsoar`."""
        refs = ["--refs", self.refs] if self.refs is not None else []
        extent = [] if self.whole else ["--only-through", "dark_current"]
        return ["run", *self.uncal, *refs, "--out", out, *extent]


@dataclass(frozen=True)
class Good:
    """Files to begin with."""

    uncal: list[Path]
    refs: Path
    rateints: list[Path]
    rate: Path


def own(case, path, rng=None):
    """A copy of a linked file that may be changed."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    case.touched.append(path)
    return path


# -- on bytes ---------------------------------------------------------------------------------------------------------


def headers(path):
    """(start, end) of every header in bytes."""
    with fits.open(path) as hdus:
        return [(h.fileinfo()["hdrLoc"], h.fileinfo()["datLoc"]) for h in hdus]


def edit_header(path, number, change):
    """Rewrite a header: ``change`` takes and gives a list of cards of 80 bytes, END left out."""
    data = path.read_bytes()
    start, end = headers(path)[number]
    cards = [data[k : k + 80] for k in range(start, end, 80)]
    cards = cards[: next(k for k, c in enumerate(cards) if c.startswith(b"END  "))]
    cards = [*change(cards), b"END".ljust(80)]
    block = b"".join(cards)
    path.write_bytes(data[:start] + block + b" " * (-len(block) % 2880) + data[end:])


def card(key, value):
    """80 bytes."""
    return f"{key:8}= {value:>20}"[:80].ljust(80).encode("latin1")


def key_of(one):
    return one[:8].decode("latin1").strip()


def set_key(path, number, key, value):
    """Replace a keyword's value, or add it."""

    def change(cards):
        new = card(key, value)
        if key in map(key_of, cards):
            return [new if key_of(c) == key else c for c in cards]
        return [*cards, new]

    edit_header(path, number, change)


def extension(path, name):
    """Number of an HDU."""
    with fits.open(path) as hdus:
        return hdus.index_of(name)


def main_extension(path):
    """Number of the HDU with the data that matter."""
    with fits.open(path) as hdus:
        return next((k for k, h in enumerate(hdus) if h.name in ("SCI", "COEFFS", "DQ")), 1)


def key_value(case, path, rng):
    with fits.open(path) as hdus:
        keys = [k for k in hdus[0].header if k not in ("COMMENT", "HISTORY", "")]
    key, value = str(rng.choice(keys)), str(rng.choice(VALUES))
    set_key(own(case, path), 0, key, value)
    return f"{key} = {value!r}"


def key_missing(case, path, rng):
    with fits.open(path) as hdus:
        keys = [k for k in hdus[0].header if k not in ("COMMENT", "HISTORY", "")]
    chosen = {str(k) for k in rng.choice(keys, rng.integers(1, 6))}
    edit_header(own(case, path), 0, lambda cards: [c for c in cards if key_of(c) not in chosen])
    return f"without {sorted(chosen)}"


def key_double(case, path, rng):
    with fits.open(path) as hdus:
        keys = [k for k in hdus[0].header if k not in ("COMMENT", "HISTORY", "")]
    key, value, first = str(rng.choice(keys)), str(rng.choice(VALUES)), bool(rng.integers(2))
    new = card(key, value)
    edit_header(own(case, path), 0, lambda cards: [cards[0], new, *cards[1:]] if first else [*cards, new])
    return f"{key} twice, {'first' if first else 'last'} {value!r}"


def structure(case, path, rng, keys=STRUCTURE, number=None):
    number = main_extension(path) if number is None else number
    key = str(rng.choice(keys))
    path = own(case, path)
    if rng.random() < 0.25:
        edit_header(path, number, lambda cards: [c for c in cards if key_of(c) != key])
        return f"HDU {number} without {key}"
    value = str(rng.choice([*VALUES, "8", "16", "32", "64", "-64", "4096", "1000000", "999", "32768", "5"]))
    set_key(path, number, key, value)
    return f"HDU {number}: {key} = {value!r}"


def primary_structure(case, path, rng):
    return structure(case, path, rng, ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "NAXIS1"), 0)


def table_structure(case, path, rng):
    with fits.open(path) as hdus:
        if "INT_TIMES" not in hdus:
            return structure(case, path, rng)
    return structure(case, path, rng, TABLE, extension(path, "INT_TIMES"))


def cut(case, path, rng):
    data = own(case, path).read_bytes()
    at = int(rng.integers(0, len(data)))
    path.write_bytes(data[:at])
    return f"cut at byte {at} of {len(data)}"


def cut_header(case, path, rng):
    data = own(case, path).read_bytes()
    at = int(rng.integers(1, 9000))
    path.write_bytes(data[:at])
    return f"cut at byte {at}"


def garbage(case, path, rng):
    number = int(rng.integers(len(headers(path))))
    start, end = headers(path)[number]
    data = bytearray(own(case, path).read_bytes())
    places = rng.integers(start, end, 20)
    data_bytes = rng.integers(0, 256, 20)
    for k, b in zip(places, data_bytes, strict=True):
        data[k] = b
    path.write_bytes(data)
    return f"20 random bytes in header {number}"


def tail(case, path, rng):
    n = int(rng.choice([1, 100, 2880, 5760]))
    fill = bytes(rng.integers(0, 256, n, dtype=np.uint8)) if rng.integers(2) else b"\0" * n
    with own(case, path).open("ab") as f:
        f.write(fill)
    return f"{n} bytes more"


def not_fits(case, path, rng):
    kind = str(rng.choice(["empty", "text", "png", "random", "folder", "blanks", "html", "pipe", "unreadable link", "gzip"]))
    whole = path.read_bytes()
    path.unlink()
    case.touched.append(path)
    content = {
        "text": b"this is not FITS\n" * 1000,
        "png": b"\x89PNG\r\n\x1a\n" + bytes(5000),
        "random": bytes(rng.integers(0, 256, 9000, dtype=np.uint8)),
        "blanks": b" " * 28800,
        "html": b"<html><body>404 Not Found</body></html>",
        "gzip": gzip.compress(whole, 1)[: int(rng.integers(10, 100_000))],
    }
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "unreadable link":
        path.symlink_to("/nowhere/at/all.fits")
    else:
        path.write_bytes(content.get(kind, b""))
    return kind


# -- on HDUs ----------------------------------------------------------------------------------------------------------


def rewrite(case, path, change):
    """Read all HDUs, change the list, write it."""
    with fits.open(path, memmap=False) as hdus:
        content = [h.copy() for h in hdus]
    content = change(content) or content
    path.unlink()
    fits.HDUList(content).writeto(path, output_verify="silentfix")
    if path not in case.touched:
        case.touched.append(path)


def extensions(case, path, rng):
    what = str(rng.choice(["dropped", "renamed", "doubled", "reversed", "only primary", "unnamed", "first empty"]))
    k = main_extension(path) if rng.random() < 0.6 else None

    def change(content):
        at = k if k is not None else int(rng.integers(1, len(content)))
        if what == "dropped":
            del content[at]
        elif what == "renamed":
            content[at].name = str(rng.choice(["DATA", "SCI2", "ERR", "DQ", "INT_TIMES", "sci "]))
        elif what == "doubled":
            content.insert(int(rng.integers(1, len(content) + 1)), content[at].copy())
        elif what == "reversed":
            content[1:] = content[:0:-1]
        elif what == "only primary":
            del content[1:]
        elif what == "unnamed":
            content[at].name = ""
        else:
            content.insert(1, fits.ImageHDU(name=content[at].name))

    rewrite(case, path, change)
    return f"extension {what if k is None else f'{k} {what}'}"


def times(case, path, rng):
    what = str(
        rng.choice(["column gone", "renamed", "text", "NaN", "short", "long", "constant", "backwards", "vector", "no rows",
                    "JD", "huge", "infinite", "an image", "one NaN", "complex", "logical"])
    )  # fmt: skip

    def change(content):
        at = next(k for k, h in enumerate(content) if h.name == "INT_TIMES")
        old = content[at].data
        columns = {n: np.asarray(old[n]).astype(np.asarray(old[n]).dtype.newbyteorder("=")) for n in old.dtype.names}
        mids = [n for n in columns if "mid" in n]
        if what == "column gone":
            del columns[mids[int(rng.integers(len(mids)))]]
        elif what == "renamed":
            columns = {n.replace("mid", "middle"): v for n, v in columns.items()}
        elif what in ("short", "long", "no rows"):
            keep = {"short": slice(0, -1), "no rows": slice(0, 0), "long": slice(None)}[what]
            columns = {n: np.concatenate([v[keep], v[:3] + 1]) if what == "long" else v[keep] for n, v in columns.items()}
        for n in mids:
            if n not in columns:
                continue
            v = columns[n]
            columns[n] = {
                "text": v.astype("S20"), "NaN": v * np.nan, "constant": v * 0, "backwards": v[::-1], "JD": v + 2400000.5,
                "vector": np.stack([v, v], axis=1), "huge": v * 1e300, "infinite": v * np.inf, "complex": v.astype(complex),
                "one NaN": np.where(np.arange(v.size) == 1, np.nan, v), "logical": v > 0,
            }.get(what, v)  # fmt: skip
        new = fits.ImageHDU(np.zeros((3, 3), np.float32), name="INT_TIMES")
        if what != "an image":
            rows = next(iter(columns.values())).shape[0]
            table = np.zeros(rows, [(n, v.dtype, v.shape[1:]) for n, v in columns.items()])
            for n, v in columns.items():
                table[n] = v
            new = fits.BinTableHDU(table, name="INT_TIMES")
        content[at] = new

    rewrite(case, path, change)
    return f"INT_TIMES: {what}"


def image_type(case, path, rng):
    what = str(rng.choice(["float32", "int32", "uint8", "int64", "float64", "int16", "2-D", "3-D", "5-D", "1-D", "table",
                           "compressed", "transposed", "no data"]))  # fmt: skip
    number = main_extension(path)

    def change(content):
        data = np.asarray(content[number].data)
        name = content[number].name
        if what == "compressed":
            content[number] = fits.CompImageHDU(data.reshape(-1, *data.shape[-2:]), name=name)
        elif what == "table":
            content[number] = fits.BinTableHDU(np.zeros(5, [("a", "f4")]), name=name)
        elif what == "no data":
            content[number] = fits.ImageHDU(name=name)
        else:
            new = {
                "2-D": lambda: data.reshape(-1, *data.shape[-2:])[0],
                "3-D": lambda: data.reshape(-1, *data.shape[-2:]),
                "5-D": lambda: data.reshape((1,) * (5 - data.ndim) + data.shape),
                "1-D": lambda: data.ravel()[:5000],
                "transposed": lambda: np.ascontiguousarray(np.swapaxes(data, -1, -2)),
            }.get(what, lambda: data.astype(what))()
            content[number] = fits.ImageHDU(new, name=name)

    rewrite(case, path, change)
    return f"main image {what}"


def values(case, path, rng):
    what = str(
        rng.choice(["zero", "NaN", "inf", "-inf", "negative", "huge", "tiny", "noise", "half NaN", "columns NaN", "one"])
    )
    number = main_extension(path)

    def change(content):
        data = np.asarray(content[number].data)
        new = data.astype(np.float64)
        where = np.ones(data.shape, bool)
        if what == "half NaN":
            where = rng.random(data.shape) < 0.5
        elif what == "columns NaN":
            where[..., 500:900] = False
            where = ~where
        fill = {"zero": 0, "inf": np.inf, "-inf": -np.inf, "huge": 1e38, "tiny": 1e-38, "one": 1}.get(what, np.nan)
        new = np.where(where, fill, new)
        if what == "negative":
            new = -data.astype(np.float64)
        elif what == "noise":
            new = rng.normal(0, 1e4, data.shape)
        if data.dtype.kind == "f":
            content[number].data = np.clip(new, -3e38, 3e38).astype(data.dtype) if what == "noise" else new.astype(data.dtype)
        else:
            limits = np.iinfo(data.dtype)
            content[number].data = np.clip(np.nan_to_num(new), limits.min, limits.max).astype(data.dtype)

    rewrite(case, path, change)
    return f"values: {what}"


def shape(case, path, rng):
    number = main_extension(path)
    what = str(
        rng.choice(["half the rows", "half the columns", "one more row", "one pixel", "first plane only", "doubled", "full"])
    )

    def change(content):
        data = np.asarray(content[number].data)
        content[number].data = {
            "half the rows": lambda: data[..., : data.shape[-2] // 2, :],
            "half the columns": lambda: data[..., : data.shape[-1] // 2],
            "one more row": lambda: np.concatenate([data, data[..., :1, :]], axis=-2),
            "one pixel": lambda: data[..., :1, :1],
            "first plane only": lambda: data[:1],
            "doubled": lambda: np.concatenate([data, data], axis=0),
            "full": lambda: np.zeros((*data.shape[:-2][:1], 2048, 2048), data.dtype)[..., :, :],
        }[what]()

    rewrite(case, path, change)
    return f"shape: {what}"


def segment(case, path, rng):
    """Segments that do not fit together."""
    what = str(rng.choice(["copy of the first", "other groups", "last only", "first only", "odd names", "swapped numbers",
                           "other subarray", "long name", "gz"]))  # fmt: skip
    first, second = case.uncal
    if what == "copy of the first":
        data = first.read_bytes()
        second.unlink()
        second.write_bytes(data)
    elif what == "other groups":
        number = main_extension(second)
        rewrite(case, second, lambda c: setattr(c[number], "data", np.asarray(c[number].data)[:, :-1]))
    elif what == "last only":
        case.uncal = [second]
    elif what == "first only":
        case.uncal = [first]
    elif what in ("odd names", "long name"):
        tail_ = "\x1b[31m<b>é\n.fits" if what == "odd names" else "x" * 230 + ".fits"
        case.uncal = [second.rename(second.with_name(tail_))]
    elif what == "swapped numbers":
        for p, n in ((first, "2"), (second, "1")):
            set_key(own(case, p), 0, "EXSEGNUM", n)
    elif what == "gz":
        for k, p in enumerate(case.uncal):
            case.uncal[k] = p.with_name(p.name + ".gz")
            case.uncal[k].write_bytes(gzip.compress(p.read_bytes(), 1))
    else:
        set_key(own(case, second), 0, "SUBARRAY", "'SUBSTRIP256'")
    case.touched += [p for p in (first, second) if p not in case.touched]
    return what


# -- on references only -----------------------------------------------------------------------------------------------


def swapped(case, path, rng):
    """The content of one under the header of another."""
    other = case.refs / f"file_{rng.choice([k for k in REFERENCES if k not in path.name])}.fits"
    kind = path.name[5:-5].upper()
    data = other.read_bytes()
    path.unlink()
    path.write_bytes(data)
    case.touched.append(path)
    if rng.random() < 0.7:
        set_key(path, 0, "REFTYPE", f"'{kind}'")
        return f"content of {other.name}"
    return f"is {other.name}"


def missing(case, path, rng):
    path.unlink()
    case.touched.append(path)
    return "not there"


def corner(case, path, rng):
    key, value = (
        str(rng.choice(["SUBSTRT1", "SUBSTRT2", "SUBARRAY", "NFRAMES", "GROUPGAP", "REFTYPE"])),
        str(rng.choice(VALUES)),
    )
    set_key(own(case, path), 0, key, value)
    return f"{key} = {value!r}"


def definition(case, path, rng):
    what = str(rng.choice(["no NAME", "no VALUE", "text values", "no rows", "negative", "huge", "an image", "vector", "gone"]))
    path = case.refs / "file_mask.fits"

    def change(content):
        names = np.array(["DO_NOT_USE", "REFERENCE_PIXEL"])
        columns = {"VALUE": np.array([2, 4]), "NAME": names.astype("S40")}
        if what == "no NAME":
            del columns["NAME"]
        elif what == "no VALUE":
            del columns["VALUE"]
        columns |= {
            "text values": {"VALUE": np.array(["two", "four"]).astype("S8")}, "negative": {"VALUE": np.array([-2, -4])},
            "huge": {"VALUE": np.array([1 << 40, 1 << 41])}, "vector": {"NAME": np.array([[b"a", b"b"], [b"c", b"d"]])},
        }.get(what, {})  # fmt: skip
        rows = 0 if what == "no rows" else 2
        table = np.zeros(rows, [(n, v.dtype, v.shape[1:]) for n, v in columns.items()])
        for n, v in columns.items():
            table[n] = v[:rows]
        content[2] = fits.BinTableHDU(table, name="DQ_DEF")
        if what == "an image":
            content[2] = fits.ImageHDU(np.zeros((4, 4)), name="DQ_DEF")
        if what == "gone":
            del content[2]

    rewrite(case, path, change)
    return f"DQ_DEF: {what}"


def double(case, path, rng):
    kind = str(rng.choice(REFERENCES))
    new = case.refs / "zz_more.fits"
    new.write_bytes((case.refs / f"file_{kind}.fits").read_bytes())
    case.touched += [new, case.refs / f"file_{kind}.fits"]
    return f"{kind} twice"


ANY = (key_value, key_missing, key_double, structure, primary_structure, cut, cut_header, garbage, not_fits, extensions,
       image_type, values, shape, tail)  # fmt: skip
KINDS = (
    *(("counts", m) for m in (*ANY, table_structure, times, times, segment, structure, key_value)),
    *(("slopes", m) for m in (key_value, structure, table_structure, cut, extensions, image_type, values, times)),
    *(("reference", m) for m in (*ANY, swapped, missing, corner, corner, definition, double, values, shape)),
)
"""what is mutated, and how; case n has kind n modulo their number"""


def make_case(number, good, folder):
    """Files of a case in a new folder."""
    rng = np.random.default_rng([SEED, number])
    target, mutation = KINDS[number % len(KINDS)]
    case = Case(number, f"{target}: {mutation.__name__}", folder)
    (folder / "in").mkdir(parents=True)
    files = good.uncal if target != "slopes" else ([good.rate] if rng.random() < 0.3 else good.rateints)
    if target == "slopes" and mutation in (times, table_structure):
        files = good.rateints
    for path in files:
        link = folder / "in" / path.name
        link.symlink_to(path)
        case.uncal.append(link)
    if target != "slopes":
        case.refs = folder / "refs"
        case.refs.mkdir()
        for path in good.refs.glob("*.fits"):
            (case.refs / path.name).symlink_to(path)
    if target == "reference":
        path = case.refs / f"file_{rng.choice(REFERENCES)}.fits"
    else:
        path = case.uncal[int(rng.integers(len(case.uncal)))]
    with np.errstate(all="ignore"):
        done = mutation(case, path, rng)
    case.what = f"{path.name.rpartition('_')[2] if target == 'reference' else path.name}: {done}"
    return case
