import type { Transport } from "./transport.ts";
import type { RequestId, RpcMessage } from "../wire/rpc.ts";

/** What a transport knows about a message beside its content. */
export interface MessageExtra {
  /** The request of ours on whose stream the message came, where requests have one. */
  about?: RequestId;
}

/** What `send` of a transport without streams returns when the server keeps up: nothing remains to wait for. */
export const SENT: Promise<void> = Promise.resolve();

/** The transport of an upstream, with optional members that only some have. */
export interface UpstreamTransport extends Transport {
  /** Process id of a server that runs as a child process. */
  readonly pid?: number;
  /** State of the standalone stream, where there is one. */
  readonly listening?: string;
  /** What keeps the server's messages from being understood, if that is known. */
  readonly protocolIssue?: string;
  /** Resolves when a server that runs as a child process has written something, be it no message; undefined for others. */
  readonly awake?: Promise<void>;
  /** Whether it is ending: nothing can be sent any more, and `onclose` is still to be called. */
  readonly isEnding?: boolean;
  /** Why it has ended, in words. */
  describeEnd?(): string;
  onmessage?: (message: RpcMessage, extra?: MessageExtra) => void;
  setProtocolVersion?(revision: string): void;
  /** The request `id` is withdrawn: its stream is closed, which tells a server of the modern era. */
  withdraw?(id: RequestId): void;
  /** Called when the server has lost the session: requests under way may still be answered, new ones are not. */
  onlost?: (why: string) => void;
  /** Called when the standalone stream is open again: what was sent meanwhile is lost. */
  onresumed?: () => void;
}
