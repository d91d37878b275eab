// SPDX-License-Identifier: Apache-2.0
/** deploy/monitoring: its expressions are PromQL, and about metrics and labels that an agent exposes. */
import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { expect } from 'chai';
import { load } from 'js-yaml';
import { registerAgentMetrics } from '../../src/metrics/agent-metrics.js';
import { registerFlowMetrics } from '../../src/metrics/flow-exposition.js';
import { FlowMetrics, LATENCIES } from '../../src/metrics/flow-metrics.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { ERROR_CODES } from '../../src/shared/errors/catalog.js';
import { agentStatus } from './support/agent-status.js';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; remedy: string };
}

interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string; legendFormat: string }[];
}

const ALERTS = load(readFileSync('deploy/monitoring/alerts.yaml', 'utf8')) as { groups: { rules: Rule[] }[] };
const RULES = ALERTS.groups.flatMap(({ rules }) => rules);
const { panels } = JSON.parse(readFileSync('deploy/monitoring/dashboard.json', 'utf8')) as { panels: Panel[] };

/** Those that Prometheus adds to whatever it scrapes. */
const SCRAPED = ['instance', 'job'];

/** Metrics (series of histograms too) with their labels, as an agent exposes them that has seen something of everything. */
async function exposed(): Promise<Map<string, Set<string>>> {
  const metrics = new MetricsRegistry();
  registerAgentMetrics(metrics, agentStatus);
  const flows = new FlowMetrics(0);
  registerFlowMetrics(metrics, flows, () => Promise.resolve({ sent: 1, received: 2 }));
  flows.plaintext({ synMs: 1 } as Parameters<FlowMetrics['plaintext']>[0]);
  const found = new Map<string, Set<string>>();
  for (const { name, values } of await metrics.families()) {
    for (const { labels, metricName = name } of values) {
      found.set(metricName, new Set([...(found.get(metricName) ?? []), ...Object.keys(labels)]));
    }
  }
  return found;
}

interface Parsed {
  metrics: string[];
  labels: string[];
  /** label, operator, value */
  matchers: [string, string, string][];
  wrong: string[];
}

function parse(expression: string): Parsed {
  // Grafana's own variable is a duration by the time Prometheus sees it.
  const text = expression.replaceAll('$__rate_interval', '5m');
  const parsed: Parsed = { metrics: [], labels: [], matchers: [], wrong: [] };
  parser.parse(text).iterate({
    enter: (node) => {
      const words = text.slice(node.from, node.to);
      if (node.type.isError) parsed.wrong.push(`"${text.slice(Math.max(0, node.from - 20), node.to + 20)}"`);
      // A metric's name, and a label by which is grouped or matched.
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector') parsed.metrics.push(words);
      if (node.name === 'LabelName') parsed.labels.push(words);
      if (node.name === 'UnquotedLabelMatcher') {
        const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(words) ?? [];
        parsed.matchers.push([label, operator, value]);
      }
    },
  });
  return parsed;
}

/** What is wrong with an expression. */
function faults(expression: string, known: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const { metrics, labels, wrong } = parse(expression);
  const unknown = metrics.filter((name) => !known.has(name));
  // Labels of one metric may group another one of the same expression.
  const theirs = new Set([...SCRAPED, ...metrics.flatMap((name) => [...(known.get(name) ?? [])])]);
  const strange = labels.filter((label) => !theirs.has(label));
  return [
    ...wrong.map((at) => `no PromQL at ${at}`),
    ...(metrics.length === 0 ? ['it is about no metric'] : []),
    ...unknown.map((name) => `there is no metric ${name}`),
    ...strange.map((label) => `there is no label ${label} of ${metrics.join(', ')}`),
  ];
}

describe('deploy/monitoring', () => {
  let known: Map<string, Set<string>>;
  before(async () => (known = await exposed()));

  it('would be told of an expression that is none, and of a metric or a label that there is not', () => {
    expect(faults('sum by (state) (tlshub_flows{instance="a"})', known)).to.deep.equal([]);
    expect(faults('sum(rate(tlshub_flows_secured_total[5m])', known)).to.have.length(1);
    expect(faults('tlshub_flow_total > 0', known)).to.deep.equal(['there is no metric tlshub_flow_total']);
    expect(faults('sum by (stat) (tlshub_flows)', known)).to.deep.equal(['there is no label stat of tlshub_flows']);
    expect(faults('tlshub_flows{stat="held"}', known)).to.deep.equal(['there is no label stat of tlshub_flows']);
    expect(faults('1 + 1', known)).to.deep.equal(['it is about no metric']);
  });

  it('alerts by what an agent exposes, and each says what is so and what to do', () => {
    expect(RULES).to.have.length.greaterThan(8);
    expect(new Set(RULES.map(({ alert }) => alert)).size).to.equal(RULES.length);
    for (const { alert, expr, labels, annotations } of RULES) {
      expect(faults(expr, known), alert).to.deep.equal([]);
      expect(labels.severity, alert).to.be.oneOf(['warning', 'critical']);
      expect(annotations.summary, alert).to.include('{{ $labels.instance }}');
      expect(annotations.remedy.length, alert).to.be.greaterThan(40);
      for (const code of annotations.remedy.match(/TLSHUB_\w+/g) ?? []) expect(ERROR_CODES, alert).to.include(code);
    }
  });

  it('alerts by values of labels that exist', () => {
    const known: Record<string, readonly string[]> = { code: ERROR_CODES, part: LATENCIES, result: ['dropped'] };
    const matchers = RULES.flatMap(({ expr }) => parse(expr).matchers);
    expect(matchers).to.not.deep.equal([]);
    for (const [label, , value] of matchers) for (const one of value.split('|')) expect(known[label]).to.include(one);
  });

  it('has each metric of an agent in the documentation, in both languages, and no other', () => {
    // A histogram has three series.
    const base = (name: string): string => name.replace(/_(?:bucket|sum|count)$/, '');
    const exposed = new Set([...known.keys()].map((name) => (known.has(`${base(name)}_bucket`) ? base(name) : name)));
    for (const file of ['docs/PERFORMANCE_METRICS.md', 'docs/zh/PERFORMANCE_METRICS.md']) {
      const text = readFileSync(file, 'utf8');
      const documented = new Set([...text.matchAll(/`((?:tlshub|process)_[a-z_]+)[`{]/g)].map(([, name]) => name!));
      expect([...documented].sort(), file).to.deep.equal([...exposed].sort());
    }
  });

  it('has panels about what an agent exposes, with legends of their labels, side by side', () => {
    expect(panels).to.have.length.greaterThan(10);
    const places = new Set<string>();
    for (const { title, targets, gridPos } of panels) {
      expect(targets, title).to.not.deep.equal([]);
      for (const { expr, legendFormat } of targets) {
        expect(faults(expr, known), title).to.deep.equal([]);
        const { labels } = parse(expr);
        const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? '');
        for (const label of named) expect([...labels, ...SCRAPED], title).to.include(label);
      }
      expect(gridPos.x + gridPos.w, title).to.be.at.most(24);
      for (let column = gridPos.x; column < gridPos.x + gridPos.w; column++) places.add(`${column} ${gridPos.y}`);
    }
    expect(places.size, 'no panel lies on another').to.equal(panels.reduce((sum, { gridPos }) => sum + gridPos.w, 0));
  });
});
