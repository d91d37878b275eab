// SPDX-License-Identifier: Apache-2.0
/**
 * Servers that are told to have little in TCP that is not sent yet (TCP_NOTSENT_LOWAT, a usual setting of web servers): less than a TLS record. And
 * those with a small send buffer. What they send goes on moving, whatever a segment's size and whichever way they send.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program } from '../harness/index.js';
import { inThePatientLab, onMeshAndPlain } from './support.js';

const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve('test/programs/little-room.py');
const BYTES = 1_500_000;
const LOWAT = '16384';
const MARKED = 7570;
const SMALL = 7571;
const NGINX = 7572;
/** Ethernet's, a jumbo frame, and a segment that takes more than three records. */
const MTUS = [1500, 9000, 60_000];

function setMtu(mtu: number): void {
  for (const node of ['a', 'b']) {
    execFileSync('ip', ['-n', 'tlshub-net', 'link', 'set', `v${node}`, 'mtu', String(mtu)]);
    execFileSync('ip', ['-n', `tlshub-${node}`, 'link', 'set', 'eth0', 'mtu', String(mtu)]);
  }
  execFileSync('ip', ['-n', 'tlshub-net', 'link', 'set', 'br0', 'mtu', String(mtu)]);
}

const sysctlOfB = (value: string): Buffer =>
  execFileSync('nsenter', ['--net=/run/netns/tlshub-b', 'sysctl', '-qw', `net.ipv4.tcp_notsent_lowat=${value}`]);

describe('a server whose sockets have little room', () => {
  let folder = '';
  let served = '';
  const programs: Program[] = [];

  inThePatientLab();
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-room-'));
    chmodSync(folder, 0o755);
    served = join(folder, 'served');
    writeFileSync(served, randomBytes(BYTES));
    const serve = async (port: number, ...buffers: string[]): Promise<void> => {
      const server = lab.spawn('b', [PYTHON, PROGRAM, 'serve', String(port), served, ...buffers]);
      programs.push(server);
      await server.listening(port);
    };
    await serve(MARKED, LOWAT, '0');
    await serve(SMALL, '0', '8192');
  });
  after(async () => {
    for (const program of programs) await program.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function comesWhole(port: number, request: string): Promise<void> {
    const client = (host: string): string[] => [PYTHON, PROGRAM, 'read', host, String(port), served, request];
    const { mesh, plain } = await onMeshAndPlain(client);
    expect(plain.stdout + plain.stderr, 'on plain TCP').to.equal('whole\n');
    expect(mesh.stdout + mesh.stderr, 'on the mesh').to.equal('whole\n');
  }

  for (const mtu of MTUS) {
    describe(`at an MTU of ${mtu}`, () => {
      before(() => setMtu(mtu));
      after(() => setMtu(1500));

      for (const how of ['sendfile', 'sendfile_edges', 'send', 'send_edges', 'more', 'close']) {
        it(`by a mark of its own: ${how}`, () => comesWhole(MARKED, how));
      }
      it('by a mark that it sets later', async function () {
        // BPF cannot change it any more there (bpf/room.bpf.h).
        if (release().startsWith('6.1.')) return this.skip();
        await comesWhole(MARKED, 'later');
      });
      for (const how of ['sendfile', 'sendfile_edges', 'send', 'send_edges', 'more', 'close']) {
        it(`by a small send buffer: ${how}`, () => comesWhole(SMALL, how));
      }
    });
  }

  describe('by the setting of its network namespace', () => {
    before(async () => {
      sysctlOfB(LOWAT);
      const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`);
      writeFileSync(
        join(folder, 'nginx.conf'),
        `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr; user root;
        events { worker_connections 64; }
        http { access_log off; sendfile on; ${own.join(' ')} server { listen ${NGINX}; root ${folder}; } }`,
      );
      const server = lab.spawn('b', ['nginx', '-c', join(folder, 'nginx.conf')]);
      programs.push(server);
      await server.listening(NGINX);
    });
    after(() => {
      setMtu(1500);
      sysctlOfB('4294967295');
    });

    for (const mtu of MTUS) {
      it(`nginx with sendfile, at an MTU of ${mtu}`, () => {
        setMtu(mtu);
        return comesWhole(NGINX, 'GET /served HTTP/1.0\r\n\r\n');
      });
    }
  });
});
