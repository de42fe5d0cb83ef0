import type { ExaiError } from "../../../base/errors.ts";
import type { Call, Caller } from "../../../call/call.ts";
import type { JsonObject } from "../../../base/json.ts";
import type { Era } from "../../../wire/client_claim.ts";
import type { InitializeResult } from "../../../wire/mcp.ts";
import type { Params } from "../../../wire/raw_object.ts";
import type { Result, RpcNotification, RpcRequest, RpcResponse } from "../../../wire/rpc.ts";
import type { Origin } from "../inflight.ts";

/** How one running server is spoken with. Nothing beside the links depends on the era of a server. */
export interface ServerLink {
  readonly era: Era;
  /** The revision of MCP spoken with it. */
  readonly revision: string;
  /** What it says of itself, as an answer to `initialize` of the legacy era. */
  readonly description: InitializeResult;
  /** Whether it sends requests to clients, and does not say for which call. */
  readonly asksBesideCalls: boolean;
  /**
   * Forwards a call and its result.
   *
   * @throws {ExaiError} the signal's reason (the request is cancelled), `UPSTREAM_UNAVAILABLE` when the server ends
   * meanwhile
   */
  call(call: Call): Promise<Result>;
  /**
   * Sends a request of the daemon's own.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server does not answer in time, or is gone
   */
  ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result>;
  /** Rejects when the server does not show within `timeoutMs` that it reads messages. */
  ping(timeoutMs: number): Promise<unknown>;
  /** Whether calls of `method` are answered by one request that is made for many. Default: none is. */
  joinsOthers?(method: string): boolean;
  /** Takes a request or notification of the server. */
  receive(message: RpcRequest | RpcNotification, origin: Origin | undefined): void;
  /** Takes a response to no call; returns whether it was one of the link's own. */
  settle?(response: RpcResponse): boolean;
  /** Forwards a notification of a client that belongs to no call. */
  notify(caller: Caller, method: string, params: Params): void;
  /** A session was attached or detached, or wants another log level. */
  sessionsChanged(options?: { level: boolean }): void;
  /** The server has ended. */
  stop?(reason: ExaiError): void;
  /** Opens a stream of notifications; undefined where the server sends them unasked. */
  openListen?: OpenListen;
}

/**
 * Sends `subscriptions/listen` with `filter`, its `notifications`; resolves when the server has acknowledged it (MCP
 * basic/patterns/subscriptions).
 *
 * @param deliver called with each notification of the stream, in order
 * @throws {ExaiError} `METHOD_NOT_FOUND` when the server does not know the method, so that it need not be asked again;
 * `UPSTREAM_UNAVAILABLE` when it refuses it otherwise, does not acknowledge it in time, or is gone
 */
export type OpenListen = (
  filter: JsonObject,
  deliver: (method: string, params: Params) => void,
) => Promise<ListenStream>;

/** A stream of notifications that a server has acknowledged. */
export interface ListenStream {
  /** The part of the filter that the server honours. */
  readonly honoured: JsonObject;
  /** Resolves when it has ended: with `isGraceful` where the server said so, and otherwise with the connection. */
  readonly ended: Promise<{ isGraceful: boolean }>;
  /** Ends it. */
  close(): void;
}
