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
import { overRounds } from '../../bench/perf/rounds.js';
import { summarise } from '../../bench/perf/summary.js';
import { describeMachine } from '../../bench/report/machine.js';

const MODES = ['tlshub', 'openssl', 'boringssl'];

/** Ten connections of each phase; the time of the n-th is n × scale. */
function oneRound(provider: string, scale: number, round: number): Measurement {
  const rows = (['connections', 'bulk'] as const).flatMap((phase) =>
    Array.from({ length: 10 }, (_, at): ConnectionRow => {
      const ms = (at + 1) * scale;
      return {
        ...{ round, phase, conn_id: at + 1, state: 'completed', bytes_sent: 1e6, bytes_received: 1e6, begin_ms: at },
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
    return { round, phase: at < 10 ? 'connections' : 'bulk', time_ms: at * 250, ...used, machine_busy_s: at / 4 };
  });
  return { rows, samples };
}

/** Three rounds; in the n-th everything takes n hundredths longer. */
const roundsOf = (mode: string, scale: number): Measurement[] =>
  [1, 2, 3].map((round) => oneRound(mode, scale * (1 + round / 100), round));

describe('the report of perf_test', function () {
  this.timeout(60_000);
  const machine = { ...describeMachine('a <host> & "more"'), kernel: '6.1.0-test' };
  const settings = { rounds: 3, duration: 20, connections: 0, concurrency: 8, dataSize: 1024 };
  let folder: string;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-report-'));
    const rounds = new Map(MODES.map((mode, at) => [mode, roundsOf(mode, at + 1)]));
    const modes = [...rounds].map(([mode, all]) =>
      overRounds(all.map(({ rows, samples }) => summarise(mode, rows, samples))),
    );
    const measurements = new Map(
      [...rounds].map(([mode, all]) => [
        mode,
        { rows: all.flatMap(({ rows }) => rows), samples: all.flatMap(({ samples }) => samples) },
      ]),
    );
    const others = { percent: 37.4, measured: 'in this test' };
    const summary: Summary = { generated: new Date(0).toISOString(), machine, settings, modes, others };
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

  it('begins with what it comes to, and with what is to be said against that', async () => {
    const opening = await page.locator('h1 ~ p').allInnerTexts();
    expect(opening[0]).to.match(
      /^tlshub holds a new connection for the shortest time \(10\.20 ms, next openssl: 20\.40\)/,
    );
    expect(opening[0]).to.match(/No difference is shown in .*bulk throughput: there the rounds overlap\.$/);
    expect(opening[1]).to.match(/^The machine was busy with other work: 37\s% .*in this test/);
    const boxes = await page.locator('h1 ~ p, section').first().boundingBox();
    expect(boxes?.y, 'within the first screen').to.be.below(300);
  });

  it('names machine and kernel, and says that TLSHub was a stand-in', async () => {
    const text = await page.locator('body').innerText();
    expect(text).to.include('Linux 6.1.0-test').and.include('a <host> & "more"').and.include('stand-in');
  });

  it('has a plot for each thing, with something drawn in it for each mode', async () => {
    const titles = ['Hold', 'Negotiation', 'Connection latency', 'New connections', 'Bulk throughput, both directions'];
    titles.push('Whole machine: CPU per GB', 'Agent a (connects): CPU for each connection');
    titles.push('Agent b (accepts): CPU for each connection', 'Agent a over time', 'Agent b over time');
    titles.push('Agent a: resident memory', 'Agent b: resident memory');
    const plots = page.locator('figure svg');
    expect(await plots.count()).to.equal(titles.length);
    for (const [at, title] of titles.entries()) {
      const plot = plots.nth(at);
      expect(await plot.locator('text').allTextContents(), title).to.include(title);
      // What stands for a mode has its colour, in every plot (a bar is filled with it, a line drawn in it), and an extent.
      const drawn = new Set<string>();
      for (const colour of ['#0072b2', '#d55e00', '#009e73']) {
        for (const path of await plot.locator(`path[fill="${colour}" i], path[stroke="${colour}" i]`).all()) {
          const { width, height } = (await path.boundingBox()) ?? { width: 0, height: 0 };
          if (width + height > 40 && ((await path.getAttribute('d')) ?? '').length > 15) drawn.add(colour);
        }
      }
      expect([...drawn], title).to.have.length(3);
      expect(await plot.locator('path[fill="#cc79a7" i], path[fill="#e69f00" i]').count(), title).to.equal(0);
      const box = await plot.boundingBox();
      expect(box?.width, title).to.be.above(300);
    }
  });

  it('the table shows medians with their range, and marks what is the best beyond it', async () => {
    const cells = async (name: string): Promise<string[]> =>
      (await page.locator('table tr', { hasText: name }).locator('td').allInnerTexts()).map((text) =>
        text.replaceAll(/\s+/g, ' ').trim(),
      );
    // Ten holds of 2, 4, … 20 ms times the mode's scale: the median is the fifth.
    expect(await cells('hold p50, ms')).to.deep.equal([
      'hold p50, ms',
      '★ 10.20 10.10–10.30',
      '20.40 20.20–20.60',
      '30.60 30.30–30.90',
    ]);
    expect((await cells('hold p99, ms')).slice(1)).to.deep.equal([
      '★ 20.40 20.20–20.60',
      '40.80 40.40–41.20',
      '61.20 60.60–61.80',
    ]);
    // The same in all modes: no mark.
    expect((await cells('agent b, highest memory')).slice(1)).to.deep.equal(new Array(3).fill('78.1 78.1–78.1'));
  });

  describe('on screens of several widths', () => {
    const lefts = async (): Promise<number[]> => {
      const boxes = await Promise.all((await page.locator('figure').all()).map((figure) => figure.boundingBox()));
      return boxes.map((box) => Math.round(box?.x ?? NaN));
    };
    for (const [width, columns] of [
      [1280, 2],
      [390, 1],
      [320, 1],
    ] as const)
      it(`${width} px: ${columns} in a row, and nothing is wider than the screen`, async () => {
        await page.setViewportSize({ width, height: 800 });
        expect(new Set(await lefts()).size).to.equal(columns);
        expect(await page.evaluate('document.documentElement.scrollWidth')).to.be.at.most(width);
        for (const figure of await page.locator('figure svg').all()) {
          const box = await figure.boundingBox();
          expect(box!.x).to.be.at.least(0);
          expect(box!.x + box!.width).to.be.at.most(width);
          // A drawing of 480: its smallest letters have 12 px.
          expect((box!.width / 480) * 12, 'letters').to.be.at.least(7);
        }
        const table = await page.locator('table').first().boundingBox();
        if (width >= 390) expect(table!.width, 'the table needs no scrolling').to.be.at.most(width);
      });
    it('says to a phone how wide it is', async () => {
      expect(await page.locator('meta[name="viewport"]').getAttribute('content')).to.include('width=device-width');
    });
  });
});
