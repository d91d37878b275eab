export { diffMappings, diffMappingsGradually, isEmptyDiff, type MappingDiff } from './diff.js';
export { FileMappingSource, type FileMappingOptions } from './file-source.js';
export { KubernetesMappingSource, type KubernetesMappingOptions } from './kubernetes/source.js';
export { PodNodeMapping, type MeshEntry, type Pod } from './pod-node-mapping.js';
export type { MappingChange, MappingSource, MappingSourceEvents } from './source.js';
