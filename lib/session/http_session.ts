import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import { heapBytesOf } from "../base/heap_bytes.ts";
import type { JsonObject } from "../base/json.ts";
import type { Target } from "../call/call.ts";
import { HttpServerTransport } from "../transport/http_server.ts";
import { toRpcError } from "../wire/codes.ts";
import { type RequestId, responseTo, type RpcMessage } from "../wire/rpc.ts";
import { tooLargeNotice } from "./connection.ts";
import { sendable } from "./encode.ts";
import { McpPeer, type MessageSink } from "./mcp_peer.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";

const log = getLogger(["exai", "session"]);

/** What a Streamable HTTP session needs of the daemon. */
interface HttpSessionHooks {
  registry: SessionRegistry;
  target: Target;
  onNotification(session: Session, method: string, params: JsonObject): void;
}

export interface HttpSessionOptions {
  /** The one server this session sees; undefined for the merged catalog. */
  server?: string;
  /** The client's working directory: mounted servers start there, but no tool reads files there. */
  cwd?: string;
  /** Ids of the daemons between the client and this one. */
  via?: readonly string[];
  /** On whose behalf the client connects; `isOwner`: the daemon's own user. */
  principal: { id: string; isOwner: boolean };
  /** Unread bytes buffered for one stream of the client. */
  maxQueuedBytes: number;
}

/**
 * Creates the transport for a client that is about to initialize over HTTP (MCP basic/transports). Its session begins
 * with a valid `initialize` and ends with the transport; a cut connection ends neither.
 */
export function openHttpSession(hooks: HttpSessionHooks, options: HttpSessionOptions): HttpServerTransport {
  const { maxQueuedBytes, principal: { id: principal, isOwner }, ...about } = options;
  const transport = new HttpServerTransport({
    maxQueuedBytes,
    keep: hooks.registry.replayLimits,
    newSessionId: () => {
      const session = hooks.registry.create({
        ...about,
        principal,
        wantedId: publicId(),
        isResumable: false,
        isReading: () => transport.isReading,
        namedDirs: isOwner ? "start" : "none",
        listens: () => transport.listening,
      });
      attach(session, transport, hooks);
      return crypto.randomUUID();
    },
  });
  return transport;
}

/**
 * The id an HTTP session has in logs and in status. It is not the `Mcp-Session-Id`, which is a credential: any client
 * that sends it can use the session.
 */
function publicId(): string {
  return `http-${crypto.randomUUID().slice(0, 8)}`;
}

function attach(session: Session, transport: HttpServerTransport, hooks: HttpSessionHooks): void {
  const sink = streamSink(session, transport);
  const peer = new McpPeer(session, sink, {
    target: hooks.target,
    onNotification: (method, params) => hooks.onNotification(session, method, params),
  });
  let hasBegun = false;
  const count = () => {
    session.bytesIn = transport.bytesIn;
    session.bytesOut = transport.bytesOut;
  };
  session.output.attach({ send: () => {}, close: () => void transport.close() });
  session.ended.addEventListener("abort", () => void transport.close(), { once: true });
  transport.onclose = () => {
    count();
    hooks.registry.end(session, "the client ended its session");
  };
  transport.onerror = ({ message }) => log.debug("session {id}: {message}", { id: session.id, message });
  transport.onmessage = (message) => {
    count();
    // Only the first message: a later, invalid initialize gets an error and does not end the session.
    if (!hasBegun && "method" in message && "id" in message) sink.initializing(message.id);
    hasBegun = true;
    peer.receive(message as unknown as JsonObject, heapBytesOf(message));
  };
}

/** Sends each message of the peer on the stream of the request it belongs to. */
function streamSink(session: Session, transport: HttpServerTransport) {
  const { maxFrameBytes } = session;
  let initializeId: RequestId | undefined;
  const send = (message: RpcMessage, relatedRequestId?: RequestId) =>
    transport.send(message, { relatedRequestId }).catch((thrown) => {
      log.debug("session {id}: a message could not be sent: {thrown}", { id: session.id, thrown });
    });
  return {
    initializing: (id: RequestId) => initializeId = id,
    async respond(id, response) {
      const refuse = (error: ExaiError) => responseTo(id, { error: toRpcError(error) });
      const isInitialize = id === initializeId;
      // The client may reuse the id later, in a request whose error must not end the session.
      if (isInitialize) initializeId = undefined;
      await send(sendable(response, maxFrameBytes, refuse));
      // A client that could not initialize starts over with another session.
      if (response.error && isInitialize) await transport.close();
    },
    // The transport itself rejects a request with the id of a pending one; this request has its own stream.
    rejectDuplicate: (_id, response) => void send(response),
    send(message, { relatedTo, onUndelivered }) {
      const refuse = (error: ExaiError) => {
        onUndelivered?.(error);
        return tooLargeNotice(error);
      };
      void send(sendable<RpcMessage>(message, maxFrameBytes, refuse), relatedTo);
    },
    abandon: (id) => transport.abandon(id),
  } satisfies MessageSink & { initializing(id: RequestId): void };
}
