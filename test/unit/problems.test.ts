// SPDX-License-Identifier: Apache-2.0
/** What is amiss with an agent: what makes it not ready, what is only worth a warning, and what the log has of it. */
import { expect } from 'chai';
import type { CertificateReport } from '../../src/report/certificate.js';
import type { ProblemReport } from '../../src/report/problem.js';
import { catalogEntry } from '../../src/shared/errors/catalog.js';
import { ProblemLog } from '../../src/supervisor/problem-log.js';
import { problemsOf, reloadProblems, type ProblemFacts } from '../../src/supervisor/problems.js';
import { memoryLogger } from '../fakes/memory-logger.js';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const DAY_MS = 86_400_000;

function certificate(
  key: CertificateReport['key'],
  daysLeft: number,
  more: Partial<CertificateReport> = {},
): CertificateReport {
  return {
    ...{ key, file: `/pki/${key === 'tls.ca' ? 'ca' : 'node'}.crt`, subject: key === 'tls.ca' ? 'the CA' : 'node-a' },
    ...{ issuer: 'the CA', serial: '01', names: '', inUse: true },
    notBefore: new Date(NOW - 100 * DAY_MS).toISOString(),
    notAfter: new Date(NOW + daysLeft * DAY_MS + 1000).toISOString(),
    ...more,
  };
}

const FINE: ProblemFacts = {
  ...{ now: NOW, swept: true, draining: false, guardian: true, workers: 1, late: [], staleMapping: undefined },
  mapping: { networks: 3, source: 'file /etc/tlshub/pod_node_mapping.conf' },
  cgroupsAwaited: [],
  certificates: [certificate('tls.cert', 200), certificate('tls.ca', 2000)],
  keyExposure: undefined,
  accessLog: null,
  otlp: null,
  bootState: { file: '/var/lib/tlshub/boot.state', error: null },
};

const EXPORT: NonNullable<ProblemFacts['otlp']> = {
  ...{ endpoint: 'http://c:4318', signals: ['metrics'], error: { code: 'TLSHUB_OTLP', message: 'it hangs' } },
  ...{ metrics: { exported: 0, dropped: 1 }, accessLog: { exported: 0, dropped: 0 } },
};

const seen = (facts: Partial<ProblemFacts>): ProblemReport[] => problemsOf({ ...FINE, ...facts });
const named = (problems: readonly ProblemReport[]): string[] =>
  problems.map(({ severity, code }) => `${severity} ${code}`);

describe('the problems of an agent', () => {
  it('are none when nothing is amiss, also without a guardian that nobody wants', () => {
    expect(seen({})).to.deep.equal([]);
    expect(seen({ guardian: undefined })).to.deep.equal([]);
  });

  const ONE: Record<string, { facts: Partial<ProblemFacts>; is: string; says: RegExp; remedy?: RegExp }> = {
    'the agent is draining': { facts: { draining: true }, is: 'error TLSHUB_DRAINING', says: /draining/ },
    'nothing has been swept': { facts: { swept: false }, is: 'error TLSHUB_STARTING', says: /before the agent/ },
    'the guardian is gone': { facts: { guardian: false }, is: 'error TLSHUB_GUARDIAN_MISSING', says: /no guardian/ },
    'a thread is silent': {
      facts: { late: ['installer'] },
      is: 'error TLSHUB_THREAD_SILENT',
      says: /the installer thread/,
    },
    'no thread makes keys': { facts: { workers: 0 }, is: 'error TLSHUB_WORKERS_MISSING', says: /no running thread/ },
    'the mapping is stale': { facts: { staleMapping: 'old' }, is: 'error TLSHUB_MAPPING_STALE', says: /date: old$/ },
    "the node's certificate has expired": {
      facts: { certificates: [certificate('tls.cert', -1)] },
      is: 'error TLSHUB_CREDENTIALS',
      says: /^\/pki\/node\.crt: tls\.cert: the certificate of node-a has expired \(2026-05-31T.*\): every peer refuses this node$/,
      remedy: /pki issue NODE --force/,
    },
    "the node's certificate is not valid yet": {
      facts: { certificates: [certificate('tls.cert', 9, { notBefore: new Date(NOW + DAY_MS).toISOString() })] },
      is: 'error TLSHUB_CREDENTIALS',
      says: /of node-a is not valid yet \(2026-06-02T/,
      remedy: /clock/,
    },
    'the CA that it is of has expired': {
      facts: { certificates: [certificate('tls.cert', 200), certificate('tls.ca', -1)] },
      is: 'error TLSHUB_CREDENTIALS',
      says: /^\/pki\/ca\.crt: tls\.ca: the certificate of the CA has expired/,
    },
    'another CA has expired': {
      facts: { certificates: [certificate('tls.cert', 200), certificate('tls.ca', -1, { inUse: false })] },
      is: 'warning TLSHUB_CREDENTIALS',
      says: /nodes with certificates of this CA are refused$/,
    },
    "the node's certificate will expire": {
      facts: { certificates: [certificate('tls.cert', 29)] },
      is: 'warning TLSHUB_CERTIFICATE_EXPIRES',
      says: /of node-a expires in 29 days \(2026-06-30T/,
      remedy: /takes? them up/,
    },
    'it will within hours': {
      facts: { certificates: [certificate('tls.cert', 0.5)] },
      is: 'warning TLSHUB_CERTIFICATE_EXPIRES',
      says: /expires within a day/,
    },
    'a collector takes nothing': {
      facts: { otlp: EXPORT },
      is: 'warning TLSHUB_OTLP',
      says: /^cannot export to http:\/\/c:4318: it hangs$/,
    },
    'there is no cgroup': {
      facts: { cgroupsAwaited: ['/sys/fs/cgroup/tlshub'] },
      is: 'warning TLSHUB_CGROUP_AWAITED',
      says: /no cgroup matches \/sys\/fs\/cgroup\/tlshub: no program is captured/,
      remedy: /mkdir/,
    },
    'there is no mapping': {
      facts: { mapping: { networks: 0, source: 'file /x' } },
      is: 'warning TLSHUB_MAPPING_EMPTY',
      says: /no address \(file \/x\)/,
      remedy: /pod_name node_name address/,
    },
    'nothing can be kept for the boot gate': {
      facts: { bootState: { file: '/x/boot.state', error: { code: 'TLSHUB_INTERNAL', message: 'EROFS: read-only' } } },
      is: 'warning TLSHUB_BOOT_STATE',
      says: /^cannot keep \/x\/boot\.state for the boot gate: EROFS/,
      remedy: /boot_policy = off/,
    },
    'everybody can read the key': {
      facts: { keyExposure: 'tls.key: every user can read it' },
      is: 'warning TLSHUB_KEY_EXPOSED',
      says: /every user/,
      remedy: /chmod 600/,
    },
  };
  for (const [what, { facts, is, says, remedy = /./ }] of Object.entries(ONE)) {
    it(`say that ${what}, by a code of the catalogue, and what to do`, () => {
      const problems = seen(facts);
      expect(named(problems)).to.deep.equal([is]);
      expect(problems[0]?.message).to.match(says);
      expect(problems[0]?.remedy).to.match(remedy);
      expect(catalogEntry(problems[0]?.code ?? '')).to.be.an('object');
    });
  }

  it('do not warn of a certificate that has 30 days, nor of a CA that nobody here needs', () => {
    expect(seen({ certificates: [certificate('tls.cert', 30)] })).to.deep.equal([]);
    expect(seen({ certificates: [certificate('tls.ca', 3, { inUse: false })] })).to.deep.equal([]);
  });

  it('put what makes it not ready before what does not', () => {
    const problems = seen({
      cgroupsAwaited: ['/x'],
      certificates: [certificate('tls.cert', 3), certificate('tls.ca', -1)],
    });
    expect(named(problems)).to.deep.equal([
      'error TLSHUB_CREDENTIALS',
      'warning TLSHUB_CERTIFICATE_EXPIRES',
      'warning TLSHUB_CGROUP_AWAITED',
    ]);
  });

  it('have reloads that failed among them, with the remedy of what was wrong', () => {
    const error = { code: 'TLSHUB_CONFIG_BAD_VALUE', message: 'capture.conf:3: mode: bad' };
    const [problem] = reloadProblems([{ at: '2026-06-01T00:00:00.000Z', error }]);
    expect(problem).to.include({ severity: 'warning', code: error.code });
    expect(problem?.message).to.match(/2026-06-01.*: capture\.conf:3: mode: bad$/);
    expect(problem?.remedy).to.include('config/capture.conf');
  });
});

describe('the log of problems', () => {
  it('has each once, with code and remedy, and says when it is over', () => {
    const { log, lines } = memoryLogger();
    let facts: Partial<ProblemFacts> = { certificates: [certificate('tls.cert', 5)] };
    const watch = new ProblemLog(() => seen(facts), log);
    watch.look();
    watch.look();
    expect(lines.map(({ level }) => level)).to.deep.equal(['warning']);
    expect(lines[0]?.message).to.include('expires in 5 days');
    expect(lines[0]?.fields).to.include({ code: 'TLSHUB_CERTIFICATE_EXPIRES' });
    expect(lines[0]?.fields.remedy).to.match(/new certificate/);

    facts = { certificates: [certificate('tls.cert', -0.1)] };
    watch.look();
    expect(lines.slice(1).map(({ level, fields }) => [level, fields.code])).to.deep.equal([
      ['error', 'TLSHUB_CREDENTIALS'],
      ['info', 'TLSHUB_CERTIFICATE_EXPIRES'],
    ]);
    facts = {};
    watch.look();
    watch.look();
    expect(lines.slice(3).map(({ message }) => message.slice(0, 14))).to.deep.equal(['no longer so: ']);
  });

  it('says each reason of a failure once, however they take turns, and again when it was over', () => {
    const { log, lines } = memoryLogger();
    let otlp: ProblemFacts['otlp'] = EXPORT;
    const watch = new ProblemLog(() => seen({ otlp }), log);
    for (const message of ['it hangs', 'it answered 503', 'it hangs', 'it answered 503', 'it hangs']) {
      otlp = { ...EXPORT, error: { code: 'TLSHUB_OTLP', message } };
      watch.look();
    }
    otlp = null;
    watch.look();
    otlp = EXPORT;
    watch.look();
    const said = lines.map(({ level, message }) => `${level} ${message.replace(/^.* http:\S+ /, '')}`);
    expect(said).to.deep.equal(['warning it hangs', 'warning it answered 503', 'info it hangs', 'warning it hangs']);
  });

  it('does not count seconds, and leaves out what is said elsewhere', () => {
    const { log, lines } = memoryLogger();
    let seconds = 60;
    const facts = (): Partial<ProblemFacts> => ({
      staleMapping: `not reached for ${seconds++} s`,
      cgroupsAwaited: ['/x'],
    });
    const watch = new ProblemLog(() => seen(facts()), log);
    watch.look();
    watch.look();
    expect(lines.map(({ message }) => message)).to.deep.equal(['the mapping may be out of date: not reached for 60 s']);
  });
});
