// SPDX-License-Identifier: Apache-2.0
/** The source of the mapping that the configuration asks for. */
import type { Config } from '../../config/schema.js';
import { FileMappingSource } from '../../mapping/file-source.js';
import { KubernetesMappingSource } from '../../mapping/kubernetes/source.js';
import type { MappingSource } from '../../mapping/source.js';

export function configuredSource(config: Config): MappingSource {
  if (config.podSource === 'file') return new FileMappingSource(config.podNodeConfig);
  const { kubeconfig, namespace, labelSelector, fieldSelector, hostNetwork, services, syncTimeoutMs, staleAfterMs } =
    config.kubernetes;
  return new KubernetesMappingSource({
    kubeconfig,
    namespace,
    labelSelector,
    fieldSelector,
    hostNetwork,
    services,
    syncTimeoutMs,
    staleAfterMs,
  });
}
