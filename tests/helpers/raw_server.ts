// @ts-types="@modelcontextprotocol/sdk/inMemory"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerConfig } from "../../lib/config/server_config.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import type { RpcMessage, RpcRequest } from "../../lib/wire/rpc.ts";
import { sentText } from "../../lib/wire/text_request.ts";
import { mountedServer } from "./shared_server.ts";

export interface RawServerOptions {
  config?: Partial<ServerConfig>;
  capabilities?: JsonObject;
  /** How long after a call what the server says may be about it, in milliseconds. */
  settleMs?: number;
  /** Takes what the server says that belongs to no window. */
  log?(server: string, text: string): void;
  /** The result of a request; undefined: none is sent. */
  answer(request: RpcRequest, server: RawConnection): unknown;
}

/** A server that implements only `initialize` of MCP: it records what it receives and answers as the test says. */
export class RawConnection {
  readonly received: RpcMessage[] = [];
  /** Resolves when the daemon has let go of it. */
  readonly closed: Promise<void>;
  readonly #transport: InMemoryTransport;
  readonly #takers: { wanted(message: RpcMessage): boolean; resolve(message: RpcMessage): void }[] = [];

  constructor(transport: InMemoryTransport, options: RawServerOptions) {
    this.#transport = transport;
    this.closed = new Promise((resolve) => transport.onclose = resolve);
    // As it is written for a server, and read by it.
    transport.onmessage = (message) => this.#take(JSON.parse(sentText(message as RpcMessage)), options);
  }

  send(message: object): void {
    void this.#transport.send({ jsonrpc: "2.0", ...message } as never);
  }

  /** The first message received, or still to come, that `wanted` accepts. */
  message(wanted: (message: RpcMessage) => boolean): Promise<RpcMessage> {
    const known = this.received.find(wanted);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => this.#takers.push({ wanted, resolve }));
  }

  #take(message: RpcMessage, { capabilities = { tools: {} }, answer }: RawServerOptions): void {
    this.received.push(message);
    for (const { wanted, resolve } of this.#takers) if (wanted(message)) resolve(message);
    if (!("method" in message) || !("id" in message)) return;
    const result = message.method === "initialize"
      ? { protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "raw", version: "1" } }
      : answer(message, this);
    if (result !== undefined) this.send({ id: message.id, result });
  }
}

/** A mounted server whose instances are {@linkcode RawConnection}s. */
export function rawServer(options: RawServerOptions) {
  const connections: RawConnection[] = [];
  const mount = mountedServer({ name: "raw", title: "raw", ...options.config }, async () => {
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    connections.push(new RawConnection(theirs, options));
    await theirs.start();
    return ours as unknown as UpstreamTransport;
  }, options);
  return Object.assign(mount, { connections });
}
