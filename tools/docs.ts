/** `node build/tools/docs.js`: writes the generated files of the checkout. A unit test fails while they are out of date. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderConfiguration } from './configuration.js';
import { renderCaptureConf, renderErrors } from './render.js';

const files: [string, string][] = [
  ['config/capture.conf', renderCaptureConf()],
  ['docs/CONFIGURATION.md', renderConfiguration()],
  ['docs/ERRORS.md', renderErrors()],
];

for (const [name, contents] of files) {
  writeFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), contents);
  console.log(`wrote ${name}`);
}
