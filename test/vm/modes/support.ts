/** What a supervisor holds. */
import { readFileSync, readdirSync } from 'node:fs';
import { lab, type MeshNode } from '../harness/index.js';

export interface Holdings {
  descriptors: number;
  threads: number;
}

export async function holdings(node: MeshNode): Promise<Holdings> {
  const { pid } = await lab.status(node);
  const threads = /^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, threads: Number(threads) };
}
