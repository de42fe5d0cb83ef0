import type { JsonObject } from "../../lib/base/json.ts";
import { type ClientKind, type EraClient, FULL, type Place } from "./era_client.ts";
import { legacyClient } from "./eras_legacy_client.ts";
import { modernClient } from "./eras_modern_client.ts";

export interface EraClientOptions {
  /** What it says it can do; everything when left out. */
  capabilities?: JsonObject;
}

/** A client that others made, connected to a door of the daemon; it answers whatever it is asked. */
export function eraClient(
  kind: ClientKind,
  place: Place,
  options: EraClientOptions = {},
): Promise<EraClient> {
  const { capabilities = FULL } = options;
  return kind === "legacy" ? legacyClient(place, capabilities) : modernClient(kind, place, capabilities);
}
