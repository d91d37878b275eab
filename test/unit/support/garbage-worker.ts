// SPDX-License-Identifier: Apache-2.0
/** A thread that leaves garbage, collects it and tells by how much its heap has shrunk. */
import { parentPort } from 'node:worker_threads';
import { collectGarbage } from '../../../src/shared/async/collect-garbage.js';
import { leaveGarbage, physicalHeap } from './heap.js';

const kept = leaveGarbage();
const before = physicalHeap();
collectGarbage();
collectGarbage();
parentPort?.postMessage({ before, after: physicalHeap(), kept: kept.length });
