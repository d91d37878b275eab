// SPDX-License-Identifier: Apache-2.0
/** Objects of Kubernetes, held against the API: by schema, and for fields that it does not have. */
import * as models from '@kubernetes/client-node';
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { ConfigMap, Namespace, ServiceAccount } from 'kubernetes-models/v1';

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** An object with these fields that did not come from the class's constructor. */
export type Shape<T> = { [K in keyof T]: T[K] } & Manifest;

/** With the names of the API's own classes: for the types of values, and for which fields there are at all. */
const KINDS: Record<string, new (data: never) => { validate(): void }> = {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  DaemonSet,
  Namespace,
  Role,
  RoleBinding,
  ServiceAccount,
};

interface ModelClass {
  getAttributeTypeMap(): { name: string; baseName: string; type: string }[];
}

/** Fields that the API's model of this object does not have: schemas let them pass, and a slip would go unseen. */
export function unknownFields(value: unknown, type: string, path: string): string[] {
  if (Array.isArray(value)) {
    const element = type.replace(/^Array<(.*)>$/, '$1');
    return value.flatMap((item, i) => unknownFields(item, element, `${path}[${i}]`));
  }
  const model = (models as unknown as Record<string, ModelClass | undefined>)[type];
  if (model === undefined || typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const known = model.getAttributeTypeMap().find(({ baseName }) => baseName === name);
    return known === undefined ? [`${path}.${name}`] : unknownFields(inner, known.type, `${path}.${name}`);
  });
}

/** What is wrong with an object, in words; none: nothing. */
export function complaints(manifest: Manifest): string[] {
  const { kind } = manifest;
  const Model = KINDS[kind];
  if (Model === undefined) return [`${kind}: no kind that is known here`];
  const unknown = unknownFields(manifest, `V1${kind}`, kind);
  try {
    new Model(manifest as never).validate();
    return unknown;
  } catch (error) {
    return [`${kind}: ${(error as Error).message}`, ...unknown];
  }
}
