"""How the page looks: on a wide screen, on a phone, on paper."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; padding-top: .5rem; border-top: 1px solid #d5d5d5; }
a { color: #0b4f9e; }
header p { margin: .3rem 0; }
.verdicts { font-weight: 600; }
nav ul { margin: .8rem 0 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .3rem .5rem; font-size: .9rem; }
nav a { display: block; padding: .25rem .6rem; border: 1px solid #c9d6e6; border-radius: 1rem; text-decoration: none; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #d5d5d5; }
thead th { border-bottom: 2px solid #555; }
tbody th { font-weight: 600; }
.facts tbody th { width: 13rem; }
.numbers { table-layout: fixed; }
.numbers th:nth-child(1) { width: 36%; } .numbers th:nth-child(2) { width: 17%; } .numbers th:nth-child(4) { width: 7.5rem; }
.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
.verdict { white-space: nowrap; font-weight: 600; }
.good { color: #14601f; } .look { color: #7a4a00; } .bad { color: #a01212; }
code { font: .85em ui-monospace, monospace; }
figure { margin: 0 0 1.4rem; }
.frame { overflow-x: auto; border: 1px solid #d5d5d5; }
.frame img { display: block; height: auto; max-width: 100%; margin: 0 auto; }
.lead { margin: .3rem 0 .6rem; }
figcaption, .note { color: #3a3a3a; margin: .4rem 0; font-size: .95rem; }
summary { cursor: pointer; padding: .4rem 0; }
.alive { display: none; margin: .6rem 0 1.4rem; }
[data-views] .alive { display: block; }
[data-views] .still .frame { display: none; }
@media (max-width: 45rem) {
  body { padding: .7rem; }
  .frame img { max-width: none; width: var(--legible); }
  .numbers thead { position: absolute; left: -999rem; }
  .numbers tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid #d5d5d5; padding: .4rem 0; }
  .numbers th, .numbers td { border: 0; padding: 0 .3rem 0 0; }
  .numbers tbody th:nth-child(1) { width: auto; }
  .numbers .criterion { order: 1; color: #3a3a3a; }
  .numbers .verdict { order: 1; text-align: right; }
  .numbers .value { text-align: right; }
  .facts tbody th { width: 6.5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  a { color: inherit; text-decoration: none; }
  figure, tr { break-inside: avoid; }
  h2, .lead { break-after: avoid; }
  .frame { overflow: visible; border: 0; }
  .frame img { max-width: 100%; width: auto; max-height: 20cm; }
  [data-views] .alive { display: none; }
  [data-views] .still .frame { display: block; }
}
"""
