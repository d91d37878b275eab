// SPDX-License-Identifier: Apache-2.0
/** `node build/tools/docs.js`: writes the generated files of the checkout. A unit test fails while they are out of date. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRuns, RESULTS } from '../test/compat/results.js';
import { KINDS } from '../test/compat/situations/all.js';
import { renderArchitecture } from './architecture.js';
import { renderCompatibility } from './compatibility.js';
import { renderConfiguration } from './configuration.js';
import { renderCaptureConf, renderErrors } from './render.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const runs = readRuns(join(root, RESULTS));
const files: [string, string][] = [
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
];

for (const [name, contents] of files) {
  writeFileSync(join(root, name), contents);
  console.log(`wrote ${name}`);
}
