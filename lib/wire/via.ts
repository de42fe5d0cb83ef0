import { ExaiError } from "../base/errors.ts";

/**
 * By which daemons something was started or reached, the first of them first: in the environment of what a daemon
 * starts, in the header of its HTTP requests, in the hello of a shim that finds it in its environment. A daemon that
 * finds itself there would mount itself.
 */
export const VIA_VARIABLE = "EXAI_VIA";
export const VIA_HEADER = "x-exai-via";

/** So many daemons may stand between a window and a server. */
const MAX_DAEMONS = 4;

const ID = /^[A-Za-z0-9-]{1,40}$/;
const MAX_CHARS = 1000;

/** The ids of daemons in `text`, which anybody may have written. */
export function parseVia(text: string | null | undefined): string[] {
  return (text ?? "").slice(0, MAX_CHARS).split(",").map((id) => id.trim()).filter((id) => ID.test(id));
}

export function formatVia(via: readonly string[]): string {
  return via.join(",");
}

/**
 * Turns away who comes by way of the daemon `id` itself, or of too many others.
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
  if (via.length <= MAX_DAEMONS) return;
  throw new ExaiError(
    "FORBIDDEN",
    `${via.length} EXAI daemons stand one behind the other here, and ${MAX_DAEMONS} may; see whose mcp.json leads ` +
      "back to another of them",
  );
}
