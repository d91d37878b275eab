/** What VM tests import. */
export { Capture, MESH_ADDRESSES } from '../../../src/wire/capture.js';
export { lab, type ExecOptions, type LabOptions, type MeshNode, type Sniffer } from './lab.js';
export { Program, type Node, type ProgramOptions, type Result } from './program.js';
export type { Segment } from '../../../src/wire/segments.js';
export type { Stream } from '../../../src/wire/streams.js';
export { waitFor } from './wait.js';
