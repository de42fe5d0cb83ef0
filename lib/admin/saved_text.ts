import { counted } from "../base/text.ts";
import { formatBytes } from "../base/units.ts";
import type { SavedSample } from "./watch_event.ts";

/**
 * What is saved, for people; what EXAI takes beyond what it saves is told as a cost and not as a number below zero.
 * Undefined: not known.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeSaved } from "./saved_text.ts";
 *
 * assertEquals(describeSaved({ processes: 4, bytes: 2 ** 20 }), "4 processes, 1 MiB");
 * assertEquals(describeSaved({ processes: 1, bytes: -1024 }), "1 process; costs 1 KiB more");
 * assertEquals(describeSaved({ processes: -2, bytes: -1024 }), "nothing; costs 2 processes, 1 KiB more");
 * ```
 */
export function describeSaved({ processes, bytes }: SavedSample): string | undefined {
  if (processes === undefined && bytes === undefined) return undefined;
  const figures = (sign: 1 | -1) => {
    const [several, many] = [sign * (processes ?? 0), Math.round(sign * (bytes ?? 0))];
    return [
      ...(several > 0 ? [counted(several, "process")] : []),
      ...(many > 0 ? [formatBytes(many)] : []),
    ].join(", ");
  };
  const [saved, costs] = [figures(1), figures(-1)];
  return `${saved || "nothing"}${costs === "" ? "" : `; costs ${costs} more`}`;
}
