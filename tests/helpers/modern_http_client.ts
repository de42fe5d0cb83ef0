import type { Json, JsonObject } from "../../lib/base/json.ts";
import { readRawMessage } from "../../lib/wire/raw_message.ts";
import { requestHeaders } from "../../lib/wire/headers.ts";
import { modernRequest, type Said } from "./modern.ts";

/** A client of the modern era that sends HTTP requests by hand. */
export class ModernHttpClient {
  readonly url: string;
  /** Sent with each request beside those that repeat its body; undefined ones are left out. */
  readonly headers: Record<string, string | undefined>;

  constructor(url: string, headers: Record<string, string | undefined> = {}) {
    this.url = url;
    this.headers = headers;
  }

  /** Posts `message` as it is, with the headers that belong to it unless `headers` say otherwise. */
  post(
    message: JsonObject,
    { headers = {}, signal }: { headers?: Record<string, string | undefined>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    const body = JSON.stringify(message);
    return fetch(this.url, { method: "POST", headers: this.headersOf(message, headers), body, signal });
  }

  headersOf(message: JsonObject, headers: Record<string, string | undefined> = {}): Headers {
    const raw = readRawMessage(JSON.stringify(message), { depth: 512, members: 100_000 });
    const all = new Headers({
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(raw?.kind === "request" ? requestHeaders(raw) : {}),
    });
    for (const [name, value] of Object.entries({ ...this.headers, ...headers })) {
      if (value === undefined) all.delete(name);
      else all.set(name, value);
    }
    return all;
  }

  request(id: Json, method: string, params: JsonObject = {}, said?: Said): Promise<Response> {
    return this.post(modernRequest(id, method, params, said));
  }

  /** Calls a tool. */
  call(id: Json, name: string, args: JsonObject = {}, said?: Said): Promise<Response> {
    return this.request(id, "tools/call", { name, arguments: args }, said);
  }
}

/** Status, code and id of a JSON response. */
export async function refusalIn(response: Response): Promise<[status: number, code: unknown, id: unknown]> {
  const { id, error } = await response.json();
  return [response.status, error?.code, id];
}
