"""Everything tsoar refuses, as one tree.

    TsoarError            shown as one line, exit code 2
    ├── InputError        a file or array cannot be used
    │   ├── ExposureError     uncal / rateints segments that do not fit
    │   └── ReferenceFileError  a reference file that is missing or does not fit
    ├── ConfigError       a setting that does not exist or is out of range
    └── OutputError       a product that cannot be written

A message says what was wrong with which file or value, what was expected and what to do.
"""


class TsoarError(Exception):
    """What the user can mend; its text is one readable line."""


class InputError(TsoarError):
    """A file or an array that cannot be used."""


class ExposureError(InputError):
    """Segments that are broken, foreign, doubled or missing."""


class ReferenceFileError(InputError):
    """A reference file that is missing, or made for another detector, subarray or shape."""


class ConfigError(TsoarError):
    """A setting that does not exist or is out of range."""


class OutputError(TsoarError):
    """A product that cannot be written."""
