import type { Call, CallTrace, Wait, Whereabouts } from "./call.ts";

/** Notes that `call` waits for `what`, until what is returned is disposed. Nothing is noted where nobody reads it. */
export function beginWait({ trace }: Pick<Call, "trace">, what: () => string): Disposable {
  if (!trace) return NOT_NOTED;
  const wait: Wait = { sinceMs: performance.now(), what };
  const waits = trace.waits ??= [];
  waits.push(wait);
  return {
    [Symbol.dispose]() {
      const at = waits.indexOf(wait);
      if (at !== -1) waits.splice(at, 1);
    },
  };
}

/** Settles as `work` does; meanwhile `call` is noted to wait for `what`. */
export async function waitingFor<T>(
  call: Pick<Call, "trace">,
  what: string | (() => string),
  work: Promise<T>,
): Promise<T> {
  using _wait = beginWait(call, typeof what === "string" ? () => what : what);
  return await work;
}

/** What a call waits for while its client is asked for its roots. */
export const ROOTS_WAIT = "its client to tell its roots";

/** Where the caller of `call` works; while its client is asked for that, `call` is noted to wait for it. */
export function whereaboutsOf(call: Call): Whereabouts {
  const { caller } = call;
  return {
    cwd: caller.cwd,
    namedDirs: caller.namedDirs,
    roots: () => waitingFor(call, ROOTS_WAIT, caller.roots()),
    identity: () => waitingFor(call, ROOTS_WAIT, caller.identity()),
  };
}

/** What a call waits for now; undefined while it runs. */
export function currentWait(trace: CallTrace | undefined): Wait | undefined {
  return trace?.waits?.at(-1);
}

/** What a call waits for while its client is asked by `method`. */
export function waitForClient(method: string): string {
  switch (method) {
    case "elicitation/create":
      return "the person at its client";
    case "sampling/createMessage":
      return "its client's model";
    default:
      return `its client to answer ${method}`;
  }
}

const NOT_NOTED: Disposable = { [Symbol.dispose]() {} };
