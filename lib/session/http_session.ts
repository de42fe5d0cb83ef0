import { getLogger } from "@logtape/logtape";
import { heapBytes } from "../base/heap_bytes.ts";
import type { Target } from "../call/call.ts";
import { HttpServerTransport } from "../transport/http_server.ts";
import type { RequestRef } from "../wire/message_text.ts";
import type { Params } from "../wire/raw_object.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import { McpPeer } from "./mcp_peer.ts";
import { encodeMessage, encodeResponse, type MessageSink } from "./message_sink.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";
import { withdrawnId } from "./withdrawal.ts";

const log = getLogger(["exai", "session"]);

/** What a Streamable HTTP session needs of the daemon. */
interface HttpSessionHooks {
  registry: SessionRegistry;
  target: Target;
  onNotification(session: Session, method: string, params: Params): void;
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
    if (!hasBegun && message.kind === "request") sink.initializing(message.id);
    hasBegun = true;
    peer.receive(message, heapBytes(message.text));
  };
}

/** Sends each message of the peer on the stream of the request it belongs to. */
function streamSink(session: Session, transport: HttpServerTransport) {
  const { maxFrameBytes: maxBytes } = session;
  let initializeId: RequestId | undefined;
  const logged = (sent: Promise<void>) =>
    sent.catch((thrown) => {
      log.debug("session {id}: a message could not be sent: {thrown}", { id: session.id, thrown });
    });
  const respond = (request: RequestRef, result: Result) =>
    logged(transport.respond(request, encodeResponse(request.idText, result, maxBytes)));
  return {
    initializing: (id: RequestId) => initializeId = id,
    async respond(request, result) {
      // The endpoint has rejected what has no id.
      if (request === undefined) return;
      const isInitialize = request.id === initializeId;
      // The client may reuse the id later, in a request whose error must not end the session.
      if (isInitialize) initializeId = undefined;
      await respond(request, result);
      // A client that could not initialize starts over with another session.
      if (result.error && isInitialize) await transport.close();
    },
    // The transport itself rejects a request with the id of a pending one; this request has its own stream.
    rejectDuplicate: (request, result) => void respond(request, result),
    send(message, { relatedTo, onUndelivered }) {
      if (message.method === "notifications/cancelled" && transport.withdraw(withdrawnId(message.params))) {
        return;
      }
      const { text, method } = encodeMessage(message, { maxBytes, onUndelivered });
      const { id } = message;
      // A notice replaces a request that is too large.
      const isRequest = id !== undefined && method === message.method;
      void logged(
        isRequest
          ? transport.ask({ id, method, text, onUndelivered }, relatedTo)
          : transport.notify(method, text, relatedTo),
      );
    },
    abandon: (id) => transport.abandon(id),
  } satisfies MessageSink & { initializing(id: RequestId): void };
}
