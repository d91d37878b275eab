// SPDX-License-Identifier: Apache-2.0
/** A page that opens by itself: no script, no network, everything in the file. */

/** Of a table. */
export interface Cell {
  text: string;
  /** small, below */
  note?: string;
  /** of its row */
  best?: boolean;
}

export interface Section {
  title: string;
  /** paragraphs of plain text */
  text?: readonly string[];
  table?: { head: readonly string[]; rows: readonly (readonly (string | Cell)[])[] };
  /** SVG, two in a row where there is room */
  plots?: readonly string[];
  /** shown as it is, for commands */
  code?: string;
}

/** Above all sections. */
export interface Opening {
  /** the sentence to go away with */
  lead: string;
  /** what must be known before it is believed */
  warnings: readonly string[];
}

/** Amber means a warning, and nothing else has it; what is best is told by its mark and weight, so that colours are left to the plots. */
const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 0 auto; padding: 1em; color: #1a1a1a; background: #fff; overflow-wrap: anywhere }
h1 { font-size: 1.5em; line-height: 1.25 } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ccc }
.lead { font-size: 1.2em } .warning { border-left: 6px solid #f0ad00; background: #fff6dd; padding: .6em 1em }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: 1em 0; overflow-wrap: normal }
th, td { padding: .3em .8em; text-align: right; vertical-align: top; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left } td small { display: block; color: #555; white-space: nowrap }
.best { font-weight: 700 } .best small { font-weight: 400 }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 1em } figure { margin: 0; border: 1px solid #ddd; min-width: 0 }
figure svg { display: block; width: 100%; height: auto } pre { background: #f4f4f4; padding: 1em; overflow-x: auto }
@media (max-width: 760px) { body { font-size: 15px; padding: .7em } .plots { grid-template-columns: 1fr }
  th, td { padding: .3em .35em; font-size: .87em } td small { font-size: .8em } pre { white-space: pre-wrap } }`;

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Text of a paragraph: a number stays with its percent sign. */
const prose = (text: string): string => escaped(text).replaceAll(/(\d) %/g, '$1&nbsp;%');

function cellHtml(cell: string | Cell): string {
  if (typeof cell === 'string') return `<td>${escaped(cell)}</td>`;
  const { text, note = '', best = false } = cell;
  const small = note === '' ? '' : ` <small>${escaped(note)}</small>`;
  return best ? `<td class="best">★ ${escaped(text)}${small}</td>` : `<td>${escaped(text)}${small}</td>`;
}

function sectionHtml({ title, text = [], table, plots = [], code }: Section): string {
  const head = (cells: readonly string[]): string => cells.map((cell) => `<th>${escaped(cell)}</th>`).join('');
  const row = (cells: readonly (string | Cell)[]): string => `<tr>${cells.map(cellHtml).join('')}</tr>`;
  return [
    `<section><h2>${escaped(title)}</h2>`,
    ...text.map((paragraph) => `<p>${prose(paragraph)}</p>`),
    table === undefined
      ? ''
      : `<div class="scroll"><table><thead><tr>${head(table.head)}</tr></thead><tbody>${table.rows.map(row).join('')}</tbody></table></div>`,
    plots.length === 0 ? '' : `<div class="plots">${plots.map((plot) => `<figure>${plot}</figure>`).join('')}</div>`,
    code === undefined ? '' : `<pre>${escaped(code)}</pre>`,
    '</section>',
  ].join('\n');
}

export function pageOf(title: string, sections: readonly Section[], opening?: Opening): string {
  const lead = opening === undefined ? '' : `<p class="lead">${prose(opening.lead)}</p>\n`;
  const warnings = (opening?.warnings ?? []).map((text) => `<p class="warning">${prose(text)}</p>\n`).join('');
  // The policy makes it certain: nothing is loaded and nothing runs. icon: a browser asks for one otherwise.
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><h1>${escaped(title)}</h1>
${lead}${warnings}${sections.map(sectionHtml).join('\n')}
</body></html>
`;
}
