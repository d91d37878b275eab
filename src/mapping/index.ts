export { PodNodeMapping, type MeshEntry, type Pod } from './pod-node-mapping.js';
