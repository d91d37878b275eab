// SPDX-License-Identifier: Apache-2.0
/** docs/CONFIGURATION.md, all but the tables of keys. Its Chinese twin is zh/configuration-page.ts, heading by heading. */
import type { KeyName } from '../src/config/keys.js';

/** What both languages take from the code. */
export interface Facts {
  maxLineBytes: number;
  maxRules: number;
  maxScopes: number;
  environmentOf: (key: KeyName) => string;
  /** what a wrong value is answered with */
  sampleError: string;
  /** the keys that a reload leaves as they are, in code */
  restarts: string;
  /** the tables of keys, each under its heading */
  tables: string;
}

export const configurationPage = (facts: Facts): string => `# Configuration

[中文](zh/CONFIGURATION.md)

Made from \`src/config/keys.ts\` and \`tools/configuration-page.ts\` by \`node build/tools/docs.js\`; do not edit.

The agent reads \`capture.conf\` (\`node dist/supervisor.js [CONFIG]\`, \`/etc/tlshub/capture.conf\` unless given), the Pod-Node mapping that it
names, and the certificates. [config/capture.conf](../config/capture.conf) is a file with every key at its default.

## The file

\`\`\`ini
# /etc/tlshub/capture.conf of node-a
mode = openssl
node_name = node-a
capture.cgroup = /sys/fs/cgroup/tlshub.slice
pod_node_config = pod_node_mapping.conf      # beside this file
tls.cert = pki/node-a.crt
tls.key = pki/node-a.key
policy = strict
policy_exclude = :53, 10.0.0.0/8:9100        # DNS, and metrics of servers in this network
\`\`\`

- UTF-8 text, one \`key = value\` a line: what follows the first \`=\`, without the white space around it. \`#\` begins a comment at the start of a line or
  after white space. CRLF and a byte order mark are accepted; control characters, and lines of more than ${facts.maxLineBytes} bytes, are not.
- A key that is not there has its default. One that does not exist, that is set twice, or whose value is not allowed is an error.
- Paths that are not absolute are taken from the folder of the file (\`metrics_dir\`: from the working folder of the agent).
- The environment goes before the file: \`${facts.environmentOf('tls.ca')}\` for \`tls.ca\`, \`${facts.environmentOf('log_level')}\` for \`log_level\`. It is that of the agent's start, also at a reload.
- An error names file, line, key and what is allowed: \`${facts.sampleError}\`. At start the
  agent ends with exit status 78; at a reload everything stays as it was. For a variable of the environment the file is \`environment\` and the key its name.

Between keys: \`handshake_timeout_ms\` and \`silent_peer_timeout_ms\` are at most \`hold_timeout_ms\`; no rule is in \`policy_exclude\` and \`policy_require\` at once,
and together they have at most ${facts.maxRules}; no path of \`capture.cgroup\` lies inside another one.

## Rules of the policy

\`policy_exclude\` and \`policy_require\` are lists, by commas or spaces.

| form | connections |
| --- | --- |
| \`10.96.0.10\`, \`10.0.0.0/8\`, \`fd00::/8\` | one of whose ends lies in it, on any port |
| \`:53\` | to a server on this port |
| \`10.0.0.0/8:9100\`, \`[fd00::/8]:443\` | to a server in it on this port |

The longest prefix decides, then a rule with a port, then \`policy_require\`. [POLICY.md](POLICY.md) has the whole decision.

## Cgroups

\`capture.cgroup\` names folders of the cgroup2 hierarchy; what is captured is always a folder with all below it.

| pattern | captured |
| --- | --- |
| \`/sys/fs/cgroup/tlshub.slice\` | this one; if it is not there yet it is waited for |
| \`/sys/fs/cgroup/kubepods.slice/**\` or \`/*\` | \`/sys/fs/cgroup/kubepods.slice\` |
| \`/sys/fs/cgroup/web.slice/web-*.service\` | each folder that matches; at most ${facts.maxScopes}, beyond that \`/sys/fs/cgroup/web.slice\` as a whole |

Programs of a cgroup are inherited: what is made below a captured folder is captured from the moment it exists. **A cgroup that only a pattern finds, or
that was waited for, is not.** The agent sees it come (inotify) and captures it when its main thread has its next turn, at the latest after 5 s if the
notice was lost. Until then its programs are not captured, and what they send goes out in plaintext, also to the mesh (a peer that is captured refuses it
unread). From then on a connection to the mesh that was made before is refused at its next call, and a listener's next connections
are captured. Where that matters, name the folder above, so that there is nothing to wait for.

## The Pod-Node mapping

\`\`\`conf
# pod_name   node_name  [address or CIDR ...]
nginx-pod    node-a     10.77.0.1 fd77::1
shop/web-1   node-b     10.77.0.2 10.78.2.0/24
redis-pod    node-b
# service_name  address or CIDR ...  ->  [pod_name | @node_name ...]
shop/web     10.96.0.10 fd96::10 -> shop/web-1 @node-c
\`\`\`

- Who has an address in it belongs to the mesh: connections to and from there are secured or refused, and the certificate must carry the node's name.
- The longest prefix that holds an address decides. Several pods may list the same one: then any of their nodes may be the peer. A pod is listed once.
- **A service** is an address that is translated to one of several pods on the way. Its line has an arrow: name, addresses, \`->\`, and what is behind it, pods of lines above or nodes as \`@node\`.
  Connections to it are secured, any of these nodes may answer, and \`tlshubctl flows\` shows the one that did (NODE; POD is the service). The pods stay on their own lines, since those are the addresses that the other end sees. With nothing
  behind the arrow the service has no endpoint: connections to it are refused (\`TLSHUB_PEER_UNKNOWN\`), also under \`permissive\`. An address is a pod's or a service's, not both; several services may share one.
- Errors name file and line; the file is taken whole or not at all. It is read at start and at a reload.
- With \`pod_source = kubernetes\` the mapping is the Pods of a cluster and its Services, followed as they come and go; the file is not read ([INTEGRATION_GUIDE](INTEGRATION_GUIDE.md#services)).

## Reload

\`tlshubctl reload\`, or SIGHUP (\`systemctl reload tlshub\` runs the former). Another mode, and a mapping that the cluster tells of, are put in force in the
same way, one change after the other (\`src/supervisor/settings/reload.ts\`):

1. Everything is read and checked: the configuration, the certificates (that they are valid, fit each other and carry the node's name), the mapping. What can
   fail is done: a new provider is started if its library, credentials or pool have changed, new cgroups are captured, new addresses written to the kernel.
   Whatever goes wrong up to here is undone, and all stays as it was: the error is the answer of \`tlshubctl reload\`, in the log, and in \`tlshubctl status\`
   until a reload succeeds.
2. Everything is swapped in one turn of the main thread. In the kernel, policy and rules lie in two banks, and one word says which is in force: no connection
   is judged by a mixture.
3. What went is cleared away: addresses, cgroups, the old provider when it has finished what it began. The log has a line \`changed: ...\` for each
   difference, and \`tlshubctl reload\` prints the same lines.

- New connections go by the new settings. One that is held is judged by the policy and mapping under which it began, and finishes with the provider that it began with.
  News of a flow may come after the swap, so the agent keeps the settings of the last minute (eight at most).
- Connections that are secured, or were let go in plaintext, are left alone. With \`revoke_on_reload = true\` those that the new policy or mapping forbids are
  ended: a secured one whose peer's node is no longer that of its address, or that is now refused; one in plaintext that would now be secured or refused.
- These keep the value that they have until the agent is started again; the log says so and \`status\` lists them: ${facts.restarts}.
- A mode that was set with \`tlshubctl mode set\` is not in the file: the next reload goes by the file.
- Who asks while a reload is under way is served by one that begins after it. An agent that shuts down refuses.

## Keys

"yes": a reload puts it in force.

${facts.tables}`;
