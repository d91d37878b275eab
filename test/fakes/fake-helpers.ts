// SPDX-License-Identifier: Apache-2.0
/** Helper processes, in memory: they do to a FakeKernel's sockets what they are asked for, and answer a moment later. */
import type {
  EndHow,
  EndRequest,
  EndResult,
  HelperAnswer,
  HelperFigures,
  Helpers,
  InstallRequest,
  InstallResult,
  NotSecured,
  Searched,
  SecureRequest,
  SecuredSocket,
  TakeRequest,
  TakenSocket,
} from '../../src/shared/kernel/helpers-addon.js';
import { FDS, type FakeKernel } from './fake-kernel.js';

export class FakeHelpers implements Helpers {
  /** while true, answers are kept back */
  slow = false;
  /** what taking a socket, or looking for it, takes */
  cpuMs = 0;
  /** what install throws: no keys can be made */
  noKeys: Error | undefined;
  /** what has to be pushed out cannot be */
  noRoom: Error | undefined;
  /** whose ends were pushed out, or were to be */
  readonly ends: TakeRequest[] = [];
  /** whose open records were closed, or were to be */
  readonly records: TakeRequest[] = [];
  /** what a helper finds when it looks */
  recordOpen = true;
  /** of connections that ended by `hang-up`: the socket, and whether only a handshake's bytes can have come */
  readonly hungUp: string[] = [];
  /** of each take: whether the socket may be searched for */
  readonly searches: boolean[] = [];
  private readonly answers: (() => void)[] = [];

  constructor(private readonly kernel: FakeKernel) {}

  take(request: TakeRequest, done: (taken: HelperAnswer<TakenSocket & Searched>) => void): void {
    this.searches.push(request.search);
    this.answer(done, () => ({ ...this.kernel.takeSocket(FDS, { ...request, startBoottime: 0n }), cpuMs: this.cpuMs }));
  }

  secure(request: SecureRequest, done: (result: SecuredSocket | NotSecured) => void): void {
    const { cookie, secrets } = request;
    if (this.noKeys !== undefined) throw this.noKeys;
    this.searches.push(request.search);
    this.answer<SecuredSocket>(done as (result: SecuredSocket | Error) => void, () => {
      const { cpuMs } = this;
      let fd: number;
      try {
        const taken = this.kernel.takeSocket(FDS, { ...request, startBoottime: 0n });
        if (!taken.live) return { ...taken, live: false, secrets: this.leftAnew(secrets), cpuMs };
        fd = taken.fd;
      } catch (error) {
        throw Object.assign(error as Error, { refused: false, secrets: this.leftAnew(secrets) });
      }
      try {
        return { ...this.kernel.install({ ...request, fd }), live: true, cpuMs };
      } catch (error) {
        this.kernel.refuse(FDS, fd, cookie);
        this.kernel.releaseSocket(FDS, fd, cookie);
        throw Object.assign(error as Error, { refused: true });
      }
    });
  }

  has({ cookie }: TakeRequest, done: (found: HelperAnswer<{ has: boolean } & Searched>) => void): void {
    this.answer(done, () => ({ has: this.kernel.hasSocket(cookie), cpuMs: this.cpuMs }));
  }

  peek(_request: unknown, done: (seen: HelperAnswer<number>) => void): void {
    this.answer(done, () => -1);
  }

  install(request: InstallRequest, done: (result: HelperAnswer<InstallResult>) => void): void {
    const { fd, cookie } = request;
    if (this.noKeys !== undefined) throw this.noKeys;
    this.answer(done, () => {
      try {
        return this.kernel.install(request);
      } catch (error) {
        this.kernel.refuse(FDS, fd, cookie);
        this.kernel.releaseSocket(FDS, fd, cookie);
        throw error;
      }
    });
  }

  end(how: EndHow, request: EndRequest, done: (result: HelperAnswer<EndResult>) => void): void {
    const { fd, cookie, handshakeOnly } = request;
    if (how === 'hang-up') this.hungUp.push(`${cookie} ${handshakeOnly}`);
    this.answer(done, () => {
      const nothing: EndResult = { by: 'already-closed', discardedBytes: 0, continued: 0 };
      const result = how === 'refuse' ? this.kernel.refuse(FDS, fd, cookie) : nothing;
      if (how === 'forbid') this.kernel.forbid(fd, cookie);
      this.kernel.releaseSocket(FDS, fd, cookie);
      return result;
    });
  }

  destroy({ tuple, cookie }: Parameters<Helpers['destroy']>[0], done: (found: HelperAnswer<boolean>) => void): void {
    this.answer(done, () => this.kernel.destroyByTuple(tuple, cookie));
  }

  pushOut(request: TakeRequest, done: (pushed: HelperAnswer<{ continued: number } & Searched>) => void): void {
    this.ends.push(request);
    this.answer(done, () => {
      if (this.noRoom !== undefined) throw this.noRoom;
      return { continued: 1, cpuMs: this.cpuMs };
    });
  }

  pushRecord(request: TakeRequest, done: (result: HelperAnswer<{ pushed: boolean } & Searched>) => void): void {
    this.records.push(request);
    this.answer(done, () => {
      if (this.noRoom !== undefined) throw this.noRoom;
      return { pushed: this.recordOpen, cpuMs: this.cpuMs };
    });
  }

  figures(): HelperFigures {
    return { idle: 4, busy: this.answers.length, slow: 0, lost: 0, begun: 0, lostEver: 0, refused: 0 };
  }

  close(): void {
    this.release();
  }

  /** All answers arrive. */
  release(): void {
    this.slow = false;
    this.flush();
  }

  /** Answers arrive that are not kept back. */
  flush(): void {
    while (!this.slow && this.answers.length > 0) for (const answer of this.answers.splice(0)) answer();
  }

  /** Secrets that come back are under another handle. */
  private leftAnew(secrets: number): number {
    return secrets + 10_000;
  }

  /** The work is done at once, as by a helper that is quick; only the answer takes its time. */
  private answer<T>(done: (result: HelperAnswer<T>) => void, work: () => T): void {
    let result: HelperAnswer<T>;
    try {
      result = work();
    } catch (error) {
      result = error as Error;
    }
    this.answers.push(() => done(result));
    queueMicrotask(() => this.flush());
  }
}
