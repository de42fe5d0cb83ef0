import type { Transport } from "./transport.ts";
import type { RequestId, RpcMessage } from "../wire/rpc.ts";

/** What a transport knows of a message beside what is in it; the SDK's transports have words of their own here. */
export interface MessageExtra {
  /** The request of ours on whose own stream it came, where requests have one. */
  about?: RequestId;
}

/** The transport of an upstream, with what only some transports have. */
export interface UpstreamTransport extends Transport {
  /** Process id of a server that runs as a child. */
  readonly pid?: number;
  /** How the server's own stream stands, where there is one. */
  readonly listening?: string;
  /** What kept the server's messages from being understood, where that is known. */
  readonly protocolIssue?: string;
  /** Why it has ended, in words, where that is known. */
  describeEnd?(): string;
  onmessage?: (message: RpcMessage, extra?: MessageExtra) => void;
  setProtocolVersion?(revision: string): void;
  /** The server knows us no more: what is under way may still be answered, but nothing new is. */
  onlost?: (why: string) => void;
  /** What the server sent for some time was not heard, and now it is again. */
  onresumed?: () => void;
}
