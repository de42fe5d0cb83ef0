import type { Call } from "../call/call.ts";
import type { Permit } from "./permits.ts";

/** A running call and the permit it holds. */
interface LimitHolder {
  readonly call: Call;
  readonly permit: Permit;
}

const HOLDER = Symbol("holder");

/**
 * The signal of a call, which is all of the call that reaches a model provider. It carries the holder itself: a `WeakMap`
 * with an entry for each call grows until a full garbage collection and slows down every minor one.
 */
type HeldSignal = AbortSignal & { [HOLDER]?: LimitHolder };

/** Records that `call` holds `permit`. */
export function noteHolder(call: Call, permit: Permit): void {
  const signal: HeldSignal = call.signal;
  signal[HOLDER] = { call, permit };
}

/** The call that runs under `signal`. */
export function holderOf(signal: HeldSignal): LimitHolder | undefined {
  return signal[HOLDER];
}

/**
 * Waits for `slot`; meanwhile the permit of `holder` is lent.
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
