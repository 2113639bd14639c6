"""The planet's spectrum: transit and eclipse models fitted to white light and to every wavelength bin (row G5).

Arrays in, arrays out: nothing here reads a run's folder or draws. `tsoar.reduce.fit` puts it together.
"""
