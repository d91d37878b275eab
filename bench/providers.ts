// SPDX-License-Identifier: Apache-2.0
/**
 * What each provider's pool makes of its library: mutual negotiations a second of processor time, beside a bare loop on the same library
 * with the same certificates. On the host, over loopback; needs no privileges.
 *
 * A negotiation here is both of its ends. Two figures of each, in turns so that what else the machine does hits both:
 *   rate     negotiations for each second of processor time of the threads that make them, with 32 under way: a pool is never idle
 *   latency  from asking to having keys at both ends, one negotiation at a time
 * The ratio is the pool's rate to the bare loop's. `all threads` counts the main thread, too, which in the agent has other work besides.
 *
 * OpenSSL and BoringSSL: one worker takes both roles. The bare loop (bench/programs/bare_handshake.cc) has two ends that take turns, one
 * handshake at a time: it never waits.
 *
 * TLSHub: two nodes with a worker each, whose processor time is added up. The bare loop (bench/programs/bare_tlshub.cc) speaks to the
 * same stand-ins for the module (test/peers) with the same native client, as many sockets and as many under way. The key agreement itself
 * is the stand-ins', in processes of their own, and not counted: rates are of what is left, asking for keys and making traffic secrets of
 * them, and not to be compared with those of the other providers, whose threads do the public-key operations as well. Latencies do
 * contain it. The server's side of a pool cannot know when the client's has finished: it looks, and if there is no key it looks again after
 * 2 ms, then 4 and so on; most of the latency is that. The bare loop knows.
 *
 * `s_time` is the command-line tool of the system's OpenSSL against its own server, certificates on both sides: two processes, so their
 * processor time is added up.
 *
 * TLSHUB_BENCH_ROUNDS, TLSHUB_BENCH_HANDSHAKES (in a round) and TLSHUB_BENCH_PROVIDERS (names of those wanted) change what is run.
 */
import { measureInBand } from './providers/in-band.js';
import { PER_ROUND, ROUNDS, type Samples } from './providers/sample.js';
import { systemTool } from './providers/system-tool.js';
import { measureTlshub } from './providers/tlshub.js';
import { median, percentile, tableOf, writeResult } from './support.js';

interface Row {
  provider: string;
  kind: 'bare loop' | 'pool';
  resumed: boolean;
  rate: number;
  ratio: number;
  rateAllThreads: number | null;
  p50: number;
  p99: number;
}

const CASES: { provider: string; resumed: boolean; measure: () => Promise<Samples> }[] = [
  { provider: 'openssl', resumed: false, measure: () => measureInBand('openssl', false) },
  { provider: 'boringssl', resumed: false, measure: () => measureInBand('boringssl', false) },
  { provider: 'openssl', resumed: true, measure: () => measureInBand('openssl', true) },
  { provider: 'boringssl', resumed: true, measure: () => measureInBand('boringssl', true) },
  { provider: 'tlshub', resumed: false, measure: measureTlshub },
];
const wanted = process.env.TLSHUB_BENCH_PROVIDERS?.split(',');

const perSecond = (milliseconds: readonly number[]): number => 1000 / median(milliseconds);

const rows: Row[] = [];
for (const { provider, resumed, measure } of CASES) {
  if (wanted?.includes(provider) === false) continue;
  const samples = await measure();
  const bareRate = perSecond(samples.bare.threadMs);
  for (const [kind, sample] of [
    ['bare loop', samples.bare],
    ['pool', samples.pool],
  ] as const) {
    const rate = perSecond(sample.threadMs);
    rows.push({
      provider,
      kind,
      resumed,
      rate,
      ratio: rate / bareRate,
      rateAllThreads: sample.allMs.length === 0 ? null : perSecond(sample.allMs),
      p50: percentile(sample.latencyMs, 50),
      p99: percentile(sample.latencyMs, 99),
    });
  }
}
const sTime = wanted === undefined ? 1000 / (await systemTool(5)) : undefined;
process.stdout.write(
  `mutual negotiations (both ends) for each second of processor time; latency in ms, one at a time; ${ROUNDS} rounds of ${PER_ROUND}\n${tableOf(
    ['provider', '', 'handshake', 'rate', 'ratio', 'all threads', 'p50', 'p99'],
    rows.map((row) => [
      row.provider,
      row.kind,
      row.resumed ? 'resumed' : 'full',
      row.rate.toFixed(0),
      row.ratio.toFixed(2),
      row.rateAllThreads?.toFixed(0) ?? '',
      row.p50.toFixed(3),
      row.p99.toFixed(3),
    ]),
  )}\n`,
);
if (sTime !== undefined)
  process.stdout.write(`openssl s_time and s_server, the system's OpenSSL: ${sTime.toFixed(0)}\n`);
writeResult('providers', { rounds: ROUNDS, perRound: PER_ROUND, rows, sTime });
