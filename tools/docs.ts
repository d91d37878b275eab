/** `node build/tools/docs.js`: writes the generated files of the checkout. A unit test fails while they are out of date. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderArchitecture } from './architecture.js';
import { renderConfiguration } from './configuration.js';
import { renderCaptureConf, renderErrors } from './render.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files: [string, string][] = [
  ['config/capture.conf', renderCaptureConf()],
  ['docs/ARCHITECTURE.md', renderArchitecture(root)],
  ['docs/CONFIGURATION.md', renderConfiguration()],
  ['docs/ERRORS.md', renderErrors()],
];

for (const [name, contents] of files) {
  writeFileSync(join(root, name), contents);
  console.log(`wrote ${name}`);
}
