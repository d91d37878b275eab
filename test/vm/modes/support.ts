/** Load of new connections, and what a supervisor holds. */
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { lab, type MeshNode, type Program } from '../harness/index.js';

export interface LoadResult {
  ok: number;
  /** by the error that the program saw */
  failed: Record<string, number>;
  /** that neither worked nor failed before the deadline */
  late: number;
  /** seconds */
  slowest: number;
  length: number;
}

/** Connections a second, from node a, to a URL path on node b; ends by `finish`. */
export function startLoad(port: number, path: string, rate: number, deadlineSeconds: number): Program {
  const script = resolve('test/programs/fetch-load.py');
  return lab.spawn('a', [
    '/usr/bin/python3',
    script,
    '10.77.0.2',
    String(port),
    path,
    String(rate),
    String(deadlineSeconds),
  ]);
}

export async function finishLoad(load: Program): Promise<LoadResult> {
  const { stdout, stderr } = await load.stop('SIGTERM');
  try {
    return JSON.parse(stdout) as LoadResult;
  } catch (cause) {
    throw new Error(`the load said: ${stdout} ${stderr}`, { cause });
  }
}

export interface Holdings {
  descriptors: number;
  threads: number;
}

export async function holdings(node: MeshNode): Promise<Holdings> {
  const { pid } = await lab.status(node);
  const threads = /^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, threads: Number(threads) };
}
