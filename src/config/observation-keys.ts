// SPDX-License-Identifier: Apache-2.0
/** The part of the table of keys (keys.ts) that is about what operators look at: the access log, and the export by OTLP. */
import { attributes, choice, choices, integer, logDestination, optionalHttpUrl, optionalPath } from './formats.js';
import { HOUR_MS, key, milliseconds } from './key-spec.js';

/** What can be exported. */
export const OTLP_SIGNALS = ['metrics', 'access_log'] as const;

export const OBSERVATION_KEYS = {
  access_log: key(
    logDestination,
    '',
    'The access log: a line for each connection that is over, refused ones too, with who, where to, bytes, times and why it ended. SIGHUP opens the file anew, and so does moving it away. Empty: off.',
  ),
  access_log_format: key(
    choice('json', 'text'),
    'json',
    "Form of its lines. json: one object a line; text: fields as name=value. The names are those of ztunnel's access log where they mean the same.",
  ),
  access_log_percent: key(
    integer({ min: 0, max: 100 }),
    100,
    'Share of the connections that went well that have a line in it. Those that were refused, reset or failed always have one.',
  ),
  'otlp.endpoint': key(
    optionalHttpUrl,
    '',
    'OpenTelemetry collector that is sent metrics and access log by OTLP (HTTP, protobuf), at /v1/metrics and /v1/logs below this. Empty: off.',
  ),
  'otlp.export': key(
    choices(...OTLP_SIGNALS),
    OTLP_SIGNALS,
    'What it is sent. metrics: what /metrics shows; access_log: a record for each connection that is over, with or without access_log, by access_log_percent.',
  ),
  'otlp.interval_ms': key(milliseconds(1000, HOUR_MS), 60_000, 'Between two exports of the metrics.'),
  'otlp.timeout_ms': key(
    milliseconds(100, 60_000),
    10_000,
    'How long one export may take, repetitions included. What is not taken by then is dropped and counted. At most otlp.interval_ms.',
  ),
  'otlp.headers_file': key(
    optionalPath,
    '',
    'Headers of each request, for a token say: a file with `name: value` lines, for root alone. A reload reads it anew.',
  ),
  'otlp.ca': key(
    optionalPath,
    '',
    "PEM file with the CAs that an https collector's certificate may be of. Empty: those that Node.js trusts.",
  ),
  'otlp.resource': key(
    attributes,
    [],
    'More attributes of the resource, name=value: deployment.environment.name=prod. They go before its own: service.name (tlshub), service.version, service.instance.id (node_name), host.name, and k8s.node.name with pod_source = kubernetes.',
  ),
};
