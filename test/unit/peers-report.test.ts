// SPDX-License-Identifier: Apache-2.0
/** What the comparison with peers concludes from its figures. */
import { expect } from 'chai';
import { aimsOf, peersPage, peersTable, type ContenderFigures, type PeersResult } from '../../bench/peers/report.js';
import { describeMachine } from '../../bench/report/machine.js';

function figures(
  name: string,
  megabytesPerSecond: number,
  cpuSecondsPerGb: number,
  tlsProcessBytes = 0,
): ContenderFigures {
  const bulk = { megabytesPerSecond, cpuSecondsPerGb };
  const times = { perSecond: 10, p50Ms: 1, p99Ms: 2, samples: 100, machineCpuMs: 3, tlsCpuMs: 2 };
  const idle = [{ connections: 1000, tlsProcessBytes, clientBytes: 0, machineBytes: 2048 }];
  return { name, title: `the ${name}`, bulk, rounds: [bulk], connect: times, firstByte: times, idle };
}

describe('the comparison with peers', () => {
  const met = (...contenders: ContenderFigures[]): boolean[] => aimsOf(contenders).map((aim) => aim.met);

  it('its aims are ratios of one run, and each can be missed by itself', () => {
    const stunnel = figures('stunnel', 10, 10);
    const ktls = figures('openssl-ktls', 20, 5);
    expect(met(figures('tlshub', 19, 7), stunnel, ktls)).to.deep.equal([true, true, true, true]);
    expect(met(figures('tlshub', 13.9, 7), stunnel, figures('openssl-ktls', 14, 5))).to.deep.equal([
      false,
      true,
      true,
      true,
    ]);
    expect(met(figures('tlshub', 19, 7.1), stunnel, ktls)).to.deep.equal([true, false, true, true]);
    expect(met(figures('tlshub', 18.9, 7), stunnel, ktls)).to.deep.equal([true, true, false, true]);
    expect(met(figures('tlshub', 19, 7, 129), stunnel, ktls)).to.deep.equal([true, true, true, false]);
  });

  it('new connections are set against the nginx pair, plaintext and a handshake on each', () => {
    const connecting = (name: string, perSecond: number, tlsCpuMs: number): ContenderFigures => {
      const each = figures(name, 10, 1);
      return { ...each, connect: { ...each.connect, perSecond, tlsCpuMs } };
    };
    const others = [connecting('nginx', 50, 9), connecting('plaintext', 450, 0), connecting('tlshub-in-band', 20, 80)];
    const [nginx, plaintext, cpu, idle] = [true, true, true, true];
    expect(met(connecting('tlshub', 150, 16), ...others)).to.deep.equal([nginx, plaintext, cpu, idle]);
    expect(met(connecting('tlshub', 149, 16), ...others)).to.deep.equal([false, false, cpu, idle]);
    expect(met(connecting('tlshub', 150, 17), ...others)).to.deep.equal([nginx, plaintext, false, idle]);
  });

  it('says nothing about who did not take part', () => {
    expect(aimsOf([figures('stunnel', 1, 1), figures('openssl-ktls', 1, 1)])).to.deep.equal([]);
    expect(aimsOf([figures('tlshub', 1, 1)])).to.have.length(1);
  });

  it('table and page have a row for each, with machine and command', () => {
    const contenders = [figures('plaintext', 100, 1), figures('tlshub', 20, 5, 30 * 1024)];
    const { head, rows } = peersTable(contenders);
    for (const row of rows) expect(row).to.have.length(head.length);
    expect(rows[1]).to.include.members(['the tlshub', '20.0', '5.0', '30.00', '2.00']);
    const result: PeersResult = {
      ...{ generated: 'now', machine: describeMachine(), versions: { stunnel: '5.68' }, command: 'run <this>' },
      ...{ contenders, aims: aimsOf(contenders) },
    };
    const page = peersPage(result);
    expect(page)
      .to.include('the tlshub')
      .and.include('run &lt;this&gt;')
      .and.include('stunnel 5.68')
      .and.include('>no<');
    expect(page.match(/<svg /g)).to.have.length(7);
    expect(page).to.not.match(/<script|src=|href="http/);
  });
});
