import { Client, StreamableHTTPClientTransport, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
// @ts-types="@modelcontextprotocol/sdk/client/websocket"
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
import { z } from "zod";
import type { JsonObject } from "../../lib/base/json.ts";
import { META, MODERN_REVISIONS } from "../../lib/wire/client_claim.ts";
import { ANSWERS, doorUrl, type EraClient, type Place, shimCommand } from "./era_client.ts";

function transportTo(place: Place): Transport {
  switch (place.door) {
    case "http":
      return new StreamableHTTPClientTransport(doorUrl(place));
    case "shim":
      return new StdioClientTransport({ ...shimCommand(place), stderr: "ignore" });
    case "websocket":
      // SDK v2 has none of its own.
      return new WebSocketClientTransport(doorUrl(place)) as unknown as Transport;
  }
}

/** The client of SDK 2.4: `modern` speaks 2026-07-28 or nothing, `auto` what it finds. */
export async function modernClient(
  kind: "modern" | "auto",
  place: Place,
  capabilities: JsonObject,
): Promise<EraClient> {
  const mode = kind === "auto" ? kind : { pin: MODERN_REVISIONS[0] };
  const client = new Client({ name: kind, version: "1" }, { capabilities, versionNegotiation: { mode } });
  const questions: JsonObject[] = [];
  const notifications: JsonObject[] = [];
  answer(client, capabilities, questions);
  client.fallbackNotificationHandler = (told) => Promise.resolve(void notifications.push(told as JsonObject));
  await client.connect(transportTo(place));
  // What the client remembers is no matter of these tests.
  const fresh = { cacheMode: "refresh" } as const;
  const meta = (logLevel?: string) => logLevel ? { _meta: { [META.logLevel]: logLevel } } : {};
  return {
    era: client.getProtocolEra()!,
    questions,
    notifications,
    tools: async () => (await client.listTools(undefined, fresh)).tools as unknown as JsonObject[],
    prompts: async () => (await client.listPrompts(undefined, fresh)).prompts as unknown as JsonObject[],
    resources: async () =>
      (await client.listResources(undefined, fresh)).resources as unknown as JsonObject[],
    call: async (name, args, { signal, onprogress, logLevel } = {}) =>
      await client.callTool({ name, arguments: args, ...meta(logLevel) }, {
        signal,
        onprogress,
      }) as JsonObject,
    read: async (uri) => await client.readResource({ uri }, fresh) as JsonObject,
    prompt: async (name) => await client.getPrompt({ name }) as unknown as JsonObject,
    request: async (method, params) =>
      await client.request({ method, params }, z.looseObject({})) as unknown as JsonObject,
    async watch(uris) {
      const resourceSubscriptions = uris.length > 0 ? { resourceSubscriptions: uris } : {};
      await client.listen({
        toolsListChanged: true,
        promptsListChanged: true,
        resourcesListChanged: true,
        ...resourceSubscriptions,
      });
    },
    setLogLevel: async () => {},
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function answer(client: Client, capabilities: JsonObject, questions: JsonObject[]): void {
  const note = ({ method, params }: { method: string; params?: unknown }) =>
    void questions.push({ method, params: params as JsonObject });
  if (capabilities.elicitation) {
    client.setRequestHandler("elicitation/create", (request) => {
      note(request);
      return ANSWERS.elicit(request.params as unknown as JsonObject);
    });
  }
  if (capabilities.sampling) {
    client.setRequestHandler("sampling/createMessage", (request) => {
      note(request);
      return ANSWERS.sample();
    });
  }
  if (capabilities.roots) client.setRequestHandler("roots/list", ANSWERS.roots);
}
