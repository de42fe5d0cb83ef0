import { parseVia, VIA_VARIABLE } from "../wire/via.ts";

/** The daemons below which this process was started. */
export function inheritedVia(): string[] {
  return parseVia(Deno.env.get(VIA_VARIABLE));
}
