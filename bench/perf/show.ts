// SPDX-License-Identifier: Apache-2.0
/** Shows the last run of a folder, after test/perf_test.sh has measured in the virtual machine: the host knows what else it did meanwhile. */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { render } from './render.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '.' },
    'others-percent': { type: 'string' },
    columns: { type: 'string' },
  },
});
const percent = values['others-percent'];
const folder = dirname(realpathSync(join(values.out, 'summary.json')));
const others =
  percent === undefined
    ? undefined
    : { percent: Number(percent), measured: 'on the host, all but the virtual machine, during the whole run' };
console.log(
  await render(folder, { others, columns: values.columns === undefined ? undefined : Number(values.columns) }),
);
