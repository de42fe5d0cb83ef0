import type { JsonObject } from "../../lib/base/json.ts";
import { META, MODERN_REVISIONS } from "../../lib/wire/client_claim.ts";
import { doorUrl, type Place, shimCommand } from "./era_client.ts";
import { RawClient } from "./raw_client.ts";
import { Shim } from "./shim.ts";

/** Requests of the modern era as they are on the wire, each with its own claim. */
export interface RawModern extends AsyncDisposable {
  /** The whole answer. `capabilities`: what this request says of its client. */
  ask(method: string, params: JsonObject, capabilities: JsonObject): Promise<JsonObject>;
}

let lastId = 0;

function request(method: string, params: JsonObject, capabilities: JsonObject): JsonObject & { id: number } {
  const _meta = {
    [META.revision]: MODERN_REVISIONS[0],
    [META.client]: { name: "raw", version: "1" },
    [META.capabilities]: capabilities,
  };
  return { jsonrpc: "2.0", id: ++lastId, method, params: { ...params, _meta } };
}

/** The headers that go with a request (MCP 2026-07-28, basic/transports/streamable-http). */
export function modernHeaders(method: string, params: JsonObject): Record<string, string> {
  const name = params.name ?? params.uri ?? params.taskId;
  return {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": MODERN_REVISIONS[0],
    "mcp-method": method,
    ...name !== undefined && { "mcp-name": String(name) },
  };
}

/** The message of a POST's answer: its body, or the last event of its stream. */
async function lastMessage(response: Response): Promise<JsonObject> {
  const body = await response.text();
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return JSON.parse(body);
  const data = body.split("\n").filter((line) => line.startsWith("data:"));
  return JSON.parse(data.at(-1)!.slice(5));
}

/** Sends one request to a URL, with the headers that go with it; the whole answer. */
export async function postModern(
  url: string | URL,
  [method, params, capabilities]: Parameters<RawModern["ask"]>,
): Promise<JsonObject> {
  const body = JSON.stringify(request(method, params, capabilities));
  return await lastMessage(
    await fetch(url, { method: "POST", headers: modernHeaders(method, params), body }),
  );
}

export async function rawModern(place: Place): Promise<RawModern> {
  switch (place.door) {
    case "http":
      return {
        ask: (...asked) => postModern(doorUrl(place), asked),
        [Symbol.asyncDispose]: async () => {},
      };
    case "websocket": {
      const client = await RawClient.connect(doorUrl(place).href, ["mcp"]);
      return {
        ask(method, params, capabilities) {
          const asked = request(method, params, capabilities);
          client.send(asked);
          return client.nextWhere(({ id }) => id === asked.id);
        },
        [Symbol.asyncDispose]: () => client.close(),
      };
    }
    case "shim": {
      const { env, args } = shimCommand(place);
      const { home, http: daemon } = place;
      const shim = await Shim.start({ port: Number(new URL(daemon).port), home, env, args: args.slice(4) });
      return {
        async ask(method, params, capabilities) {
          const asked = request(method, params, capabilities);
          await shim.send(asked);
          return await shim.answer(asked.id);
        },
        [Symbol.asyncDispose]: () => shim[Symbol.asyncDispose](),
      };
    }
  }
}
