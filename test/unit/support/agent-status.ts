// SPDX-License-Identifier: Apache-2.0
/** The status of an agent that has seen something of everything. */
import type { StatusReport } from '../../../src/report/status.js';

const SERVICES = { services: 4, serviceAddresses: 5, servicesWithoutEndpoint: 1 };

export function agentStatus(): StatusReport {
  return {
    version: '9.9.9',
    pid: 42,
    node: 'node-a',
    mode: 'openssl',
    providers: [
      {
        name: 'openssl',
        state: 'active',
        libraryVersion: 'OpenSSL 3.0.17',
        libraryFile: '/usr/bin/node',
        workers: 1,
        inFlight: 3,
        queued: 1,
        started: 9,
        succeeded: 5,
        resumed: 3,
        failed: 1,
        full: 0,
        workersLost: 0,
      },
    ],
    exchange: 'channel',
    policy: 'strict',
    cgroups: ['/sys/fs/cgroup/tlshub'],
    cgroupsAwaited: ['/sys/fs/cgroup/later'],
    configFile: '/etc/tlshub/capture.conf',
    mapping: { source: 'file /etc/tlshub/pod_node_mapping.conf', pods: 8, networks: 9, ...SERVICES },
    flows: { held: 1, negotiating: 0, secured: 5, plaintext: 2, refused: 0, closed: 11 },
    totals: { secured: 12, plaintext: 3, plaintextLoopback: 1, refused: 2, closedUnsecured: 4 },
    exchanges: { channel: 7, 'in-band': 4, 'out-of-band': 1 },
    channels: {
      epochs: {
        opened: { opening: 1, open: 3, kept: 2, failed: 0 },
        accepted: { opening: 0, open: 4, kept: 0, failed: 0 },
      },
      opened: { opened: 15, accepted: 16 },
      failed: { TLSHUB_CHANNEL_LOST: 5 },
      numbersTaken: 6,
      halfOpen: 8,
      turnedAway: 9,
    },
    failures: { TLSHUB_PEER_CERTIFICATE: 2 },
    events: {
      received: { established: 8, accepted: 3 },
      lost: 0,
      toRing: {
        p50Us: 20.5,
        p99Us: 61,
        maxUs: 90,
        counts: [
          [20.5, 3],
          [90, 1],
        ],
      },
    },
    rings: [{ name: 'events', capacityBytes: 1048576, usedBytes: 0, overflows: 0 }],
    gate: { heldCalls: 12 },
    adopted: true,
    hold: { way: 'sleep', why: '', holderPid: 4243, holderRestarts: 1 },
    lease: { ttlMs: 2000, guardianPid: 43, guardianRestarts: 2, threads: [{ thread: 'main', ms: 40 }] },
    pushes: { endings: 2, openRecords: 3 },
    helpers: { idle: 4, busy: 0, slow: 0, lost: 0, begun: 7, lostEver: 3, refused: 6 },
    helpersLost: 5,
    accessLog: { destination: '/var/log/tlshub/access.log', written: 21, dropped: 1, error: null },
    otlp: {
      ...{ endpoint: 'http://127.0.0.1:4318', signals: ['metrics', 'access_log'], error: null },
      ...{ metrics: { exported: 600, dropped: 200 }, accessLog: { exported: 31, dropped: 2 } },
    },
    bootGate: {
      ...{ policy: 'closed', file: '/var/lib/tlshub/boot.state', writtenAt: '2026-01-01T00:00:00.000Z', error: null },
      shutSince: '2026-01-01T00:00:00.000Z',
    },
    uptimeMs: 93_784_000,
    startup: [
      { step: 'node', ms: 40.2 },
      { step: 'gate', ms: 1234.5 },
      { step: 'total', ms: 2001 },
    ],
    draining: false,
    reloads: { succeeded: 3, failed: 1 },
    needsRestart: [{ key: 'ring_bytes', inForce: '1048576', wanted: '65536' }],
    ready: false,
    notReady: ['no guardian runs', 'something else'],
    problems: [
      {
        severity: 'error',
        code: 'TLSHUB_GUARDIAN_MISSING',
        message: 'no guardian runs',
        remedy: 'It is started again by itself; the log says why that fails.',
      },
      { severity: 'error', code: 'TLSHUB_STARTING', message: 'something else', remedy: 'Wait.' },
      {
        severity: 'warning',
        code: 'TLSHUB_CGROUP_AWAITED',
        message: 'no cgroup matches /sys/fs/cgroup/later: no program is captured by it',
        remedy: 'Make the cgroup.',
      },
    ],
    certificates: [
      {
        ...{ key: 'tls.cert', file: '/etc/tlshub/pki/node.crt', subject: 'node-a', issuer: 'TLSHub lab CA' },
        ...{ serial: '0A', names: 'DNS:node-a', inUse: true },
        ...{ notBefore: '2026-01-01T00:00:00.000Z', notAfter: '2027-01-01T00:00:00.000Z' },
      },
      {
        ...{ key: 'tls.ca', file: '/etc/tlshub/pki/ca.crt', subject: 'TLSHub lab CA', issuer: 'TLSHub lab CA' },
        ...{ serial: '0B', names: '', inUse: true },
        ...{ notBefore: '2026-01-01T00:00:00.000Z', notAfter: '2036-01-01T00:00:00.000Z' },
      },
    ],
    lastCredentialsError: null,
    lastConfigError: {
      at: '2026-01-01T00:00:00.000Z',
      error: { code: 'TLSHUB_CONFIG_BAD_VALUE', message: 'capture.conf:3: mode: bad' },
    },
  };
}
