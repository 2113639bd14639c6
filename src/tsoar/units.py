"""Constants and conversions that more than one room needs."""

MJD_OFFSET = 2400000.5
"""INT_TIMES' BJD columns hold BJD_TDB minus this [d]."""

PPM = 1e6
"""Parts per million in one."""

SECONDS_PER_DAY = 86400.0

TIME_UNITS = "d"
TIME_LONG_NAME = "mid-integration time, BJD_TDB - 2400000.5"
