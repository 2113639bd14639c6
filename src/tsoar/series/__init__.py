"""Time series from spectra: light curves, their baseline and what tells whether the errors hold (rows D1 to D7).

Everything takes and returns labelled arrays (xarray) or tables; nothing here reads or writes files.
"""
