import type { JsonObject } from "../../../base/json.ts";
import { isObject } from "../../../base/json.ts";
import type { Call, Caller } from "../../../call/call.ts";
import type { InitializeResult } from "../../../wire/mcp.ts";
import type { Params } from "../../../wire/raw_object.ts";
import type { Result, RpcNotification, RpcRequest } from "../../../wire/rpc.ts";
import { notificationOf } from "../../../wire/text_request.ts";
import type { UpstreamExchange } from "../exchange.ts";
import type { Inbound } from "../inbound.ts";
import type { Origin } from "../inflight.ts";
import type { SharedLogLevel } from "../log_level.ts";
import type { SharedStateCalls } from "../shared_state_calls.ts";
import type { ServerLink } from "./server_link.ts";

interface LegacyLinkParts {
  description: InitializeResult;
  exchange: UpstreamExchange;
  inbound: Inbound;
  logLevel: SharedLogLevel;
  sharedStateCalls: SharedStateCalls;
}

/** Speaks with a server that was initialized: MCP up to 2025-11-25. */
export class LegacyLink implements ServerLink {
  readonly era = "legacy";
  readonly asksBesideCalls = true;
  readonly description: InitializeResult;
  readonly #parts: LegacyLinkParts;

  constructor(parts: LegacyLinkParts) {
    this.description = parts.description;
    this.#parts = parts;
  }

  get revision(): string {
    return this.description.protocolVersion;
  }

  call(call: Call): Promise<Result> {
    const { exchange, sharedStateCalls, logLevel } = this.#parts;
    if (call.logLevel !== undefined && this.#logs) logLevel.callWants(call.caller, call.logLevel);
    // The common case, without a promise in between.
    return call.method === "tools/call" ? exchange.forward(call) : sharedStateCalls.run(call);
  }

  ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result> {
    return this.#parts.exchange.ask(method, params, timeoutMs);
  }

  ping(timeoutMs: number): Promise<unknown> {
    return this.ask("ping", {}, timeoutMs);
  }

  receive(message: RpcRequest | RpcNotification, origin: Origin | undefined): void {
    this.#parts.inbound.receive(message, origin);
  }

  /** A task status only for a task of this server. */
  notify(caller: Caller, method: string, params: Params): void {
    const { inbound, exchange } = this.#parts;
    const isStatus = method === "notifications/tasks/status";
    const shown = isStatus ? inbound.clientTaskStatus(caller, params) : params;
    if (shown) exchange.send(notificationOf(method, shown));
  }

  sessionsChanged({ level } = { level: false }): void {
    const { exchange, logLevel } = this.#parts;
    if (level) return void logLevel.update().catch(() => {});
    if (!exchange.hasEnded && this.#logs) logLevel.attachedChanged();
  }

  get #logs(): boolean {
    return isObject(this.description.capabilities.logging);
  }
}
