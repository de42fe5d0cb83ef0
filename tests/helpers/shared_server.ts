// @ts-types="@modelcontextprotocol/sdk/inMemory"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
// @ts-types="@modelcontextprotocol/sdk/server/index"
import type { ServerOptions } from "@modelcontextprotocol/sdk/server/index.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { ServerConfig } from "../../lib/config/server_config.ts";
import type { ListKind } from "../../lib/call/server.ts";
import type { ListStore } from "../../lib/upstream/list_store.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import { MountedServer } from "../../lib/upstream/mounted_server.ts";
import type { MountedServerOptions } from "../../lib/upstream/server_options.ts";
import type { RpcMessage } from "../../lib/wire/rpc.ts";
import type { Connect } from "../../lib/upstream/start_instance.ts";
import { parsed } from "./messages.ts";

export interface SharedServerOptions {
  config?: Partial<ServerConfig>;
  /** What each server is made with, beside logging and resources. */
  serverOptions?: ServerOptions;
  /** What each start waits for. */
  before?: Promise<void>;
  /** Where what the server shows is kept. */
  lists?: ListStore;
  /** How long after a call what the server says may be about it, in milliseconds. */
  settleMs?: number;
  /** Decides when calls may run on each of its processes; left out: at once. */
  admissionFor?: MountedServerOptions["admissionFor"];
  /** Takes what the server says that belongs to no window. */
  log?(server: string, text: string): void;
  /** Fills a fresh server of the SDK; called once for each instance that is started. */
  build(server: McpServer, n: number): void;
}

const CAPABILITIES = { logging: {}, resources: { subscribe: true, listChanged: true } };

/** A mounted server whose instances are servers of the MCP SDK in this process. */
export function sharedServer(options: SharedServerOptions) {
  const servers: McpServer[] = [];
  const mount = mountedServer(options.config ?? {}, async () => {
    await options.before;
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const server = new McpServer({ name: "fixture", version: "1" }, {
      ...options.serverOptions,
      capabilities: { ...CAPABILITIES, ...options.serverOptions?.capabilities },
    });
    options.build(server, servers.push(server));
    await server.connect(theirs);
    // What is sent is a text, as between processes.
    const send = ours.send.bind(ours);
    ours.send = (message) => send(parsed(message as RpcMessage) as typeof message);
    return ours as unknown as UpstreamTransport;
  }, options);
  return Object.assign(mount, { servers });
}

/** A mounted server that is reached by `connect`. */
export function mountedServer(
  given: Partial<ServerConfig>,
  connect: Connect,
  options: Pick<MountedServerOptions, "lists" | "probes" | "admissionFor" | "settleMs" | "log"> & {
    onListChanged?: () => void;
  } = {},
) {
  const changes: ListKind[][] = [];
  const config = {
    kind: "stdio",
    name: "shared",
    title: "shared",
    share: "project",
    cwdFree: false,
    tools: { exclude: [], rename: {}, prefix: "" },
    startTimeoutMs: 5000,
    era: "legacy",
    idleStopMs: 60_000,
    command: "none",
    args: [],
    env: {},
    ...given,
  } as ServerConfig;
  const { lists, probes, settleMs, log, admissionFor } = options;
  const mounted = new MountedServer(config, {
    connect,
    clientInfo: { name: "exai", version: "1" },
    lists,
    probes,
    settleMs,
    log,
    admissionFor,
    onListChanged: (kinds) => {
      changes.push([...kinds]);
      options.onListChanged?.();
    },
  });
  return { mounted, changes, [Symbol.asyncDispose]: () => mounted[Symbol.asyncDispose]() };
}
