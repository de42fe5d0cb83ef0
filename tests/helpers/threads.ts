import type { Identity } from "../../lib/call/owner.ts";
import { openThreadStore, type ThreadStoreOptions } from "../../lib/state/sqlite_thread_store.ts";
import type {
  Recorded,
  ShowOptions,
  Thread,
  ThreadWithTurns,
  TurnEntry,
} from "../../lib/state/thread_store.ts";

/** The one user and workspace of tests that are about something else. */
export const SOMEBODY: Identity = { principal: "owner", workspaces: ["/work"] };

/** Threads in a store of their own, all of them {@linkcode SOMEBODY}'s. */
export class TestThreads implements Disposable {
  readonly store;

  constructor(options: ThreadStoreOptions) {
    this.store = openThreadStore(options);
  }

  get fault(): string | undefined {
    return this.store.fault;
  }

  record(entry: TurnEntry): Promise<Recorded> {
    return this.store.record(SOMEBODY, entry);
  }

  show(id: string, options?: ShowOptions): Promise<ThreadWithTurns> {
    return this.store.show(SOMEBODY, id, options);
  }

  list(options?: { limit?: number }): Promise<Thread[]> {
    return this.store.list(SOMEBODY, options);
  }

  delete(id: string): Promise<boolean> {
    return this.store.delete(SOMEBODY, id);
  }

  deleteExpired(): Promise<number> {
    return this.store.deleteExpired();
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }
}

/** Opens threads for a test that is not about whose they are. */
export function openThreads(options: ThreadStoreOptions): TestThreads {
  return new TestThreads(options);
}
