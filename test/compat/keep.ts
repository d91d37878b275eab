// SPDX-License-Identifier: Apache-2.0
/** `node build/test/compat/keep.js RUN.json`: takes the results of a run into results.json. */
import { readFileSync } from 'node:fs';
import { readRuns, withRun, writeRuns, type Run } from './results.js';
import { SITUATIONS } from './situations/all.js';

const run = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Run;
writeRuns(withRun(readRuns(), run, SITUATIONS));
