import type { RequestId } from "./rpc.ts";

/**
 * The id or progress token we minted that a server means by `id`. Ours are numbers, so one that a server sends back as
 * text can be no other.
 */
export function ownId(id: RequestId): RequestId {
  return typeof id === "string" && /^\s*0*\d{1,15}(?:\.0+)?\s*$/.test(id) ? Number(id) : id;
}
