"""Style: how a report's page looks on a screen, light or dark, on a phone and on paper; and how its tables sort."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1d21; --dim: #5b6470; --line: #d9dde3; --soft: #f5f6f8;
  --loss: #b3430a; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e6e8eb; --dim: #9aa3ae; --line: #333a43;
  --soft: #1e2228; --loss: #ff9a5c; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
p { margin: .25rem 0; }
code { font-size: .9em; background: var(--soft); padding: .1em .3em; border-radius: .2em; }
.dim, figcaption, caption, footer { color: var(--dim); font-size: .875rem; }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: 1rem 0 0;
  font-size: .875rem; }
.facts dt { color: var(--dim); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .75rem; margin: 1.5rem 0 0;
  padding: 0; list-style: none; }
.figures li { padding: .75rem 1rem; background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; }
.figures b { display: block; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.figures span { color: var(--dim); font-size: .875rem; }
.charts figure:only-child { max-width: 40rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 2rem;
  align-items: start; }
figure { margin: 0; min-width: 0; }
figure h2 { margin: 0 0 .5rem; }
svg { display: block; width: 100%; height: auto; font-family: system-ui, sans-serif; }
.gauges { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem 2rem;
  font-size: .875rem; }
.gauge { height: .6rem; border-radius: .3rem; } .gauge .all { fill: var(--line); } .gauge .part { fill: #0072b2; }
.gauge.over .part { fill: #d55e00; }
.verdict { margin: 1rem 0 0; font-size: 1.15rem; max-width: 60rem; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; font-weight: 600; }
.text { text-align: left; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 8.5rem; max-width: 22rem; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); padding-left: 0; }
tbody tr:hover td { background: var(--soft); }
tfoot td { font-weight: 600; border-bottom: 0; }
tfoot tr:first-child td { border-top: 2px solid var(--ink); }
.losses .loss { color: var(--loss); }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid; outline-offset: 2px; }
th[aria-sort] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media (max-width: 40rem) { h1 { font-size: 1.4rem; } td.text { max-width: 10rem; }
  .facts { grid-template-columns: minmax(0, 1fr); } .facts dt:empty { display: none; } .facts dd { margin: 0 0 .4rem; }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); } .figures b { font-size: 1.15rem; } }
@page { size: A4 landscape; margin: 14mm; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --dim: #444; --line: #bbb; --soft: #fff; --loss: #8a3000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h1 { font-size: 18pt; } h2 { margin: 8mm 0 3mm; font-size: 12pt; break-after: avoid; }
  .figures { grid-template-columns: repeat(4, 1fr); } .figures b { font-size: 13pt; }
  .charts { display: block; } .charts figure { display: inline-block; width: 48%; margin: 0 1% 6mm 0;
    vertical-align: top; }
  .wide { overflow: visible; } table { font-size: 7.5pt; } table.many { font-size: 6pt; } th, td { padding: .8mm 1mm; }
  th:first-child, td:first-child { position: static; } td.text { min-width: 18mm; }
  thead { display: table-header-group; } tfoot { display: table-row-group; }
  tr, figure, .figures li { break-inside: avoid; }
}
"""

SORT = """
for (const table of document.querySelectorAll("table.sort")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => {
    const text = row.cells[at].textContent;
    if (heads[at].className === "text") return text;
    const number = parseFloat(text.replace(/[^-0-9.]/g, ""));
    return isNaN(number) ? -Infinity : number;
  };
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort") || (head.className === "text" ? "descending" : "ascending");
      const up = now === "descending";
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map(row => [value(row, at), row]);
      rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
"""
"""The one script of a page: a click on a heading sorts by it. Without it the rows stand as everywhere else."""
