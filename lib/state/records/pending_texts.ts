import { getLogger } from "@logtape/logtape";
import { MIB } from "../../base/units.ts";
import type { CallRecord } from "../../observe/call_record.ts";
import type { CallBodies } from "../../observe/call_store.ts";

const log = getLogger(["exai", "state"]);

/** Texts held in memory while a file cannot be written, which may take long: in characters. */
const MAX_HELD_CHARS = 8 * MIB;

/** Makes the texts of one entry of a record, when it is written. */
type MakeTexts<T extends object> = () => T;

/** The texts of one entry; undefined where they cannot be made: that must not keep the others out of the record. */
export function textsOf<T extends object>(make: MakeTexts<T> | undefined): T | undefined {
  try {
    return make?.();
  } catch (thrown) {
    log.warning("what a call said cannot be recorded: {thrown}", { thrown });
    return undefined;
  }
}

/**
 * Of entries whose file cannot be written, the latest, with their texts made now: what they are made of may be larger.
 * Those before are dropped: {@linkcode MAX_HELD_CHARS}.
 */
export function heldTexts<E, T extends object>(
  entries: readonly (readonly [E, MakeTexts<T>])[],
): [E, MakeTexts<T>][] {
  const held: [E, MakeTexts<T>][] = [];
  let chars = 0;
  for (const [entry, make] of entries.toReversed()) {
    const texts = textsOf(make);
    if (!texts) continue;
    for (const text of Object.values(texts)) chars += typeof text === "string" ? text.length : 0;
    if (chars > MAX_HELD_CHARS) break;
    held.unshift([entry, () => texts]);
  }
  return held;
}

/** Arguments and answers of calls that are not written yet. */
export class PendingBodies {
  #of = new WeakMap<CallRecord, MakeTexts<CallBodies>>();

  add(record: CallRecord, bodies: MakeTexts<CallBodies>): void {
    this.#of.set(record, bodies);
  }

  of(record: CallRecord): CallBodies | undefined {
    return textsOf(this.#of.get(record));
  }

  /** The file cannot be written: holds a part of the bodies of `pending`, oldest first. */
  hold(pending: readonly CallRecord[]): void {
    const entries = pending.flatMap((record): [CallRecord, MakeTexts<CallBodies>][] => {
      const bodies = this.#of.get(record);
      return bodies ? [[record, bodies]] : [];
    });
    this.#of = new WeakMap(heldTexts(entries));
  }
}
