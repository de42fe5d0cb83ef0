import type { JsonObject } from "../../lib/base/json.ts";
import type { EraClient, Place } from "./era_client.ts";
import type { RawModern } from "./raw_modern.ts";

/** The server behind the daemon. */
export interface Upstream {
  era: "legacy" | "modern" | "both";
  transport: "stdio" | "http";
}

export interface Pairing {
  client: EraClient;
  upstream: Upstream;
  place: Place;
  /** Requests of the modern era by hand, on the same door; undefined where the client speaks the other. */
  raw: RawModern | undefined;
}

/** Sees one thing, and throws where it is otherwise. */
export type Row = (it: Pairing) => Promise<void>;

/** The text of the first content block of a tool's result. */
export function textOf(result: unknown): string {
  const { content } = result as { content: { text: string }[] };
  if (!content?.[0]) {
    throw new Error(`no content in ${JSON.stringify(result satisfies unknown as JsonObject)}`);
  }
  return content[0].text;
}
