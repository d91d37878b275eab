/** The source of the mapping that the configuration asks for. */
import type { Config } from '../config/index.js';
import { FileMappingSource, KubernetesMappingSource, type MappingSource } from '../mapping/index.js';

export function configuredSource(config: Config): MappingSource {
  if (config.podSource === 'file') return new FileMappingSource(config.podNodeConfig);
  const { kubeconfig, namespace, labelSelector, fieldSelector, hostNetwork, syncTimeoutMs, staleAfterMs } =
    config.kubernetes;
  return new KubernetesMappingSource({
    kubeconfig,
    namespace,
    labelSelector,
    fieldSelector,
    hostNetwork,
    syncTimeoutMs,
    staleAfterMs,
  });
}
