import type { ServerStatus } from "./status_rows.ts";

/** How much the state of a server asks of a person. */
export type StateTone =
  /** It runs. */
  | "ok"
  /** It starts or ends. */
  | "busy"
  /** It needs somebody: a login, a directory, a look at its faults. */
  | "ask"
  /** It does not run, although it should. */
  | "bad"
  /** It is not needed yet, or switched off. */
  | "off";

const TONES: ReadonlyMap<string, StateTone> = new Map<ServerStatus["state"], StateTone>([
  ["running", "ok"],
  ["starting", "busy"],
  ["ending", "busy"],
  ["needs a login", "ask"],
  ["needs a directory", "ask"],
  ["not started", "off"],
  ["disabled", "off"],
]);

/** What is not known is a fault. */
export function toneOf({ state, list_faults, breaker }: ServerStatus): StateTone {
  const tone = TONES.get(state) ?? "bad";
  const isTroubled = (list_faults?.length ?? 0) > 0 || (breaker?.state ?? "closed") !== "closed";
  return tone === "ok" && isTroubled ? "ask" : tone;
}

/** The state of a server in words, the same in every list of servers. */
export function stateInWords({ state, listening, lists_known }: ServerStatus): string {
  if (listening === "waiting") return `${state}, not heard`;
  return state === "not started" && lists_known === false ? "not started, new" : state;
}
