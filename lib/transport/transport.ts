import type { RequestId, RpcMessage } from "../wire/rpc.ts";

/**
 * Moves JSON-RPC messages between us and one peer. The shape of the MCP SDK's `Transport`, so that the SDK's own
 * transports (Streamable HTTP, SSE, in-memory, stdio) and clients fit without an adapter.
 */
export interface Transport {
  /** Begins delivery; the callbacks must be set before. */
  start(): Promise<void>;
  /**
   * Queues one message.
   *
   * @throws when the transport is closed
   */
  send(message: RpcMessage, options?: SendOptions): Promise<void>;
  close(): Promise<void>;
  /** Called once, whoever closed. */
  onclose?: () => void;
  /** Something was wrong that did not end the transport. */
  onerror?: (error: Error) => void;
  onmessage?: (message: RpcMessage) => void;
}

export interface SendOptions {
  /** The request of the peer this message belongs to; HTTP sends it down that request's stream. */
  relatedRequestId?: RequestId;
}
