import type { JsonObject } from "../base/json.ts";
import type { Implementation } from "./mcp.ts";
import type { Result } from "./rpc.ts";

/** What the answer to a request of a client is written for. */
export interface EncodingContext {
  method: string;
  /** The daemon: it is the server of this hop. */
  serverInfo: Implementation;
  /** What the client has declared. */
  capabilities: JsonObject;
}

/**
 * Between the messages of one era and the neutral model: the vocabulary of 2025-11-25 without its handshake, which
 * everything between the doors and the servers speaks. What needs no change is passed on as the text it came in.
 */
export interface EraCodec {
  /** The result or error of a call as a client of the era gets it; `answer` itself where that is the same. */
  encodeAnswer(answer: Result, context: EncodingContext): Result;
  /** Whether a client of the era may be sent notifications of `method`. */
  hasNotification(method: string): boolean;
}
