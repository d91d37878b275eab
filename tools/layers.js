// @ts-check
/**
 * Where things live and who may know whom: the one table behind the linter's rule (eslint.config.js) and the picture in
 * docs/ARCHITECTURE.md (tools/architecture.ts). A folder imports from lower layers only, types included; folders of one layer do not
 * know each other. What is not named here belongs to the nearest folder above it that is.
 *
 * @typedef {{ folders: readonly string[], holds: string }} Layer
 * @type {readonly Layer[]}
 */
export const LAYERS = [
  {
    folders: ['shared/errors', 'shared/text', 'shared/async'],
    holds: 'codes and catalogue; names and lines; deadlines, drain, pump',
  },
  {
    folders: ['shared/files', 'shared/net', 'logging'],
    holds: 'text and atomic files, the package; addresses, prefix table; the log',
  },
  { folders: ['shared/kernel'], holds: 'the ABI, the only loader of addons, the reader of the sweep, the clock' },
  {
    folders: ['shared/ipc', 'tls', 'load'],
    holds: 'rings, slots, doorbell, messages; key schedule, lab CA; the load tool',
  },
  { folders: ['mapping', 'tlshub'], holds: 'pods and nodes; the client of the TLSHub module' },
  { folders: ['policy'], holds: 'the decision on a connection, pure' },
  {
    folders: ['config', 'report'],
    holds: 'schema, files, cgroup patterns; what users are shown, types and nothing else',
  },
  { folders: ['workers'], holds: 'what runs in threads' },
  {
    folders: ['supervisor/gate', 'supervisor/provider'],
    holds: 'opening the gate, cgroups, guardian; pools, admission, switch, plans',
  },
  { folders: ['supervisor/settings'], holds: 'what is in force, reload, credentials, directory' },
  { folders: ['supervisor/flow'], holds: 'machine, table, dispatcher, sweep, sockets' },
  { folders: ['metrics', 'health', 'control'], holds: 'exposition, HTTP, the control protocol' },
  {
    folders: ['supervisor', 'release'],
    holds: "the composition point, shutdown, threads, status; giving a dead agent's pins up",
  },
  { folders: ['cli', '.'], holds: 'commands; supervisor.ts, index.ts' },
];

/** Every folder of the table with the number of its layer. */
export const FOLDERS = LAYERS.flatMap(({ folders }, layer) => folders.map((folder) => ({ folder, layer })));

/**
 * The folder of the table that a file of src/ belongs to.
 * @param {string} file its path below src/, such as `supervisor/flow/table.ts`
 * @returns {{ folder: string, layer: number } | undefined} undefined: the table does not say
 */
export function folderOf(file) {
  const above = FOLDERS.filter(({ folder }) => (folder === '.' ? !file.includes('/') : file.startsWith(`${folder}/`)));
  return above.sort((a, b) => b.folder.length - a.folder.length)[0];
}
