import type { Call } from "../call/call.ts";
import type { Permit } from "./permits.ts";

/** A call that runs, and the permit it holds. */
interface LimitHolder {
  readonly call: Call;
  readonly permit: Permit;
}

const HOLDER = Symbol("holder");

/**
 * The signal a call runs under, which is all that reaches what it asks deep down, a provider of models. It carries the
 * holder itself: a `WeakMap` with an entry for each call grows until a full collection, and every small one has to look
 * at it.
 */
type HeldSignal = AbortSignal & { [HOLDER]?: LimitHolder };

/** Notes that `call` runs on `permit`. */
export function noteHolder(call: Call, permit: Permit): void {
  const signal: HeldSignal = call.signal;
  signal[HOLDER] = { call, permit };
}

/** The call that runs under `signal`. */
export function holderOf(signal: HeldSignal): LimitHolder | undefined {
  return signal[HOLDER];
}

/**
 * What `slot` resolves with; meanwhile the permit of `holder` is lent.
 *
 * @throws {ExaiError} the signal's reason
 */
export async function lendUntil<T extends Disposable>(
  { call, permit }: LimitHolder,
  slot: Promise<T>,
): Promise<T> {
  permit.lend();
  let got: T | undefined;
  try {
    return got = await slot;
  } finally {
    await permit.takeBack(call).catch((thrown) => {
      got?.[Symbol.dispose]();
      throw thrown;
    });
  }
}
