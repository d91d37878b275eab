// SPDX-License-Identifier: Apache-2.0
/** What VM tests import. */
export { Capture, MESH_ADDRESSES } from '../../wire/capture.js';
export { lab, type ExecOptions, type LabOptions, type MeshNode } from './lab.js';
export { Program, type Node, type ProgramOptions, type Result } from './program.js';
export type { Sniffer } from './sniffer.js';
export type { Segment } from '../../wire/segments.js';
export type { Stream } from '../../wire/streams.js';
export { waitFor } from './wait.js';
