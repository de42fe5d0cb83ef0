import type { Call } from "../call/call.ts";
import type { Permit } from "./permits.ts";

/** A call that runs, and the permit it holds. */
export interface Holder {
  readonly call: Call;
  readonly permit: Permit;
}

/** By the signal a call runs under, which is all that reaches what it asks deep down, a provider of models. */
const holders = new WeakMap<AbortSignal, Holder>();

/** Notes that `call` runs on `permit`. */
export function noteHolder(call: Call, permit: Permit): void {
  holders.set(call.signal, { call, permit });
}

/** The call that runs under `signal`. */
export function holderOf(signal: AbortSignal): Holder | undefined {
  return holders.get(signal);
}

/**
 * What `slot` resolves with; meanwhile the permit of `holder` is lent.
 *
 * @throws {ExaiError} the signal's reason
 */
export async function lendUntil<T extends Disposable>(
  { call, permit }: Holder,
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
