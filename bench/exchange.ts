// SPDX-License-Identifier: Apache-2.0
/** How connections come by their keys, changed in agents that run: both ways are measured in one run, in turns. */
import { lab, waitFor } from '../test/vm/harness/index.js';

export const EXCHANGES = ['in-band', 'channel'] as const;
export type Exchange = (typeof EXCHANGES)[number];

/**
 * From now on connections from node a to node b come by their keys in this way; resolves when one did.
 * @param settings of the agents, beside the exchange
 * @param connect makes a connection from a to b and ends it
 */
export async function putInForce(
  exchange: Exchange,
  settings: Readonly<Record<string, unknown>>,
  connect: () => Promise<unknown>,
): Promise<void> {
  const options = Object.entries({ ...settings, exchange }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  await lab.configure(...options);
  for (const node of ['a', 'b'] as const) await lab.reload(node);
  const says = async (): Promise<boolean> => {
    const before = await count(exchange);
    await connect();
    return (await count(exchange)) > before;
  };
  await waitFor(says, 60_000, `keys of connections by exchange = ${exchange}`);
}

/** Connections that node b has secured in this way. */
async function count(exchange: Exchange): Promise<number> {
  return (await lab.status('b')).exchanges[exchange];
}
