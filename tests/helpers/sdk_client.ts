// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/client/websocket"
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
// @ts-types="@modelcontextprotocol/sdk/shared/transport"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  type ClientCapabilities,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { fromFileUrl } from "@std/path";

const SHIM = fromFileUrl(new URL("../../shim.ts", import.meta.url));

export interface SdkClientOptions {
  name?: string;
  capabilities?: ClientCapabilities;
  roots?: string[];
}

/** The SDK's own client on the subprotocol `mcp`; answers whatever it is asked with its own name. */
export function sdkClient(url: string, options: SdkClientOptions = {}) {
  return connected(new WebSocketClientTransport(new URL(url)), options);
}

export interface ShimWindowOptions extends SdkClientOptions {
  /** State directory of the daemon. */
  home: string;
  /** Where the daemon listens. */
  url: string;
  /** Directory the window works in. */
  cwd: string;
}

/** The same client as a window has it: on stdin and stdout of the real `shim.ts` in a process of its own. */
export function shimWindow({ home, url, cwd, ...options }: ShimWindowOptions) {
  const transport = new StdioClientTransport({
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", SHIM],
    env: {
      ...Deno.env.toObject(),
      EXAI_HOME: home,
      EXAI_WS_PORT: new URL(url).port,
      EXAI_WS_AUTOSTART: "false",
      ENV_FILE: "",
    },
    cwd,
    stderr: "ignore",
  });
  return connected(transport, options);
}

async function connected(transport: Transport, options: SdkClientOptions) {
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
  await client.connect(transport);
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

/** The text of the first content block of a tool's result. */
export function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}

/** What the tool `name` of the server at `url` answers, or what is said where it cannot be called. */
export async function saidBy(url: string, name: string): Promise<string> {
  try {
    const client = await sdkClient(url);
    const text = textOf(await client.callTool({ name, arguments: {} }));
    await client.close();
    return text!;
  } catch (thrown) {
    return String(thrown);
  }
}
