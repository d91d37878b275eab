// SPDX-License-Identifier: Apache-2.0
/** Keys by name, joined to the gate and the settings in force. */
import type { Logger } from '../logging/logger.js';
import { monotonicNs } from '../shared/kernel/clock.js';
import type { GateFds, KernelAddon } from '../shared/kernel/kernel-addon.js';
import { parseListenAddress } from '../shared/net/listen-address.js';
import { Channels, type ChannelSettings } from './provider/channels.js';
import { ChannelService, type ChannelPlan, type ChannelServiceOptions } from './provider/channel-service.js';
import type { InForce, Settings } from './settings/in-force.js';

export interface ChannelParts {
  addon: KernelAddon;
  fds: GateFds;
  inForce: InForce;
  /** the gate's number of a node */
  numberOf: (node: string) => number;
  start: ChannelServiceOptions['start'];
  log: Logger;
}

export interface ChannelRun {
  channels: Channels;
  service: ChannelService;
}

/** What channels are to be made with; undefined: there are none. */
export function channelPlan({
  config,
  credentials,
}: Pick<Settings, 'config' | 'credentials'>): ChannelPlan | undefined {
  const { mode, exchange, marker, nodeName, channelListen, tls } = config;
  if (exchange !== 'channel' || mode === 'tlshub' || !marker) return undefined;
  const listen = parseListenAddress(channelListen);
  return {
    ...{ library: mode, credentials, groups: [...tls.groups], ownName: nodeName },
    listen: listen && { host: listen.host, port: listen.port },
  };
}

export function channelSettings({
  mapping,
  endpoints,
  config,
}: Pick<Settings, 'mapping' | 'endpoints' | 'config'>): ChannelSettings {
  const [ownCipher = 'TLS_AES_128_GCM_SHA256' as const] = config.tls.ciphers;
  return { nodes: mapping.nodes, endpoints, ownCipher, epochMs: config.channelEpochMs };
}

/** Begins with the settings in force and follows them. What an earlier agent left in the kernel is gone then. */
export function startChannels({ addon, fds, inForce, numberOf, start, log }: ChannelParts): ChannelRun {
  addon.clearEpochs(fds);
  addon.setChannel(fds.settings, false);
  const clock = (): number => monotonicNs() / 1e6;
  const { nodeName: ownName } = inForce.config;
  const channels = new Channels({ ownName, kernel: addon, fds, keys: addon.openEpochKeys(), numberOf, clock, log });
  const service = new ChannelService({
    ...{ channels, start, clock, log },
    setChannel: (on) => addon.setChannel(fds.settings, on),
  });
  const apply = (now: Settings): void => {
    void service.apply(channelPlan(now), channelSettings(now));
  };
  inForce.onSwap(apply);
  apply(inForce.current);
  service.begin();
  return { channels, service };
}
