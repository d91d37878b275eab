// SPDX-License-Identifier: Apache-2.0
/** What is used of the client of Kubernetes: a file of its own, so that it is loaded, and lies in the bundle, without the rest. */
export { KubeConfig } from '@kubernetes/client-node';
