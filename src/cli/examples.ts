// SPDX-License-Identifier: Apache-2.0
/** What each command is good for, shown under its --help: the commands' names as keys ('' is tlshubctl itself), lines of `command  # what it shows`. */
export const EXAMPLES: Readonly<Record<string, readonly (readonly [command: string, meaning: string])[]>> = {
  '': [
    ['tlshubctl check', 'before the first start: what is missing here'],
    ['tlshubctl status', 'whether new connections are secured, and if not why'],
    ['tlshubctl flows --state refused', 'what was refused, each with its reason'],
    ['tlshubctl explain TLSHUB_PEER_UNKNOWN', 'what a code of the log, of flows or of status means, and what to do'],
    ['tlshubctl reload', 'puts changed files in force, all or nothing'],
    ['tlshubctl flows --help', 'more examples; so with each command'],
  ],
  check: [
    ['tlshubctl check', 'before the first start: what is missing here, and how to get it'],
    ['tlshubctl check --config /etc/tlshub/capture.conf', 'what is wrong with the files, all at once'],
    ['tlshubctl check --json | jq ".[] | select(.ok | not)"', 'the same for a script'],
  ],
  status: [
    ['tlshubctl status', 'whether all is well, and what to do where it is not'],
    ['tlshubctl status -v', 'provider, threads, rings and gate as well'],
    ['tlshubctl status --ready', 'ends with 1 while it is not ready, and says why: for probes and scripts'],
    ['tlshubctl status --ready --wait 60', 'returns as soon as it is, also if it is only starting'],
    ['tlshubctl status --json | jq .failures', 'refusals by code; `tlshubctl explain CODE` says what to do'],
  ],
  flows: [
    ['tlshubctl flows', 'connections, those that are over for a while too'],
    ['tlshubctl flows -o wide', 'every column, and what to do about those that failed'],
    ['tlshubctl flows --sort hold', 'those first that waited longest for their keys'],
    ['tlshubctl flows --state held,negotiating', 'those that are waiting right now'],
    ['tlshubctl flows --state refused', 'those that were refused, each with its reason'],
    ['tlshubctl flows --pod web/nginx-0', 'those to and from one pod'],
    ['tlshubctl flows --watch', 'a live view, which goes on over a restart of the supervisor'],
    ['tlshubctl flows --watch 0.2 --json | jq -c "select(.change == \\"new\\") | .flow"', 'new ones, a line each'],
  ],
  channels: [
    ['tlshubctl channels', 'which there are, how old, how many connections have used each'],
    [
      'tlshubctl channels --json | jq ".[] | select(.lastError) | .node, .lastError"',
      'nodes that one failed with, and why',
    ],
  ],
  explain: [
    ['tlshubctl explain TLSHUB_PEER_UNKNOWN', 'what it means, and what to do'],
    ['tlshubctl explain peer_unknown', 'the same'],
    ['tlshubctl explain', 'all codes'],
  ],
  metrics: [
    ['tlshubctl metrics', 'what /metrics shows, without HTTP'],
    ['tlshubctl metrics | grep refused', 'how many connections were refused, by code'],
  ],
  reload: [
    ['tlshubctl reload', 'prints what has changed, or what is wrong and where'],
    ['tlshubctl reload --json | jq -r ".needsRestart[]"', 'what of the file is only in force after a restart'],
    ['tlshubctl status --json | jq .lastConfigError', 'why the last reload, or SIGHUP, came to nothing'],
  ],
  tlshub: [
    ['tlshubctl tlshub genkey', 'a private key for each node, once'],
    ['tlshubctl tlshub set --help', 'what this node is'],
    ['tlshubctl tlshub set-peer --help', 'what the others are'],
    ['tlshubctl tlshub peers', 'whether there are sessions'],
  ],
  'tlshub show': [
    ['tlshubctl tlshub show', 'public key, port, networks, counters'],
    ['tlshubctl tlshub show --json | jq .counters', 'all counters, the noughts as well'],
  ],
  'tlshub peers': [
    ['tlshubctl tlshub peers', 'all nodes that it knows'],
    [
      'tlshubctl tlshub peers --json | jq -r ".[] | select(.state != \\"session\\") | .name"',
      'those without a session',
    ],
  ],
  'tlshub keys': [['tlshubctl tlshub keys', 'what has been made and not been fetched yet']],
  'tlshub genkey': [['umask 077; tlshubctl tlshub genkey > /etc/tlshub/module.key', 'once on each node']],
  'tlshub pubkey': [['tlshubctl tlshub pubkey --private-key /etc/tlshub/module.key', 'what the other nodes are told']],
  'tlshub set': [
    ['tlshubctl tlshub set --private-key /etc/tlshub/module.key --networks 10.1.1.0/24', 'this node and its pods'],
    ['tlshubctl tlshub set --networks 10.1.1.0/24 --replace-networks', 'these pods, and no others'],
  ],
  'tlshub set-peer': [
    [
      'tlshubctl tlshub set-peer node-b --public-key KEY --endpoint 192.0.2.2:9467 --networks 10.1.2.0/24',
      'another node and its pods; KEY is what `pubkey` printed there',
    ],
  ],
  'tlshub remove-peer': [['tlshubctl tlshub remove-peer node-b', 'it shares no more keys with that node']],
  release: [
    ['tlshubctl release', 'after an agent was killed for good: new connections go in plaintext again'],
    ['tlshubctl release --wait 60', 'after it was stopped: its guardian still waits for another agent'],
    ['tlshubctl release --json | jq .ended', 'how many connections were ended by it'],
  ],
  'bug-report': [
    ['tlshubctl bug-report', 'into this folder; it says what it has put in'],
    ['tlshubctl bug-report /tmp/report.tar.gz', 'into this file, which must not be there'],
  ],
  mapping: [
    ['tlshubctl mapping get nginx-pod', 'where a pod runs, by what addresses it is known'],
    ['tlshubctl mapping list --json | jq length', 'how many pods there are'],
  ],
  'mapping get': [
    ['tlshubctl mapping get nginx-pod', 'a pod of the file'],
    ['tlshubctl mapping get web/nginx-0', 'a pod of Kubernetes; without its namespace where that is enough to tell it'],
  ],
  'mapping list': [['tlshubctl mapping list', 'all pods with their nodes and addresses']],
  mode: [
    ['tlshubctl mode get', 'which provider makes the keys of new connections'],
    ['tlshubctl mode set boringssl', 'another one from now on; no connection fails by it'],
  ],
  'mode get': [['tlshubctl mode get', 'the one of now, by whatever it was set']],
  'mode set': [['tlshubctl mode set boringssl', 'returns when it is in force, or fails and the old one still is']],
  pki: [
    ['tlshubctl pki init /etc/tlshub/pki', 'a CA for a lab'],
    ['tlshubctl pki issue node-a --dir /etc/tlshub/pki', 'a certificate for a node'],
  ],
  'pki init': [['tlshubctl pki init /etc/tlshub/pki --name lab', 'ca.crt for all nodes, ca.key for whoever issues']],
  'pki issue': [
    ['tlshubctl pki issue node-a --dir /etc/tlshub/pki', 'for a year'],
    ['tlshubctl pki issue node-c --dir /etc/tlshub/pki --as node', 'as the agent of this node looks for them'],
    ['tlshubctl pki issue node-a --dir /etc/tlshub/pki --days 30 --force', 'a new one, for a month'],
  ],
  completion: [
    ['source <(tlshubctl completion bash)', 'in ~/.bashrc'],
    ['source <(tlshubctl completion zsh)', 'in ~/.zshrc, after compinit'],
    ['tlshubctl completion fish > ~/.config/fish/completions/tlshubctl.fish', ''],
  ],
};

/** The block for the end of a help text, '' if the command has no examples. */
export function examplesText(path: string): string {
  const examples = EXAMPLES[path];
  if (examples === undefined) return '';
  const width = Math.min(48, Math.max(...examples.map(([command]) => command.length)));
  const lines = examples.map(([command, meaning]) =>
    meaning === '' ? `  ${command}` : `  ${command.padEnd(width)}  # ${meaning}`,
  );
  return `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`;
}
