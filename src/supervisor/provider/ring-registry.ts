// SPDX-License-Identifier: Apache-2.0
/** Rings of provider workers on their way to the installer: workers come up before it does, and come and go while it runs. */
export interface RingHost {
  addRing: (id: number, ring: SharedArrayBuffer) => void;
  dropRing: (id: number) => void;
}

export class RingRegistry {
  private readonly rings = new Map<number, SharedArrayBuffer>();
  private host: RingHost | undefined;

  add(id: number, ring: SharedArrayBuffer): void {
    this.rings.set(id, ring);
    this.host?.addRing(id, ring);
  }

  drop(id: number): void {
    this.rings.delete(id);
    this.host?.dropRing(id);
  }

  /** Hands over what came so far, and from now on whatever comes. */
  attach(host: RingHost): void {
    this.host = host;
    for (const [id, ring] of this.rings) host.addRing(id, ring);
  }
}
