/**
 * Who may use the control socket. Its folder keeps other users out already; this is for those whom a mount or a loosened mode lets in:
 * other users, and root inside a container, who is uid 0 as well. Whoever is captured has no say about what captures it.
 *
 * Whatever cannot be told counts against the peer.
 */
import { readFileSync } from 'node:fs';
import { ControlError } from '../shared/errors/errors.js';
import type { SocketPeer } from '../shared/kernel/kernel-addon.js';

export interface AdmissionFacts {
  peer: SocketPeer;
  /** whom the agent runs as */
  ownUid: number;
  /** of the agent, as /proc/self/cgroup has it */
  ownCgroup: string;
  /** where cgroup2 is mounted, and what of the hierarchy is seen there; undefined: nowhere */
  mount: CgroupMount | undefined;
  /** folders of the captured cgroups; what lies below them is captured too */
  captured: readonly string[];
}

export interface CgroupMount {
  point: string;
  /** as /proc/PID/cgroup would name it: '/' except in a cgroup namespace or for a bind mount */
  root: string;
}

/** Why not, in words; undefined: it may. */
export function whyNotAdmitted({ peer, ownUid, ownCgroup, mount, captured }: AdmissionFacts): string | undefined {
  if (peer.uid !== 0 && peer.uid !== ownUid) return `only root may use the control socket, not uid ${peer.uid}`;
  if (captured.length === 0) return undefined;
  if (peer.cgroup === '' || peer.cgroup.endsWith(' (deleted)'))
    return `nobody can tell in which cgroup the process is that connected (pid ${peer.pid})`;
  const folder = mount && folderOf(peer.cgroup, mount);
  const sibling = peer.cgroup === ownCgroup;
  if (folder === undefined)
    return sibling ? undefined : `the cgroup ${peer.cgroup} of pid ${peer.pid} cannot be found under /sys/fs/cgroup`;
  // An agent in a container may lie inside its own pattern (kubepods.slice/**): then tlshubctl, run beside it, does too.
  const scope = captured.find(
    (path) => isWithin(folder, withoutGlob(path)) && !(sibling && path !== withoutGlob(path)),
  );
  return scope && `pid ${peer.pid} is in a captured cgroup (${scope})`;
}

/** The folder of a cgroup, or undefined if it is not seen through this mount. */
function folderOf(cgroup: string, { point, root }: CgroupMount): string | undefined {
  const inside = root === '/' ? cgroup : isWithin(cgroup, root) ? cgroup.slice(root.length) : '/..';
  // What leads out of the part of the hierarchy that is seen.
  if (inside.startsWith('/..')) return undefined;
  return inside === '/' ? point : point + inside;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? folder : `${folder}/`);
}

/** The folder that all matches of a pattern lie in: what is not captured yet may be in a moment. */
function withoutGlob(path: string): string {
  const parts = path.split('/');
  const glob = parts.findIndex((part) => /[*?[{]/.test(part));
  const folder = (glob === -1 ? parts : parts.slice(0, glob)).join('/').replace(/\/+$/, '');
  return folder === '' ? '/' : folder;
}

export interface AdmissionOptions {
  /** kernel().peerOf */
  peerOf(fd: number): SocketPeer;
  captured(): readonly string[];
}

/**
 * Checks the peer of a connection to our socket.
 * @throws ControlError TLSHUB_CONTROL_FORBIDDEN (exit status 77)
 */
export function admit(fd: number, options: AdmissionOptions): void {
  const why = whyNotAdmitted({
    peer: options.peerOf(fd),
    ownUid: process.geteuid?.() ?? -1,
    ownCgroup: ownCgroup(),
    mount: cgroupMount(),
    captured: options.captured(),
  });
  if (why !== undefined) throw new ControlError('TLSHUB_CONTROL_FORBIDDEN', why);
}

function ownCgroup(): string {
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((text) => text.startsWith('0::'));
  return line?.slice(3) ?? '';
}

/** Fields 4 and 5 of /proc/self/mountinfo, the type after the separator (proc(5)). */
function cgroupMount(): CgroupMount | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount = '', kind = ''] = line.split(' - ');
    if (!kind.startsWith('cgroup2 ')) continue;
    const [, , , root, point] = mount.split(' ');
    if (root !== undefined && point !== undefined) return { root, point };
  }
  return undefined;
}
