// SPDX-License-Identifier: Apache-2.0
/** The report in a real browser (Chromium, headless) with the network off. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { Measurement } from '../../bench/perf/measure.js';
import { reportOf, type Summary } from '../../bench/perf/report.js';
import type { ConnectionRow, SampleRow } from '../../bench/perf/rows.js';
import { summarise } from '../../bench/perf/summary.js';
import { describeMachine } from '../../bench/report/machine.js';

const MODES = ['tlshub', 'openssl', 'boringssl'];

/** Ten connections of each phase; the time of the n-th is n × scale. */
function measurement(provider: string, scale: number): Measurement {
  const rows = (['connections', 'bulk'] as const).flatMap((phase) =>
    Array.from({ length: 10 }, (_, at): ConnectionRow => {
      const ms = (at + 1) * scale;
      return {
        ...{ phase, conn_id: at + 1, state: 'completed', bytes_sent: 1e6, bytes_received: 1e6, begin_ms: at },
        ...{
          connection_latency_ms: ms * 3,
          duration_ms: 1000,
          throughput_mbps: 16,
          provider,
          cipher: 'TLS_AES_128_GCM_SHA256',
          exchange: provider === 'tlshub' ? 'out-of-band' : 'in-band',
        },
        ...{
          hold_ms: ms * 2,
          negotiation_ms: ms,
          install_ms: 0.1,
          peer_hold_ms: ms,
          peer_negotiation_ms: ms,
          peer_install_ms: 0.1,
        },
        error: '',
      };
    }),
  );
  const samples = Array.from({ length: 20 }, (_, at): SampleRow => {
    const used = {
      agent_a_cpu_s: at / 10,
      agent_a_rss_kb: 90_000 + at,
      agent_b_cpu_s: at / 20,
      agent_b_rss_kb: 80_000,
    };
    return { phase: at < 10 ? 'connections' : 'bulk', time_ms: at * 250, ...used, machine_busy_s: at / 4 };
  });
  return { rows, samples };
}

describe('the report of perf_test', function () {
  this.timeout(60_000);
  const machine = { ...describeMachine('a <host> & "more"'), kernel: '6.1.0-test' };
  const settings = { duration: 20, connections: 0, concurrency: 8, dataSize: 1024 };
  let folder: string;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-report-'));
    const measurements = new Map(MODES.map((mode, at) => [mode, measurement(mode, at + 1)]));
    const modes = [...measurements].map(([mode, { rows, samples }]) => summarise(mode, rows, samples));
    const summary: Summary = { generated: new Date(0).toISOString(), machine, settings, modes };
    const file = join(folder, 'report.html');
    writeFileSync(file, reportOf(summary, measurements));
    // Root may not use its sandbox, and the page is our own.
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    const context = await browser.newContext({ offline: true });
    page = await context.newPage();
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(`file://${file}`);
  });
  after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('opens without a network and without a complaint', () => {
    expect(complaints).to.deep.equal([]);
    expect(requests.filter((url) => !url.startsWith('data:'))).to.have.length(1);
  });

  it('names machine and kernel, and says that TLSHub was a stand-in', async () => {
    const text = await page.locator('body').innerText();
    expect(text).to.include('Linux 6.1.0-test').and.include('a <host> & "more"').and.include('stand-in');
  });

  it('has a plot for each thing, with something drawn in it for each mode', async () => {
    const titles = ['Hold', 'Negotiation', 'Connection latency', 'New connections', 'Bulk throughput, both directions'];
    titles.push('Whole machine: CPU per GB', 'CPU for each connection', 'Agent a over time', 'Agent b over time');
    titles.push('Agent a: resident memory', 'Agent b: resident memory');
    const plots = page.locator('figure svg');
    expect(await plots.count()).to.equal(titles.length);
    for (const [at, title] of titles.entries()) {
      const plot = plots.nth(at);
      expect(await plot.locator('text').allTextContents(), title).to.include(title);
      // What stands for a mode has one of the colours (a bar is filled with it, a line drawn in it), and an extent.
      let drawn = 0;
      for (const colour of ['#0072b2', '#d55e00', '#009e73']) {
        for (const path of await plot.locator(`path[fill="${colour}" i], path[stroke="${colour}" i]`).all()) {
          const { width, height } = (await path.boundingBox()) ?? { width: 0, height: 0 };
          if (width + height > 40 && ((await path.getAttribute('d')) ?? '').length > 15) drawn++;
        }
      }
      expect(drawn, title).to.be.least(3);
      const box = await plot.boundingBox();
      expect(box?.width, title).to.be.above(300);
    }
  });

  it('the table shows the figures of the summary', async () => {
    const rows = await page.locator('table tr').allInnerTexts();
    // Ten holds of 2, 4, … 20 ms times the mode's scale: the median is the fifth.
    expect(rows.map((row) => row.split(/\s*\t\s*/))).to.deep.include(['hold p50, ms', '10.00', '20.00', '30.00']);
    expect(rows.map((row) => row.split(/\s*\t\s*/))).to.deep.include(['hold p99, ms', '20.00', '40.00', '60.00']);
  });
});
