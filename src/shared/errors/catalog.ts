/**
 * Every coded failure of the product, in one table: what it means, what to do about it, and the exit status of a command that ends with
 * it. `docs/ERRORS.md` is generated from here (`node dist/tools/docs.js`).
 *
 * Exit statuses are those of the command contract, after sysexits.h: 0 worked, 1 failed, 64 usage, 69 the kernel cannot do it, 77 not
 * permitted, 78 configuration.
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  kernelUnsupported: 69,
  notPermitted: 77,
  config: 78,
} as const;

export interface ErrorEntry {
  exitCode: number;
  meaning: string;
  remedy: string;
}

const CONFIG_REMEDY = 'Correct the line named in the message; config/capture.conf describes every key.';
const MAPPING_REMEDY =
  'Correct the line named in the message: `pod_name node_name [address-or-CIDR ...]`, one pod a line.';
const PEER_REMEDY =
  "Look at the peer node's log for the same moment; both sides name the other and say why they refused.";

export const ERROR_CATALOG = {
  TLSHUB_USAGE: {
    exitCode: EXIT.usage,
    meaning: 'The command line is wrong.',
    remedy: 'Run the command with --help.',
  },
  TLSHUB_INTERNAL: {
    exitCode: EXIT.failed,
    meaning: 'Something failed that has no code of its own.',
    remedy: 'Run again with log_level = debug and report the log.',
  },
  TLSHUB_SYS: {
    exitCode: EXIT.failed,
    meaning: 'A system call failed; errno and the call are named.',
    remedy: 'Look up the errno for that call; `tlshubctl check` tells what this kernel lacks.',
  },

  TLSHUB_BENCH_FILE: {
    exitCode: EXIT.failed,
    meaning: 'The results of a benchmark cannot be written.',
    remedy: 'Name files in a folder that exists, may be written to and has room (-o, -j).',
  },

  TLSHUB_ABI_MISMATCH: {
    exitCode: EXIT.failed,
    meaning: 'BPF object, native addon and TypeScript are of different builds: a struct has another layout.',
    remedy: 'Run `npm run build` in the checkout, and start the agent from the same one.',
  },
  TLSHUB_ALREADY_RUNNING: {
    exitCode: EXIT.failed,
    meaning: 'Another agent lives that works on the same pins. Nothing of it has been touched.',
    remedy:
      'Stop the process that the message names, or give this agent a bpf_pin_dir and a control_socket of its own.',
  },
  TLSHUB_GATE: {
    exitCode: EXIT.kernelUnsupported,
    meaning: 'The gate could not be loaded, attached or pinned; the verifier is quoted.',
    remedy: 'Run `tlshubctl check`: it says what this kernel lacks and how to get it.',
  },
  TLSHUB_CGROUP: {
    exitCode: EXIT.config,
    meaning: 'A cgroup of capture.cgroup cannot be captured.',
    remedy: 'Make the cgroup, or correct capture.cgroup; it must be a folder of the cgroup2 hierarchy.',
  },
  TLSHUB_RING: {
    exitCode: EXIT.failed,
    meaning: 'A shared buffer is no ring, or of another layout.',
    remedy: 'Run `npm run build`: addon and TypeScript are of different builds.',
  },
  TLSHUB_DRIVER_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'A handshake was started on a driver that had been closed.',
    remedy: 'Nothing, if the agent was stopping; else report the log.',
  },
  TLSHUB_INSTALL: {
    exitCode: EXIT.failed,
    meaning: 'Keys could not be installed safely: the socket is not in the state that the handshake left it in.',
    remedy:
      'The connection was refused. If it is always the same program, look at what it does to its socket right after connecting.',
  },
  TLSHUB_GATE_REFUSED: {
    exitCode: EXIT.failed,
    meaning: 'The gate itself refused the flow; the reason follows.',
    remedy: 'See docs/GATE.md for the reasons that the gate has.',
  },
  TLSHUB_PEER_UNKNOWN: {
    exitCode: EXIT.failed,
    meaning: 'The mapping names no node for the address of the peer.',
    remedy: 'Add the address to the mapping (pod_node_config), or exclude it from the mesh.',
  },
  TLSHUB_SPOILT: {
    exitCode: EXIT.failed,
    meaning: 'An earlier agent died in the middle of this handshake: it can be neither finished nor begun again.',
    remedy: 'Nothing: the program will connect again.',
  },
  TLSHUB_TOO_MANY_HELD: {
    exitCode: EXIT.failed,
    meaning: 'More connections are held at once than the agent has places for.',
    remedy: 'Look for peers that do not answer (tlshubctl flows), or raise the pool sizes.',
  },
  TLSHUB_WORKER_LOST: {
    exitCode: EXIT.failed,
    meaning: 'The worker that negotiated this flow died or hung, and the flow could not be begun again.',
    remedy: 'The program will connect again; if it happens often, report the log.',
  },
  TLSHUB_REVOKED: {
    exitCode: EXIT.failed,
    meaning:
      'The rules or the mapping that came into force forbid a connection that was made before, and revoke_on_reload is set.',
    remedy:
      'Nothing, if that is what the change was for; else correct the mapping or the rules. New connections are judged by them too.',
  },
  TLSHUB_RELOAD_REFUSED: {
    exitCode: EXIT.failed,
    meaning: 'The settings were to be changed at a time when they cannot be.',
    remedy: 'Nothing: the agent that is started next reads everything.',
  },
  TLSHUB_DRAINING: {
    exitCode: EXIT.failed,
    meaning: 'The agent is stopping and the flow was not secured in time.',
    remedy: 'Nothing: it is drain_timeout_ms that was reached.',
  },

  TLSHUB_CONFIG_UNREADABLE: {
    exitCode: EXIT.config,
    meaning: 'The configuration file cannot be read or is no text file.',
    remedy: 'Check that the path exists, is a text file and is readable for the user of the agent.',
  },
  TLSHUB_CONFIG_SYNTAX: {
    exitCode: EXIT.config,
    meaning: 'A line of the configuration is not `key = value`.',
    remedy: CONFIG_REMEDY,
  },
  TLSHUB_CONFIG_UNKNOWN_KEY: {
    exitCode: EXIT.config,
    meaning: 'The configuration sets a key that does not exist.',
    remedy: CONFIG_REMEDY,
  },
  TLSHUB_CONFIG_DUPLICATE_KEY: {
    exitCode: EXIT.config,
    meaning: 'The configuration sets a key twice.',
    remedy: 'Remove one of the two lines.',
  },
  TLSHUB_CONFIG_BAD_VALUE: {
    exitCode: EXIT.config,
    meaning: 'A value is outside of what its key allows.',
    remedy: CONFIG_REMEDY,
  },
  TLSHUB_CONFIG_CONFLICT: {
    exitCode: EXIT.config,
    meaning: 'Two values that are each allowed do not go together.',
    remedy: 'Change one of the two keys named in the message.',
  },
  TLSHUB_CONFIG_LISTEN: {
    exitCode: EXIT.config,
    meaning: 'The health endpoint cannot listen where `health_listen` says.',
    remedy: 'Choose an address of this host and a free port (`ss -ltn`), or set health_listen to nothing.',
  },

  TLSHUB_MAPPING_UNREADABLE: {
    exitCode: EXIT.config,
    meaning: 'The Pod-Node mapping cannot be read or is no text file.',
    remedy: 'Check pod_node_config in capture.conf, and that the file is readable for the user of the agent.',
  },
  TLSHUB_MAPPING_SYNTAX: {
    exitCode: EXIT.config,
    meaning: 'A line of the mapping lacks a column, is too long, or has a name that cannot be one.',
    remedy: MAPPING_REMEDY,
  },
  TLSHUB_MAPPING_BAD_ADDRESS: {
    exitCode: EXIT.config,
    meaning: 'An address of the mapping is neither an IPv4 or IPv6 address nor a CIDR, or covers what it must not.',
    remedy: MAPPING_REMEDY,
  },
  TLSHUB_MAPPING_DUPLICATE: {
    exitCode: EXIT.config,
    meaning: 'A pod is listed on two lines, or an address twice for one pod.',
    remedy: 'Join the two lines, or remove one.',
  },
  TLSHUB_KUBERNETES: {
    exitCode: EXIT.failed,
    meaning:
      'The Kubernetes API, where the mapping comes from, cannot be reached, refuses or does not answer as it should.',
    remedy: 'Check kubernetes.kubeconfig or the service account, and that the API server is reachable from this node.',
  },
  TLSHUB_ADDRESS: {
    exitCode: EXIT.failed,
    meaning: 'A text is no IPv4 or IPv6 address, or no CIDR.',
    remedy: 'Write 10.0.0.1, 10.0.0.0/24, fd00::1 or fd00::/64.',
  },

  TLSHUB_CREDENTIALS: {
    exitCode: EXIT.config,
    meaning:
      'The CA, certificate or key of this node is missing, unparsable, has expired, names another node, or the parts do not belong together.',
    remedy: 'Check tls.ca, tls.cert and tls.key in capture.conf; `tlshubctl pki issue NODE` makes a new pair.',
  },
  TLSHUB_PKI_EXISTS: {
    exitCode: EXIT.failed,
    meaning: 'A certificate or key file is there already.',
    remedy: 'Choose another folder, or pass --force to replace it (nodes of a replaced CA are no longer trusted).',
  },
  TLSHUB_PKI_CA: {
    exitCode: EXIT.failed,
    meaning: 'The CA in the folder is missing or unusable.',
    remedy: 'Make one with `tlshubctl pki init DIR`.',
  },
  TLSHUB_PKI_IO: {
    exitCode: EXIT.failed,
    meaning: 'A certificate or key could not be written.',
    remedy: 'Check the folder, its owner and the free space.',
  },

  TLSHUB_KERNEL_UNSUPPORTED: {
    exitCode: EXIT.kernelUnsupported,
    meaning: 'The running kernel lacks something that the gate or kernel TLS needs.',
    remedy: 'Run `tlshubctl check`: it lists what is missing, each with its remedy.',
  },
  TLSHUB_NATIVE_MISSING: {
    exitCode: EXIT.failed,
    meaning: 'The native addon is not built, or cannot be loaded here: built for another processor or C library.',
    remedy: 'Run `npm run build` in the checkout.',
  },
  TLSHUB_NOT_PERMITTED: {
    exitCode: EXIT.notPermitted,
    meaning: 'The user may not do this.',
    remedy: 'Run it as root.',
  },
  TLSHUB_PROVIDER_UNAVAILABLE: {
    exitCode: EXIT.config,
    meaning: 'The key provider that `mode` names cannot be used here.',
    remedy: 'Set `mode` to a provider that this build has.',
  },

  TLSHUB_PROVIDER_START: {
    exitCode: EXIT.failed,
    meaning: 'The library or the threads of a key provider do not come up.',
    remedy:
      'The message names the cause; for a missing libssl.so.0 install the package android-libboringssl. A switch that fails changes nothing.',
  },
  TLSHUB_LIBRARY_FOREIGN: {
    exitCode: EXIT.failed,
    meaning:
      'The calls of an addon reach another TLS library than the one it was made for; it refuses to run on a mixture.',
    remedy: 'Run `npm run build` in the checkout, and do not preload TLS libraries (LD_PRELOAD) into the supervisor.',
  },
  TLSHUB_MODULE_MISSING: {
    exitCode: EXIT.kernelUnsupported,
    meaning: 'Nobody answers on the netlink protocol of the TLSHub kernel module.',
    remedy: 'Load the module (`modprobe tlshub`); netlink_protocol in capture.conf must be its number.',
  },
  TLSHUB_MODULE_TIMEOUT: {
    exitCode: EXIT.failed,
    meaning: 'The TLSHub kernel module did not answer a request in time.',
    remedy: "Look at the module's log (dmesg), and whether the peer node has the module loaded.",
  },
  TLSHUB_MODULE_PROTOCOL: {
    exitCode: EXIT.failed,
    meaning: 'A reply of the TLSHub kernel module is malformed or does not answer the request.',
    remedy: 'The module is of another version than docs/TLSHUB_API.md describes.',
  },
  TLSHUB_MODULE_REFUSED: {
    exitCode: EXIT.failed,
    meaning: 'The TLSHub kernel module could not complete its handshake with the peer node.',
    remedy: "Look at the module's log (dmesg) on both nodes.",
  },
  TLSHUB_NO_KEY: {
    exitCode: EXIT.failed,
    meaning: 'The TLSHub kernel module had no key for the connection until its deadline.',
    remedy: 'Check that the peer node runs in mode tlshub too, and its log.',
  },
  TLSHUB_IPV4_ONLY: {
    exitCode: EXIT.failed,
    meaning: 'TLSHub names connections by IPv4 addresses, and this one has others.',
    remedy: 'Use IPv4 between these pods, or another mode.',
  },
  TLSHUB_PEER_AMBIGUOUS: {
    exitCode: EXIT.failed,
    meaning: 'The mapping gives several nodes for an address, and out of band nothing shows which it is.',
    remedy: 'Give each address of the mapping one node, or use another mode.',
  },
  TLSHUB_CLIENT_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'A TLSHub client was used after it was closed.',
    remedy: 'Make a new one.',
  },

  TLSHUB_CONTROL_UNREACHABLE: {
    exitCode: EXIT.failed,
    meaning: 'No supervisor listens on the control socket.',
    remedy: 'Start one with `node dist/supervisor.js CONFIG`, or name its socket with --socket PATH.',
  },
  TLSHUB_CONTROL_TIMEOUT: {
    exitCode: EXIT.failed,
    meaning: 'The supervisor took the request and did not answer in time.',
    remedy: "Look at the supervisor's log: it is stuck or overloaded.",
  },
  TLSHUB_CONTROL_PROTOCOL: {
    exitCode: EXIT.failed,
    meaning: 'A message on the control socket is malformed, too long, or of another protocol version.',
    remedy: 'Use the tlshubctl of the same release as the supervisor.',
  },
  TLSHUB_CONTROL_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'The connection to the control socket ended before the answer came: the supervisor was stopped, or died.',
    remedy: 'Look at its log, and ask again when it is back: `tlshubctl status --ready --wait 60`.',
  },
  TLSHUB_CONTROL_UNKNOWN_OP: {
    exitCode: EXIT.failed,
    meaning: 'The supervisor does not know the requested operation.',
    remedy: 'Use the tlshubctl of the same release as the supervisor.',
  },
  TLSHUB_CONTROL_BAD_ARGS: {
    exitCode: EXIT.usage,
    meaning: 'The arguments of a control operation have the wrong shape.',
    remedy: 'See docs/CONTROL_PROTOCOL.md.',
  },
  TLSHUB_CONTROL_SOCKET: {
    exitCode: EXIT.config,
    meaning: 'The control socket cannot be made where `control_socket` says.',
    remedy: 'Give control_socket a short absolute path in a folder of its own with mode 0700.',
  },
  TLSHUB_CONTROL_FORBIDDEN: {
    exitCode: EXIT.notPermitted,
    meaning: 'The supervisor does not take orders from this process: another user, or one in a captured cgroup.',
    remedy: 'Run it as root on the host, outside the cgroups that capture.cgroup names.',
  },
  TLSHUB_NOT_READY: {
    exitCode: EXIT.failed,
    meaning: 'The supervisor runs, but new connections may be refused; the message says why.',
    remedy: 'Wait, or mend what the message names; `tlshubctl status` shows the whole picture.',
  },
  TLSHUB_RELEASE_ALIVE: {
    exitCode: EXIT.failed,
    meaning: 'The gate is not taken away, since an agent or its guardian still works on it.',
    remedy:
      'Stop the supervisor instead (SIGTERM): it takes its gate away itself. If it was killed a moment ago, try again after lease_ms and guardian_grace_ms.',
  },
  TLSHUB_RELEASE_LAYOUT: {
    exitCode: EXIT.failed,
    meaning: 'The gate is not taken away, since it is of another version: which connections need it cannot be told.',
    remedy: 'Use the tlshubctl of the release that the dead agent was of.',
  },
  TLSHUB_RELEASE_HELD: {
    exitCode: EXIT.failed,
    meaning: 'The gate is not taken away, since connections that are not secured could not be ended before.',
    remedy:
      'Load tcp_diag (`modprobe tcp_diag`), or end the program that the message names, and run it again. New connections may go in plaintext already.',
  },
  TLSHUB_RELEASE_LEFT: {
    exitCode: EXIT.failed,
    meaning: 'The gate is gone, but its folder has something in it that no agent puts there.',
    remedy: 'Look into the folder (bpf_pin_dir), and remove it by hand.',
  },
  TLSHUB_NOT_FOUND: {
    exitCode: EXIT.failed,
    meaning: 'What was asked for does not exist.',
    remedy: 'List what there is, for example with `tlshubctl mapping list`.',
  },

  TLSHUB_SOCKET_GONE: {
    exitCode: EXIT.failed,
    meaning: 'The process or its descriptor was gone before the agent could take the socket.',
    remedy: 'Nothing to do: the program closed the connection or ended.',
  },
  TLSHUB_SOCKET_FOREIGN_TLS: {
    exitCode: EXIT.failed,
    meaning: 'The socket already has an upper-layer protocol or TLS keys that are not ours.',
    remedy: 'Keep programs that use kernel TLS themselves out of the captured cgroup.',
  },
  TLSHUB_SOCKET_SECURED: {
    exitCode: EXIT.failed,
    meaning: 'The connection was secured before; late news of it was taken for that of a new one.',
    remedy: 'Nothing to do: the connection is left alone.',
  },
  TLSHUB_METRICS_WRITE: {
    exitCode: EXIT.failed,
    meaning: 'The metrics files could not be written. There are none with this name, rather than incomplete ones.',
    remedy: 'Make room in metrics_dir, or set it to a folder that exists and can be written.',
  },
  TLSHUB_HANDSHAKE_TIMEOUT: {
    exitCode: EXIT.failed,
    meaning: 'The peer did not finish the handshake in time.',
    remedy: 'Check that an agent runs on the peer node, and its load; handshake_timeout_ms sets the limit.',
  },
  TLSHUB_HANDSHAKE_CANCELLED: {
    exitCode: EXIT.failed,
    meaning: 'The agent gave the handshake up: the program closed the connection, or the agent is draining.',
    remedy: 'Nothing to do.',
  },
  TLSHUB_PEER_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'The peer closed the connection during the handshake.',
    remedy: PEER_REMEDY,
  },
  TLSHUB_PEER_RESET: {
    exitCode: EXIT.failed,
    meaning: 'The peer reset the connection during the handshake.',
    remedy: PEER_REMEDY,
  },
  TLSHUB_PEER_CERTIFICATE: {
    exitCode: EXIT.failed,
    meaning: "The peer's certificate is of another CA, expired, or does not carry a node name that the mapping allows.",
    remedy: 'Compare the names in the message with the mapping, and the CA with tls.ca.',
  },
  TLSHUB_PEER_REFUSED_US: {
    exitCode: EXIT.failed,
    meaning: 'The peer did not accept our certificate.',
    remedy: PEER_REMEDY,
  },
  TLSHUB_PEER_PROTOCOL: {
    exitCode: EXIT.failed,
    meaning: 'The peer does not speak TLS 1.3 the way an agent does.',
    remedy: 'Check that the peer is captured too: an address in the mapping promises an agent on the other end.',
  },
  TLSHUB_HANDSHAKE_FAILED: {
    exitCode: EXIT.failed,
    meaning: 'The handshake failed inside the TLS library.',
    remedy: 'The message carries the words of the library.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOG;

export const ERROR_CODES = Object.keys(ERROR_CATALOG) as ErrorCode[];

/** The entry of a code, or undefined for codes from elsewhere (errno names, Node.js codes). */
export function catalogEntry(code: string): ErrorEntry | undefined {
  return Object.hasOwn(ERROR_CATALOG, code) ? ERROR_CATALOG[code as ErrorCode] : undefined;
}
