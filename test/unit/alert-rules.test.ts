// SPDX-License-Identifier: Apache-2.0
/** The alerts as Prometheus evaluates them: each fires on the series that it is for, with words that read well, and not on quiet ones. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { load } from 'js-yaml';
import { temporaryFolder } from './support/temporary.js';

const FILE = resolve('deploy/monitoring/alerts.yaml');

interface Rule {
  alert: string;
  labels: { severity: string };
  annotations: { remedy: string };
}

/** Series by name and labels with their values, a minute apart, in promtool's notation: `0+2x5` is 0 2 4 6 8 10. */
type Series = Record<string, string>;

interface Case {
  fires: Series;
  /** that it says; `instance` is a */
  summary: string;
  /** labels of the alert beside severity, instance and job */
  more?: Record<string, string>;
  quiet: Series[];
  /** when it is looked at */
  at?: string;
}

/** A histogram to which every minute adds so many observations below 10 ms, 500 ms and 1 s, for one part. */
function histogram(part: string, ...everyMinute: [number, number, number]): Series {
  const bounds = ['0.01', '0.5', '1', '+Inf'];
  return Object.fromEntries(
    [...everyMinute, everyMinute[2]].map((more, i) => [
      `tlshub_flow_seconds_bucket{part="${part}",le="${bounds[i]}"}`,
      `0+${more}x60`,
    ]),
  );
}

const DAY = 86_400;
const since = (count: number): string => `0x25 ${count}x30`;

const CASES: Record<string, Case> = {
  TLSHubAgentNotReady: {
    fires: { tlshub_ready: '1x20 0x40' },
    summary: 'The agent of a does not secure new connections.',
    quiet: [{ tlshub_ready: '1x60' }],
  },
  TLSHubAgentRestarts: {
    fires: { process_start_time_seconds: '100x5 200x5 300x5 400x40', tlshub_build_info: '1x60' },
    summary: 'The agent of a was started 3 times within half an hour.',
    quiet: [
      { process_start_time_seconds: '100x5 200x50', tlshub_build_info: '1x60' },
      { process_start_time_seconds: '100x5 200x5 300x5 400x40' },
    ],
  },
  TLSHubCertificateExpires: {
    fires: { 'tlshub_certificate_expiry_timestamp_seconds{key="tls.cert"}': `${10 * DAY}x130` },
    summary: 'A certificate (tls.cert) of a expires in 9d 22h 0m 0s.',
    more: { key: 'tls.cert' },
    quiet: [{ 'tlshub_certificate_expiry_timestamp_seconds{key="tls.cert"}': `${20 * DAY}x130` }],
    at: '2h',
  },
  TLSHubCertificateExpiresNow: {
    fires: { 'tlshub_certificate_expiry_timestamp_seconds{key="tls.ca"}': `${DAY / 2}x60` },
    summary: 'A certificate (tls.ca) of a expires in 11h 30m 0s: peers refuse this node from then on.',
    more: { key: 'tls.ca' },
    quiet: [{ 'tlshub_certificate_expiry_timestamp_seconds{key="tls.ca"}': `${2 * DAY}x60` }],
  },
  TLSHubConnectionsRefused: {
    fires: {
      'tlshub_flows_refused_total{code="TLSHUB_OVERLOAD"}': '0+60x60',
      'tlshub_flows_refused_total{code="TLSHUB_PEER_UNKNOWN"}': '0+30x60',
      tlshub_flows_secured_total: '0+600x60',
    },
    summary: 'a refuses 1.5 connections a second.',
    quiet: [
      { 'tlshub_flows_refused_total{code="TLSHUB_OVERLOAD"}': '0+1x60', tlshub_flows_secured_total: '0+6x60' },
      { 'tlshub_flows_refused_total{code="TLSHUB_OVERLOAD"}': '0+60x60', tlshub_flows_secured_total: '0+60000x60' },
    ],
  },
  TLSHubPlaintextFlows: {
    fires: {
      tlshub_flows_plaintext_total: '0+5x60',
      tlshub_flows_plaintext_loopback_total: '0+2x60',
      tlshub_policy_strict: '1x60',
    },
    summary: 'a let 30 connections go in plaintext within ten minutes, under policy = strict.',
    quiet: [
      {
        tlshub_flows_plaintext_total: '0+5x60',
        tlshub_flows_plaintext_loopback_total: '0+5x60',
        tlshub_policy_strict: '1x60',
      },
      {
        tlshub_flows_plaintext_total: '0+5x60',
        tlshub_flows_plaintext_loopback_total: '0+2x60',
        tlshub_policy_strict: '0x60',
      },
    ],
  },
  TLSHubEventsLost: {
    fires: { tlshub_events_lost_total: since(7) },
    summary: 'The perf buffer of a had no room for 7 events within ten minutes: connections were held longer.',
    quiet: [{ tlshub_events_lost_total: '7x60' }],
  },
  TLSHubHelperLost: {
    fires: { tlshub_helpers_lost_total: '0x60', tlshub_helpers_refused_total: since(2) },
    summary:
      'Programs of a kept helpers of the agent waiting, 2 times within ten minutes: their connections were refused.',
    quiet: [{ tlshub_helpers_lost_total: '3x60', tlshub_helpers_refused_total: '0x60' }],
  },
  TLSHubGuardianRestarts: {
    fires: { tlshub_guardian_restarts_total: since(1) },
    summary: 'The guardian of a ended, and another one was started, 1 times within ten minutes.',
    quiet: [{ tlshub_guardian_restarts_total: '1x60' }],
  },
  TLSHubHolderRestarts: {
    fires: { tlshub_holder_restarts_total: since(1) },
    summary: 'The holder of a ended, and another one was started, 1 times within ten minutes.',
    quiet: [{ tlshub_holder_restarts_total: '0x60' }],
  },
  TLSHubHoldHigh: {
    fires: histogram('hold', 0, 90, 100),
    summary: 'One in a hundred new connections of a is held for 950ms or longer.',
    quiet: [histogram('hold', 100, 100, 100), histogram('negotiation', 0, 90, 100)],
  },
  TLSHubHandshakeSlow: {
    fires: histogram('negotiation', 0, 100, 100),
    summary: 'One in a hundred negotiations of a takes 495.1ms or longer.',
    quiet: [histogram('negotiation', 100, 100, 100), histogram('hold', 0, 100, 100)],
  },
  TLSHubReloadFailed: {
    fires: { tlshub_config_last_reload_successful: '1x10 0x50' },
    summary: 'The files of a say something that is not in force: the last reload failed.',
    quiet: [{ tlshub_config_last_reload_successful: '1x60' }],
  },
  TLSHubAccessLogDropped: {
    fires: { 'tlshub_access_log_lines_total{result="dropped"}': since(40) },
    summary: 'a dropped 40 lines of its access log within ten minutes.',
    more: { result: 'dropped' },
    quiet: [{ 'tlshub_access_log_lines_total{result="written"}': '0+9x60' }],
  },
  TLSHubOtlpDropped: {
    fires: { 'tlshub_otlp_dropped_total{signal="access_log"}': '0+6x60' },
    summary: 'The collector of a does not take what it is sent: 60 of access_log were dropped within ten minutes.',
    more: { signal: 'access_log' },
    quiet: [{ 'tlshub_otlp_dropped_total{signal="metrics"}': '5x60' }],
  },
};

/** As Prometheus scrapes them: of one agent. */
function scraped(series: Series): { series: string; values: string }[] {
  return Object.entries(series).map(([name, values]) => {
    const labels = ['instance="a"', 'job="tlshub"', /\{(.*)\}/.exec(name)?.[1]].filter((one) => one !== undefined);
    return { series: `${name.replace(/\{.*/, '')}{${labels.join(',')}}`, values };
  });
}

describe('the alerts, evaluated by Prometheus', () => {
  const path = temporaryFolder();
  const { groups } = load(readFileSync(FILE, 'utf8')) as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);

  /** What promtool says when it is not content. */
  function promtool(...args: string[]): string {
    const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
    if (error !== undefined) throw error;
    return status === 0 ? '' : stdout + stderr;
  }

  function wrong(tests: unknown[]): string {
    const file = path('alerts-test.yaml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ rule_files: [FILE], evaluation_interval: '1m', tests }));
    return promtool('test', 'rules', file);
  }

  const evaluated = (alertname: string, at: string, series: Series, alerts: unknown[]): unknown => ({
    interval: '1m',
    input_series: scraped(series),
    alert_rule_test: [{ eval_time: at, alertname, exp_alerts: alerts }],
  });

  it('are rules', () => expect(promtool('check', 'rules', FILE)).to.equal(''));

  it('each have a case here', () => expect(Object.keys(CASES)).to.have.members(rules.map(({ alert }) => alert)));

  for (const [name, { fires, summary, more = {}, quiet, at = '30m' }] of Object.entries(CASES)) {
    it(`fire when they should, and else do not: ${name}`, () => {
      const { labels, annotations } = rules.find(({ alert }) => alert === name)!;
      const fired = {
        exp_labels: { ...labels, instance: 'a', job: 'tlshub', ...more },
        exp_annotations: { summary, remedy: annotations.remedy },
      };
      expect(quiet).to.not.deep.equal([]);
      const tests = [evaluated(name, at, fires, [fired]), ...quiet.map((series) => evaluated(name, at, series, []))];
      expect(wrong(tests)).to.equal('');
      expect(wrong([evaluated(name, at, fires, [])]), 'and the test would notice').to.include(name);
    });
  }
});
