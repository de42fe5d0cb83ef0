// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/client/websocket"
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
// @ts-types="@modelcontextprotocol/sdk/shared/transport"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResultSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";
import { ANSWERS, doorUrl, type EraClient, type Place, shimCommand } from "./era_client.ts";

function transportTo(place: Place): Transport {
  switch (place.door) {
    case "http":
      return new StreamableHTTPClientTransport(doorUrl(place)) as Transport;
    case "shim":
      return new StdioClientTransport({ ...shimCommand(place), stderr: "ignore" });
    case "websocket":
      return new WebSocketClientTransport(doorUrl(place));
  }
}

/** The client of SDK 1.32. */
export async function legacyClient(place: Place, capabilities: JsonObject): Promise<EraClient> {
  const client = new Client({ name: "legacy", version: "1" }, { capabilities });
  const questions: JsonObject[] = [];
  const notifications: JsonObject[] = [];
  answer(client, capabilities, questions);
  client.fallbackNotificationHandler = (told) => Promise.resolve(void notifications.push(told as JsonObject));
  await client.connect(transportTo(place));
  return {
    era: "legacy",
    questions,
    notifications,
    tools: async () => (await client.listTools()).tools as unknown as JsonObject[],
    prompts: async () => (await client.listPrompts()).prompts as unknown as JsonObject[],
    resources: async () => (await client.listResources()).resources as unknown as JsonObject[],
    call: async (name, args, { signal, onprogress } = {}) =>
      await client.callTool({ name, arguments: args }, undefined, { signal, onprogress }) as JsonObject,
    read: async (uri) => await client.readResource({ uri }) as JsonObject,
    prompt: async (name) => await client.getPrompt({ name }) as unknown as JsonObject,
    request: async (method, params) => await client.request({ method, params }, ResultSchema) as JsonObject,
    async watch(uris) {
      for (const uri of uris) await client.subscribeResource({ uri });
    },
    setLogLevel: async (level) => void await client.setLoggingLevel(level as "info"),
    async [Symbol.asyncDispose]() {
      await (client.transport as StreamableHTTPClientTransport | undefined)?.terminateSession?.();
      await client.close();
    },
  };
}

function answer(client: Client, capabilities: JsonObject, questions: JsonObject[]): void {
  const note = ({ method, params }: { method: string; params?: unknown }) =>
    void questions.push({ method, params: params as JsonObject });
  if (capabilities.elicitation) {
    client.setRequestHandler(ElicitRequestSchema, (request) => {
      note(request);
      return ANSWERS.elicit(request.params as unknown as JsonObject);
    });
  }
  if (capabilities.sampling) {
    client.setRequestHandler(CreateMessageRequestSchema, (request) => {
      note(request);
      return ANSWERS.sample();
    });
  }
  if (capabilities.roots) client.setRequestHandler(ListRootsRequestSchema, ANSWERS.roots);
}
