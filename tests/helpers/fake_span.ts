import type { CallSpan } from "../../lib/call/span.ts";

/** A span that keeps what it is told of waits, and for how long by `performance.now`, in milliseconds. */
export class FakeSpan implements CallSpan {
  readonly context = {};
  readonly waits: { what: string; ms: number }[] = [];

  begin(): CallSpan {
    return this;
  }

  waited(what: string, sinceMs: number): void {
    this.waits.push({ what, ms: performance.now() - sinceMs });
  }

  answered(): void {}

  end(): void {}
}
