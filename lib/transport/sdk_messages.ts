import type { JsonObject } from "../base/json.ts";
import type { RawMessage } from "../wire/raw_message.ts";
import { isRequest } from "../wire/rpc.ts";

/** A response as the SDK is given it. */
interface SdkResponse {
  /** The SDK's number of the request. */
  number: number;
  /** The id of the request, as the client wrote it. */
  idText: string;
  text: string;
}

/**
 * A message to the client in the form that the SDK's transport is given: the SDK reads ids as numbers and would write the
 * message anew, so it gets a number of ours, and the text beside it.
 */
export class SdkMessage {
  readonly jsonrpc = "2.0";
  /** Of a response: the SDK's number of the request. */
  declare readonly id?: number;
  declare readonly result?: Record<string, never>;
  /** Of a request or notification. */
  declare readonly method?: string;
  readonly #text: string;
  readonly #idText: string;

  private constructor(
    { text, idText = "" }: { text: string; idText?: string },
    members: { id: number; result: Record<string, never> } | { method: string },
  ) {
    this.#text = text;
    this.#idText = idText;
    Object.assign(this, members);
  }

  static response({ number, idText, text }: SdkResponse): SdkMessage {
    return new SdkMessage({ text, idText }, { id: number, result: {} });
  }

  /** A request or notification. */
  static other(method: string, text: string): SdkMessage {
    return new SdkMessage({ text }, { method });
  }

  /** The whole message, as the client gets it. */
  get text(): string {
    return this.#text;
  }

  /** Of a response: the id of the request, as the client wrote it. */
  get idText(): string {
    return this.#idText;
  }
}

/** What the SDK is given in place of the messages of one POST, by their numbers. */
export function stubsOf(messages: ReadonlyMap<number, RawMessage>): JsonObject[] {
  return Array.from(messages, ([number, message]) => {
    if (!isRequest(message)) return { jsonrpc: "2.0", method: "posted", params: { number } };
    const { method } = message;
    // The SDK looks into the parameters of this request only.
    const params = method === "initialize" ? { params: message.params } : {};
    return { jsonrpc: "2.0", id: number, method, ...params };
  });
}

/** The number of the message that the SDK was given `stub` for. */
export function numberOfStub(stub: object): number {
  const { id, params } = stub as { id?: number; params?: { number: number } };
  return id ?? params!.number;
}
