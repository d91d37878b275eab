// SPDX-License-Identifier: Apache-2.0
/** OTLP's messages as objects, by the field numbers of opentelemetry-proto: not by the library that the agent writes them with. */

export interface Attributes {
  [name: string]: string | number | boolean;
}

export interface NumberPoint {
  attributes: Attributes;
  start: bigint;
  time: bigint;
  value: number;
}

export interface HistogramPoint extends Omit<NumberPoint, 'value'> {
  count: number;
  sum: number;
  counts: number[];
  bounds: number[];
}

export interface Metric {
  name: string;
  description: string;
  unit: string;
  gauge?: { points: NumberPoint[] };
  sum?: { points: NumberPoint[]; temporality: number; monotonic: boolean };
  histogram?: { points: HistogramPoint[]; temporality: number };
}

export interface LogRecord {
  time: bigint;
  observed: bigint;
  severity: number;
  severityText: string;
  body: string;
  attributes: Attributes;
}

type Fields = Map<number, (bigint | Buffer)[]>;

/** AGGREGATION_TEMPORALITY_CUMULATIVE */
export const CUMULATIVE = 2;

/** The fields of a message: numbers as their bits, all else as bytes (protobuf.dev, "Encoding"). */
function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  while (at < bytes.length) {
    const key = Number(varint());
    const values = fields.get(key >> 3) ?? [];
    fields.set(key >> 3, values);
    const kind = key & 7;
    if (kind === 0) values.push(varint());
    else if (kind === 1) values.push(take(8).readBigUInt64LE());
    else if (kind === 2) values.push(take(Number(varint())));
    else throw new Error(`wire type ${kind}`);
  }
  return fields;
}

const messages = (fields: Fields, field: number): Fields[] =>
  (fields.get(field) ?? []).map((value) => fieldsOf(value as Buffer));
const text = (fields: Fields, field: number): string => String(fields.get(field)?.[0] ?? '');
const bits = (fields: Fields, field: number): bigint => (fields.get(field)?.[0] ?? 0n) as bigint;

function double(value: bigint): number {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readDoubleLE();
}

/** A packed field of numbers of eight bytes. */
function eights(fields: Fields, field: number): bigint[] {
  return (fields.get(field) ?? []).flatMap((packed) => {
    if (typeof packed === 'bigint') return [packed];
    return Array.from({ length: packed.length / 8 }, (_, i) => packed.readBigUInt64LE(8 * i));
  });
}

/** AnyValue: a string, a bool, an int or a double. */
function anyValue(fields: Fields): string | number | boolean {
  if (fields.has(2)) return bits(fields, 2) === 1n;
  if (fields.has(3)) return Number(BigInt.asIntN(64, bits(fields, 3)));
  return fields.has(4) ? double(bits(fields, 4)) : text(fields, 1);
}

function attributes(fields: Fields, field: number): Attributes {
  return Object.fromEntries(messages(fields, field).map((one) => [text(one, 1), anyValue(messages(one, 2)[0]!)]));
}

function point(fields: Fields, attributesField: number): Omit<NumberPoint, 'value'> {
  return { attributes: attributes(fields, attributesField), start: bits(fields, 2), time: bits(fields, 3) };
}

function numberPoint(fields: Fields): NumberPoint {
  const value = fields.has(6) ? Number(BigInt.asIntN(64, bits(fields, 6))) : double(bits(fields, 4));
  return { ...point(fields, 7), value };
}

function histogramPoint(fields: Fields): HistogramPoint {
  return {
    ...point(fields, 9),
    count: Number(bits(fields, 4)),
    sum: double(bits(fields, 5)),
    counts: eights(fields, 6).map(Number),
    bounds: eights(fields, 7).map(double),
  };
}

function metric(fields: Fields): Metric {
  const [gauge] = messages(fields, 5);
  const [sum] = messages(fields, 7);
  const [histogram] = messages(fields, 9);
  return {
    ...{ name: text(fields, 1), description: text(fields, 2), unit: text(fields, 3) },
    ...(gauge && { gauge: { points: messages(gauge, 1).map(numberPoint) } }),
    ...(sum && {
      sum: {
        points: messages(sum, 1).map(numberPoint),
        temporality: Number(bits(sum, 2)),
        monotonic: bits(sum, 3) === 1n,
      },
    }),
    ...(histogram && {
      histogram: { points: messages(histogram, 1).map(histogramPoint), temporality: Number(bits(histogram, 2)) },
    }),
  };
}

function logRecord(fields: Fields): LogRecord {
  return {
    ...{ time: bits(fields, 1), observed: bits(fields, 11), severity: Number(bits(fields, 2)) },
    ...{ severityText: text(fields, 3), body: String(anyValue(messages(fields, 5)[0]!)) },
    attributes: attributes(fields, 6),
  };
}

/** Requests of both kinds are alike as far as what is in a scope. */
function request<T>(bytes: Buffer, read: (fields: Fields) => T): { resource: Attributes; scope: string; items: T[] } {
  const of = messages(fieldsOf(bytes), 1);
  const scopes = of.flatMap((one) => messages(one, 2));
  return {
    resource: attributes(messages(of[0]!, 1)[0]!, 1),
    scope: text(messages(scopes[0]!, 1)[0]!, 1),
    items: scopes.flatMap((one) => messages(one, 2)).map(read),
  };
}

export type MetricsRequest = { resource: Attributes; scope: string; items: Metric[] };
export type LogsRequest = { resource: Attributes; scope: string; items: LogRecord[] };

export const metricsRequest = (bytes: Buffer): MetricsRequest => request(bytes, metric);
export const logsRequest = (bytes: Buffer): LogsRequest => request(bytes, logRecord);
