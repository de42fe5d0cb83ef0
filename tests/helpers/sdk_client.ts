// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/websocket"
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  type ClientCapabilities,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

export interface SdkClientOptions {
  name?: string;
  capabilities?: ClientCapabilities;
  roots?: string[];
}

/** The SDK's own client on the subprotocol `mcp`; answers whatever it is asked with its own name. */
export async function sdkClient(url: string, options: SdkClientOptions = {}) {
  const { name = "sdk", capabilities = {}, roots } = options;
  const offered = roots ? { roots: { listChanged: true }, ...capabilities } : capabilities;
  const client = new Client({ name, version: "1" }, { capabilities: offered });
  if (offered.elicitation) {
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name } }));
  }
  if (offered.sampling) {
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: "fixture",
      role: "assistant",
      content: { type: "text", text: name },
    }));
  }
  if (roots) {
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: roots.map((uri) => ({ uri })) }));
  }
  await client.connect(new WebSocketClientTransport(new URL(url)));
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

/** The text of the first content block of a tool's result. */
export function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}
