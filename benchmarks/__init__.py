"""tsoar and its peers in turn, on the same files and cores: speed, memory, quality.

python -m benchmarks               # everything; results.md, results.json, docs/images/benchmarks.png, the README's table
python -m benchmarks detector memory --quick --out /tmp/quick

`parts` says what is measured, one function a part; `stage`, `field`, `tutorial` and `exo` are the competitors,
`alone` runs each in a process of its own, `exposures` makes what they reduce, `pages` writes what was found.
"""
