// SPDX-License-Identifier: Apache-2.0
// @ts-check
/**
 * Where things live and who may know whom: the one table behind the linter's rule (eslint.config.js) and the picture in
 * docs/ARCHITECTURE.md (tools/architecture.ts). A folder imports from lower layers only, types included; folders of one layer do not
 * know each other. What is not named here belongs to the nearest folder above it that is.
 * Each folder stands with what it holds.
 *
 * @typedef {Readonly<Record<string, string>>} Layer
 * @type {readonly Layer[]}
 */
export const LAYERS = [
  {
    'shared/errors': 'codes and their catalogue',
    'shared/text': 'lines, names, what is fit to print',
    'shared/async': 'deadlines, drain, pump',
  },
  {
    'shared/files': 'text files, atomic files, where the package lies',
    'shared/net': 'addresses, prefix table',
    logging: 'the log, its throttle',
  },
  { 'shared/kernel': 'the ABI, the only loader of addons, sweep records, clock' },
  {
    'shared/ipc': 'rings, slots, doorbell, messages between threads',
    tls: 'key schedule, lab CA',
    load: 'the load tool',
  },
  { mapping: 'pods, nodes and their addresses, from a file or Kubernetes', tlshub: 'client of the TLSHub module' },
  { policy: 'the decision on a connection, pure' },
  { config: 'schema, file, cgroup patterns', report: 'what users are shown: types and nothing else' },
  { workers: 'what runs in threads' },
  {
    'supervisor/gate': 'settings of the gate, cgroups, guardian',
    'supervisor/provider': 'pools, admission, window, queues, switch, plans, channels',
  },
  { 'supervisor/settings': 'what is in force, reload, credentials, directory' },
  { 'supervisor/flow': 'machine, table, dispatcher, sweep, sockets' },
  {
    metrics: 'figures, exposition, files, access log',
    otlp: "the export by OpenTelemetry's SDK",
    health: 'the HTTP endpoint',
    control: 'the control protocol, both ends',
  },
  { supervisor: 'composition, shutdown, threads, status', release: "giving a dead agent's gate up" },
  { cli: 'the commands', '.': 'entry points: supervisor.ts, index.ts' },
];

/** Every folder of the table, lowest layer first. */
export const FOLDERS = LAYERS.flatMap((folders, layer) =>
  Object.entries(folders).map(([folder, holds]) => ({ folder, layer, holds })),
);

/**
 * The folder of the table that a file of src/ belongs to.
 * @param {string} file its path below src/, such as `supervisor/flow/table.ts`
 * @returns {{ folder: string, layer: number, holds: string } | undefined} undefined: the table does not say
 */
export function folderOf(file) {
  const above = FOLDERS.filter(({ folder }) => (folder === '.' ? !file.includes('/') : file.startsWith(`${folder}/`)));
  return above.sort((a, b) => b.folder.length - a.folder.length)[0];
}
