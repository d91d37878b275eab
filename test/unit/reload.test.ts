// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { diffMappings } from '../../src/mapping/diff.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { DirectoryHistory } from '../../src/supervisor/settings/directory.js';
import { MappingSources } from '../../src/supervisor/settings/mapping-sources.js';
import { firstSettings } from '../../src/supervisor/settings/in-force.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { World } from '../fakes/reload-world.js';
import { NodeFiles } from '../fakes/settings.js';
import { temporaryFolder } from './support/temporary.js';

describe('reload', () => {
  const folder = temporaryFolder();
  let files: NodeFiles;
  let world: World;

  before(async () => {
    files = await NodeFiles.make(folder('node'));
    await files.certificates('other');
    await files.certificates('expired', { days: -1 });
    await files.certificates('named', { node: 'z' });
  });
  beforeEach(async () => {
    files.write();
    files.map('web a 10.0.0.1\ndb b 10.0.0.2\n');
    world = await World.make(files);
  });

  it('puts in force what the files say now, and says what changed line by line', async () => {
    files.write({
      policy: 'permissive',
      handshake_timeout_ms: 4000,
      overload_timeout_ms: 20_000,
      hold_timeout_ms: 9000,
    });
    files.map('web b 10.0.0.1\ncache a 10.0.0.3\n');
    const { changes, needsRestart } = await world.reloader.reload();
    expect(changes).to.deep.equal([
      'policy: strict -> permissive',
      'handshake_timeout_ms: 5000 -> 4000',
      'overload_timeout_ms: 60000 -> 20000',
      'hold_timeout_ms: 10000 -> 9000',
      'mapping: pod cache is new, on a 10.0.0.3',
      'mapping: pod db is gone from b',
      'mapping: pod web moved from a to b',
    ]);
    expect(needsRestart).to.deep.equal([]);
    expect(world.said()).to.deep.equal(changes.map((line) => `changed: ${line}`));
    expect(world.inForce.config.handshakeTimeoutMs).to.equal(4000);
    expect(world.inForce.mapping.nodeOf('web')).to.equal('b');
    expect(world.gate.settings).to.deep.equal([{ ...world.gate.settings[0], policy: 'permissive', holdMs: 29_000 }]);
    expect([...world.gate.mesh]).to.have.deep.members([
      ['10.0.0.1/128', false],
      ['10.0.0.3/128', true],
    ]);
    expect(world.made, 'providers made').to.have.length(0);
    expect(world.reloader.counts).to.deep.equal({ succeeded: 1, failed: 0 });
  });

  it('changes nothing when nothing has changed, and keeps the mapping that it has', async () => {
    const { mapping } = world.inForce;
    expect(await world.reloader.reload()).to.deep.equal({ changes: [], needsRestart: [] });
    expect(world.inForce.mapping).to.equal(mapping);
    expect(world.said()).to.deep.equal(['reloaded: nothing has changed']);
  });

  const BAD: Record<string, { change: () => void; code: string; says: RegExp; line?: number; key?: string }> = {
    'an unknown key': {
      change: () => files.write({ polcy: 'strict' }),
      code: 'TLSHUB_CONFIG_UNKNOWN_KEY',
      says: /capture\.conf:6: polcy: .*did you mean policy/,
      line: 6,
      key: 'polcy',
    },
    'a bad value': {
      change: () => files.write({ policy: 'lax' }),
      code: 'TLSHUB_CONFIG_BAD_VALUE',
      says: /capture\.conf:6: policy: "lax"/,
      line: 6,
      key: 'policy',
    },
    'a bad mapping': {
      change: () => {
        files.write({ policy: 'permissive' });
        files.map('web a 10.0.0.1\nweb b 10.0.0.2\n');
      },
      code: 'TLSHUB_MAPPING_DUPLICATE',
      says: /mapping\.conf:2: pod web is listed twice/,
      line: 2,
    },
    'no mapping': {
      change: () => files.write({ pod_node_config: 'nowhere.conf' }),
      code: 'TLSHUB_MAPPING_UNREADABLE',
      says: /nowhere\.conf: cannot read/,
    },
    'no certificate': {
      change: () => files.write({ 'tls.cert': 'nowhere.crt' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /nowhere\.crt: tls\.cert: cannot read it/,
      key: 'tls.cert',
    },
    'an expired certificate': {
      change: () => files.write({}, 'expired'),
      code: 'TLSHUB_CREDENTIALS',
      says: /a\.crt: tls\.cert: the certificate of a has expired/,
      key: 'tls.cert',
    },
    "another node's certificate": {
      change: () => files.write({}, 'named', 'z'),
      code: 'TLSHUB_CREDENTIALS',
      says: /z\.crt: tls\.cert: the certificate names DNS:z, and this node is a/,
      key: 'tls.cert',
    },
    'a certificate of a CA that the node does not trust': {
      change: () => files.write({ 'tls.cert': 'other/a.crt', 'tls.key': 'other/a.key' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /other\/a\.crt: tls\.cert: it was issued by CA of other, which is not among the CAs of tls\.ca/,
      key: 'tls.cert',
    },
    'the key of another certificate': {
      change: () => files.write({ 'tls.key': 'other/a.key' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /other\/a\.key: tls\.key: does not belong to the certificate of a/,
      key: 'tls.key',
    },
    'a key that is none': {
      change: () => files.write({ 'tls.key': 'pki/a.crt' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /pki\/a\.crt: tls\.key: cannot be parsed/,
      key: 'tls.key',
    },
    'a CA file without a CA': {
      change: () => files.write({ 'tls.ca': 'mapping.conf' }),
      code: 'TLSHUB_CREDENTIALS',
      says: /mapping\.conf: tls\.ca: there is no PEM certificate in it/,
      key: 'tls.ca',
    },
    'a provider that does not come up': {
      change: () => {
        world.broken = new TlshubError('TLSHUB_PROVIDER_START', 'the boringssl provider does not start');
        files.write({ mode: 'boringssl' });
      },
      code: 'TLSHUB_PROVIDER_START',
      says: /does not start/,
    },
    'more addresses than the kernel has room for': {
      change: () => {
        world.gate.room = 3;
        files.write({ mode: 'boringssl', policy: 'permissive' });
        files.map('web b 10.0.0.1\nx a 10.1.0.1\ny a 10.1.0.2\nz a 10.1.0.3\n');
      },
      code: 'TLSHUB_SYS',
      says: /no room/,
    },
  };
  for (const [what, { change, code, says, line, key }] of Object.entries(BAD)) {
    it(`leaves everything as it was for ${what}, and says what is wrong and where`, async () => {
      const before = { settings: world.inForce.current, mesh: [...world.gate.mesh] };
      change();
      const error = await world.failure();
      expect(error.code).to.equal(code);
      expect(error.message).to.match(says);
      expect(world.inForce.current).to.equal(before.settings);
      expect([...world.gate.mesh]).to.have.deep.members(before.mesh);
      expect(world.gate.settings).to.deep.equal([]);
      expect(world.provider.name).to.equal('openssl');
      expect(world.made.every(({ closed }) => closed)).to.equal(true);
      const { lastError } = world.reloader;
      expect(lastError?.error).to.deep.include({ code, message: error.message });
      expect([lastError?.line, lastError?.key]).to.deep.equal([line, key]);
      expect(world.said().at(-1)).to.equal('nothing was reloaded: what was in force stays in force');

      world.broken = undefined;
      world.gate.room = Infinity;
      files.write();
      files.map('web a 10.0.0.1\ndb b 10.0.0.2\n');
      expect(await world.reloader.reload()).to.deep.equal({ changes: [], needsRestart: [] });
      expect(world.reloader.lastError).to.equal(null);
      expect(world.reloader.counts).to.deep.equal({ succeeded: 1, failed: 1 });
    });
  }

  it('names what takes a restart, and puts the rest in force', async () => {
    files.write({ ring_bytes: 65536, policy: 'permissive' });
    const { changes, needsRestart } = await world.reloader.reload();
    expect(changes).to.deep.equal(['policy: strict -> permissive']);
    expect(needsRestart).to.deep.equal(['ring_bytes: 1048576 -> 65536']);
    expect(world.inForce.config.ringBytes).to.equal(1 << 20);
    expect(world.said()).to.include('ring_bytes needs a restart to change: the rings are made once');
    files.write({ policy: 'permissive' });
    await world.reloader.reload();
    expect(world.reloader.waiting).to.deep.equal([]);
  });

  it('gives new credentials and pool sizes to a new provider, and never writes a secret to the log', async () => {
    files.write({}, 'other');
    const { changes } = await world.reloader.reload();
    expect(changes.map((line) => line.replace(/ \(.*\)/, ''))).to.deep.equal([
      `tls.ca: ${join(files.folder, 'pki/ca.crt')} -> ${join(files.folder, 'other/ca.crt')}`,
      `tls.cert: ${join(files.folder, 'pki/a.crt')} -> ${join(files.folder, 'other/a.crt')}`,
      `tls.key: ${join(files.folder, 'pki/a.key')} -> ${join(files.folder, 'other/a.key')}`,
      'tls.ca: now trusts CA of other',
      'tls.ca: no longer trusts CA of pki',
      'tls.cert: now a, issued by CA of other',
      'tls.key: another key',
    ]);
    expect(world.made).to.have.length(1);
    files.write({ 'openssl.pool_size': 3 }, 'other');
    await world.reloader.reload();
    expect(world.made).to.have.length(2);
    const log = JSON.stringify(world.lines);
    for (const pki of ['pki', 'other']) {
      const lines = readFileSync(join(files.folder, pki, 'a.key'), 'utf8')
        .trim()
        .split('\n')
        .slice(1, -1);
      for (const line of lines) expect(log).not.to.include(line);
    }
  });

  it('goes by the file again after another mode was set by hand', async () => {
    expect(await world.reloader.setMode('boringssl')).to.deep.equal({ mode: 'boringssl', previous: 'openssl' });
    expect(world.inForce.config.mode).to.equal('boringssl');
    expect((await world.reloader.reload()).changes).to.deep.equal(['mode: boringssl -> openssl']);
    expect(world.provider.name).to.equal('openssl');
  });

  it('serves requests that come during a reload by one that follows, and loses none', async () => {
    const first = world.reloader.reload();
    await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(files.mapping, 'web c 10.0.0.1\n');
    const later = [world.reloader.reload(), world.reloader.reload(), world.reloader.reload()];
    await first;
    const reports = await Promise.all(later);
    expect(world.inForce.mapping.nodeOf('web')).to.equal('c');
    expect(new Set(reports).size).to.equal(1);
    expect(world.reloader.counts.succeeded).to.equal(2);
  });

  it('refuses while the agent shuts down, also when that begins in the middle', async () => {
    files.write({ mode: 'boringssl' });
    const running = world.failure();
    world.gate.watch = () => (world.draining = true);
    files.map('web a 10.0.0.1\ndb b 10.0.0.2\nnew a 10.0.0.9\n');
    expect((await running).code).to.equal('TLSHUB_RELOAD_REFUSED');
    expect(world.provider.name).to.equal('openssl');
    expect([...world.gate.mesh.keys()]).not.to.include('10.0.0.9/128');
    expect((await world.failure()).message).to.contain('shutting down');
  });

  it('never takes away an address that stays, whatever changes around it', async () => {
    const lines = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, i) => `p${from + i} n 10.9.${(from + i) >> 8}.${(from + i) & 255}`).join(
        '\n',
      );
    files.map(lines(0, 5000));
    await world.reloader.reload();
    expect(world.gate.mesh.size).to.equal(5000);
    let writes = 0;
    world.gate.watch = () => {
      writes++;
      for (const i of [2500, 3000, 4999]) expect(world.gate.mesh.has(`10.9.${i >> 8}.${i & 255}/128`)).to.equal(true);
    };
    files.map(lines(2500, 8000));
    await world.reloader.reload();
    expect(writes).to.be.greaterThan(5);
    expect(world.gate.mesh.size).to.equal(5500);
  });

  it("knows by the gate's mesh which node has an address, if it is just one, and by the same number each time", async () => {
    const nodes = (): unknown => Object.fromEntries(world.gate.nodes);
    const [a, b] = [world.numbers.of('a'), world.numbers.of('b')];
    expect(nodes()).to.deep.equal({ '10.0.0.1/128': a, '10.0.0.2/128': b });
    files.map('web c 10.0.0.1\ndb b 10.0.0.2\ndb2 a 10.0.0.2\n');
    await world.reloader.reload();
    expect(nodes()).to.deep.equal({ '10.0.0.1/128': world.numbers.of('c'), '10.0.0.2/128': 0 });
    files.map('web a 10.0.0.1\ndb b 10.0.0.2\n');
    await world.reloader.reload();
    expect(nodes()).to.deep.equal({ '10.0.0.1/128': a, '10.0.0.2/128': b });
  });

  it('puts a mapping in force that its source tells of, and logs it', async () => {
    files.map('web z 10.0.0.1\n');
    const { mapping: previous } = world.inForce;
    const mapping = PodNodeMapping.load(files.mapping);
    await world.reloader.mappingChanged({ mapping, previous, diff: diffMappings(previous, mapping) });
    expect(world.inForce.mapping).to.equal(mapping);
    expect(world.said()).to.include('changed: mapping: pod web moved from a to z');
    expect([...world.gate.mesh.keys()]).to.deep.equal(['10.0.0.1/128']);
  });

  it('ends forbidden connections only when it is asked to, and only after a change', async () => {
    files.write({ policy: 'permissive' });
    await world.reloader.reload();
    expect(world.revoked).to.equal(0);
    files.write({ policy: 'strict', revoke_on_reload: true });
    await world.reloader.reload();
    expect(world.revoked).to.equal(1);
    await world.reloader.reload();
    expect(world.revoked).to.equal(1);
  });
});

describe('directory over a change', () => {
  const folder = temporaryFolder();
  it('judges a flow by what was in force when it began, and knows what the kernel knew', async () => {
    const files = await NodeFiles.make(folder('node'));
    const settings = async (text: string) => {
      files.map(text);
      return firstSettings(loadConfig(files.config), new MappingSources(memoryLogger().log));
    };
    const tuple = { local: parseAddress('10.0.0.1'), remote: parseAddress('10.0.0.2'), lport: 1, rport: 2 };
    const other = { ...tuple, remote: parseAddress('10.0.0.3') };
    let now = 1000;
    const directory = new DirectoryHistory(await settings('db b 10.0.0.2\n'), () => now);
    const nodes = (at: typeof tuple, sinceNs: number): readonly string[] =>
      directory.peerNodes(at, 'active', sinceNs).nodes;
    const next = await settings('db c 10.0.0.2\nnew d 10.0.0.3\n');
    directory.announce(next);
    expect(nodes(tuple, 900)).to.deep.equal(['b']);
    expect(nodes(other, 900), 'known to the kernel already').to.deep.equal(['d']);
    directory.swap(next);
    now = 2000;
    directory.swap(await settings('new d 10.0.0.3\n'));
    expect(nodes(tuple, 900)).to.deep.equal(['b']);
    expect(nodes(tuple, 1500)).to.deep.equal(['c']);
    expect(nodes(tuple, 2500), 'known to the kernel a moment longer').to.deep.equal(['c']);
    now = 100e9;
    directory.swap(await settings('new d 10.0.0.3\n'));
    expect(nodes(tuple, 0)).to.deep.equal([]);
    expect(directory.peerNodes(tuple, 'active', 0).reason).to.contain('not in the mapping');
  });

  it('lets a service be answered by the endpoints that it has had since the flow began, and by none from before', async () => {
    const files = await NodeFiles.make(folder('services'));
    const settings = async (backends: string) => {
      files.map(`web 10.96.0.1 -> ${backends}\n`);
      return firstSettings(loadConfig(files.config), new MappingSources(memoryLogger().log));
    };
    const tuple = { local: parseAddress('10.0.0.1'), remote: parseAddress('10.96.0.1'), lport: 1, rport: 2 };
    let now = 1000;
    const directory = new DirectoryHistory(await settings('@b'), () => now);
    const nodes = (sinceNs: number): readonly string[] => directory.peerNodes(tuple, 'active', sinceNs).nodes;
    expect(nodes(900)).to.deep.equal(['b']);
    expect(directory.pod(tuple)).to.equal('web');
    const next = await settings('@c');
    directory.announce(next);
    expect(nodes(900), 'whoever translates may know it already').to.deep.equal(['b', 'c']);
    directory.swap(next);
    expect(nodes(900)).to.deep.equal(['b', 'c']);
    expect(nodes(1500), 'begun after it moved').to.deep.equal(['c']);
    now = 2000;
    directory.swap(await settings(''));
    expect(nodes(2500)).to.deep.equal([]);
    expect(directory.peerNodes(tuple, 'active', 2500).reason).to.contain('which has no endpoint');
  });
});
