// SPDX-License-Identifier: Apache-2.0
/** The part of the table of keys (keys.ts) that is about what operators look at: the access log, and the export by OTLP. */
import { attributes, choice, choices, integer, logDestination, optionalHttpUrl, optionalPath } from './formats.js';

/** What can be exported. */
export const OTLP_SIGNALS = ['metrics', 'access_log'] as const;

export const OBSERVATION_KEYS = {
  access_log: {
    format: logDestination,
    default: '',
    doc: 'The access log: a line for each connection that is over, refused ones too, with who, where to, bytes, times and why it ended. SIGHUP opens the file anew, and so does moving it away. Empty: off.',
  },
  access_log_format: {
    format: choice('json', 'text'),
    default: 'json' as 'json' | 'text',
    doc: "Form of its lines. json: one object a line; text: fields as name=value. The names are those of ztunnel's access log where they mean the same.",
  },
  access_log_percent: {
    format: integer({ min: 0, max: 100 }),
    default: 100,
    doc: 'Share of the connections that went well that have a line in it. Those that were refused, reset or failed always have one.',
  },
  'otlp.endpoint': {
    format: optionalHttpUrl,
    default: '',
    doc: 'OpenTelemetry collector that is sent metrics and access log by OTLP (HTTP, protobuf), at /v1/metrics and /v1/logs below this. Empty: off.',
  },
  'otlp.export': {
    format: choices(...OTLP_SIGNALS),
    default: OTLP_SIGNALS,
    doc: 'What it is sent. metrics: what /metrics shows; access_log: a record for each connection that is over, with or without access_log, by access_log_percent.',
  },
  'otlp.interval_ms': {
    format: integer({ min: 1000, max: 3_600_000, unit: 'milliseconds' }),
    default: 60_000,
    doc: 'Between two exports of the metrics.',
  },
  'otlp.timeout_ms': {
    format: integer({ min: 100, max: 60_000, unit: 'milliseconds' }),
    default: 10_000,
    doc: 'How long one export may take, repetitions included. What is not taken by then is dropped and counted. At most otlp.interval_ms.',
  },
  'otlp.headers_file': {
    format: optionalPath,
    default: '',
    doc: 'Headers of each request, for a token say: a file with `name: value` lines, for root alone. A reload reads it anew.',
  },
  'otlp.ca': {
    format: optionalPath,
    default: '',
    doc: "PEM file with the CAs that an https collector's certificate may be of. Empty: those that Node.js trusts.",
  },
  'otlp.resource': {
    format: attributes,
    default: [],
    doc: 'More attributes of the resource, name=value: deployment.environment.name=prod. They go before its own: service.name (tlshub), service.version, service.instance.id (node_name), host.name, and k8s.node.name with pod_source = kubernetes.',
  },
};
