import type { RequestId, RpcMessage } from "../wire/rpc.ts";

/**
 * Moves JSON-RPC messages to and from one peer. The interface of the MCP SDK's `Transport`, so that the SDK's
 * transports and clients fit without an adapter.
 */
export interface Transport {
  /** Begins delivery. The callbacks must be set before. */
  start(): Promise<void>;
  /**
   * Queues one message.
   *
   * @throws when the transport is closed
   */
  send(message: RpcMessage, options?: SendOptions): Promise<void>;
  close(): Promise<void>;
  /** Called once, whichever side closed. */
  onclose?: () => void;
  /** Called with an error that does not end the transport. */
  onerror?: (error: Error) => void;
  onmessage?: (message: RpcMessage) => void;
}

interface SendOptions {
  /** The request of the peer that this message belongs to; HTTP sends it on that request's stream. */
  relatedRequestId?: RequestId;
}
