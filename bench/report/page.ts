// SPDX-License-Identifier: Apache-2.0
/** A page that opens by itself: no script, no network, everything in the file. */

export interface Section {
  title: string;
  /** paragraphs of plain text */
  text?: readonly string[];
  table?: { head: readonly string[]; rows: readonly (readonly string[])[] };
  /** SVG */
  plots?: readonly string[];
  /** shown as it is, for commands */
  code?: string;
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1480px; margin: 2em auto; padding: 0 1em; color: #1a1a1a; background: #fff }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .3em .8em; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } .plots { display: flex; flex-wrap: wrap; gap: 1em }
figure { margin: 0; border: 1px solid #ddd } pre { background: #f4f4f4; padding: 1em; overflow-x: auto }`;

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function sectionHtml({ title, text = [], table, plots = [], code }: Section): string {
  const row = (cells: readonly string[], tag: 'td' | 'th'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return [
    `<section><h2>${escaped(title)}</h2>`,
    ...text.map((paragraph) => `<p>${escaped(paragraph)}</p>`),
    table === undefined
      ? ''
      : `<table><thead>${row(table.head, 'th')}</thead><tbody>${table.rows.map((cells) => row(cells, 'td')).join('')}</tbody></table>`,
    plots.length === 0 ? '' : `<div class="plots">${plots.map((plot) => `<figure>${plot}</figure>`).join('')}</div>`,
    code === undefined ? '' : `<pre>${escaped(code)}</pre>`,
    '</section>',
  ].join('\n');
}

export function pageOf(title: string, sections: readonly Section[]): string {
  // The policy makes it certain: nothing is loaded and nothing runs. icon: a browser asks for one otherwise.
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><h1>${escaped(title)}</h1>
${sections.map(sectionHtml).join('\n')}
</body></html>
`;
}
