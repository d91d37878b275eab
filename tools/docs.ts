// SPDX-License-Identifier: Apache-2.0
/** `node build/tools/docs.js`: writes the generated files of the checkout. A unit test fails while they are out of date. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { readRuns, RESULTS } from '../test/compat/results.js';
import { KINDS } from '../test/compat/situations/all.js';
import { renderArchitecture } from './architecture.js';
import { CHART, SCHEMA, renderChartReadme, renderSchema } from './chart.js';
import { renderCompatibility } from './compatibility.js';
import { renderConfiguration } from './configuration.js';
import { renderTlshubConf, renderTlshubctl, renderTlshubd } from './man.js';
import { renderCaptureConf, renderErrors } from './render.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const runs = readRuns(join(root, RESULTS));
// The README of the chart is made from its schema.
writeFileSync(join(root, SCHEMA), await format(renderSchema(root), { parser: 'json', printWidth: 120 }));
const files: [string, string][] = [
  [join(CHART, 'README.md'), renderChartReadme(root)],
  ['config/capture.conf', renderCaptureConf()],
  ...['docs/ARCHITECTURE.md', 'docs/zh/ARCHITECTURE.md'].map((file): [string, string] => [
    file,
    renderArchitecture(root, file),
  ]),
  ['docs/COMPATIBILITY.md', renderCompatibility(KINDS, runs, 'en')],
  ['docs/zh/COMPATIBILITY.md', renderCompatibility(KINDS, runs, 'zh')],
  ['docs/CONFIGURATION.md', renderConfiguration('en')],
  ['docs/zh/CONFIGURATION.md', renderConfiguration('zh')],
  ['docs/ERRORS.md', renderErrors('en')],
  ['docs/zh/ERRORS.md', renderErrors('zh')],
  ['docs/man/tlshub.conf.5', renderTlshubConf()],
  ['docs/man/tlshubctl.1', renderTlshubctl()],
  ['docs/man/tlshubd.8', renderTlshubd()],
];

for (const [name, contents] of files) {
  writeFileSync(join(root, name), contents);
  console.log(`wrote ${name}`);
}
