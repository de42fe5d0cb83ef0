import { ExaiError } from "../base/errors.ts";

/**
 * The ids of the daemons that a request has passed, the first one first: in the environment of what a daemon starts,
 * in the header of its HTTP requests, in the hello of a shim below it. As with `Via` of HTTP (RFC 9110, 7.6.3), a
 * daemon that finds itself in the list would forward to itself.
 */
export const VIA_VARIABLE = "EXAI_VIA";
export const VIA_HEADER = "x-exai-via";

/** Daemons that may stand between a client and a server. */
const MAX_HOPS = 4;

const DAEMON_ID = /^[A-Za-z0-9-]{1,40}$/;
const MAX_CHARS = 1000;

/**
 * The daemon ids in `text`, which is foreign; anything else in it is ignored.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseVia } from "./via.ts";
 *
 * assertEquals(parseVia("one, two,?"), ["one", "two"]);
 * ```
 */
export function parseVia(text: string | null | undefined): string[] {
  return (text ?? "").slice(0, MAX_CHARS).split(",").map((id) => id.trim()).filter((id) =>
    DAEMON_ID.test(id)
  );
}

export function formatVia(via: readonly string[]): string {
  return via.join(",");
}

/**
 * Rejects a request that has passed the daemon `id` itself, or too many others.
 *
 * @throws {ExaiError} `FORBIDDEN`
 */
export function assertNoLoop(via: readonly string[], id: string): void {
  if (via.includes(id)) {
    throw new ExaiError(
      "FORBIDDEN",
      "this EXAI daemon would be mounted in itself: a server in its mcp.json leads back to it, by exai-shim or its " +
        "address; take that entry out of mcp.json, or out of the configuration of the program it starts",
    );
  }
  if (via.length <= MAX_HOPS) return;
  throw new ExaiError(
    "FORBIDDEN",
    `${via.length} EXAI daemons stand one behind the other here, and ${MAX_HOPS} may; see whose mcp.json leads ` +
      "back to another of them",
  );
}
