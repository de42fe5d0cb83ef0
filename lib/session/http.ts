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
import { McpPeer, type PeerOutlet } from "./mcp_peer.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";

const log = getLogger(["exai", "session"]);

/** What the sessions of Streamable HTTP need of the daemon. */
interface HttpSessionHooks {
  registry: SessionRegistry;
  target: Target;
  onNotification(session: Session, method: string, params: JsonObject): void;
}

export interface HttpSessionOptions {
  /** The one server this session sees; undefined for the merged catalog. */
  server?: string;
  /** Working directory of the client, if it told: mounted servers start there, but no tool reads there for it. */
  cwd?: string;
  /** The daemons by which it comes. */
  via?: readonly string[];
  /** On whose behalf it comes; `isOwner`: that of the daemon's own user. */
  principal: { id: string; isOwner: boolean };
  /** Unread bytes held for one stream of the client. */
  maxQueuedBytes: number;
}

/**
 * The transport for a client that is about to initialize over HTTP. Its session begins when the transport has found
 * the client's `initialize` valid, and ends with the transport; a cut connection ends neither.
 */
export function openHttpSession(hooks: HttpSessionHooks, options: HttpSessionOptions): HttpServerTransport {
  const { maxQueuedBytes, principal: { id: principal, isOwner }, ...about } = options;
  const transport = new HttpServerTransport({
    maxQueuedBytes,
    keep: hooks.registry.mailboxLimits,
    newSessionId: () => {
      const session = hooks.registry.create({
        ...about,
        principal,
        wantedId: shownId(),
        resumable: false,
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
 * The id under which an HTTP session is shown, logged and ended. The `Mcp-Session-Id` its client sends is another:
 * whoever knows that one can use the session, so it is shown to nobody else.
 */
function shownId(): string {
  return `http-${crypto.randomUUID().slice(0, 8)}`;
}

function attach(session: Session, transport: HttpServerTransport, hooks: HttpSessionHooks): void {
  const outlet = streamOutlet(session, transport);
  const peer = new McpPeer(session, outlet, {
    target: hooks.target,
    onNotification: (method, params) => hooks.onNotification(session, method, params),
  });
  let begun = false;
  const count = () => {
    session.bytesIn = transport.bytesIn;
    session.bytesOut = transport.bytesOut;
  };
  session.mailbox.attach({ send: () => {}, close: () => void transport.close() });
  session.ended.addEventListener("abort", () => void transport.close(), { once: true });
  transport.onclose = () => {
    count();
    hooks.registry.end(session, "the client ended its session");
  };
  transport.onerror = ({ message }) => log.debug("session {id}: {message}", { id: session.id, message });
  transport.onmessage = (message) => {
    count();
    // Only the message that began the session: a later, malformed initialize is refused and ends nothing.
    if (!begun && "method" in message && "id" in message) outlet.initializing(message.id);
    begun = true;
    peer.receive(message as unknown as JsonObject, heapBytesOf(message));
  };
}

/** What the peer says, led to the stream it belongs on. */
function streamOutlet(session: Session, transport: HttpServerTransport) {
  const { maxFrameBytes } = session;
  let initializeId: RequestId | undefined;
  const send = (message: RpcMessage, relatedRequestId?: RequestId) =>
    transport.send(message, { relatedRequestId }).catch((thrown) => {
      log.debug("session {id}: a message could not be sent: {thrown}", { id: session.id, thrown });
    });
  return {
    initializing: (id: RequestId) => initializeId = id,
    async answer(id, response) {
      const refuse = (error: ExaiError) => responseTo(id, { error: toRpcError(error) });
      const isInitialize = id === initializeId;
      // Its id may come again, in a request whose error concerns nobody else.
      if (isInitialize) initializeId = undefined;
      await send(sendable(response, maxFrameBytes, refuse));
      // A client that could not initialize begins anew, with another session.
      if (response.error && isInitialize) await transport.close();
    },
    // The transport refuses what shares the id of a request that still waits; this one has a stream of its own.
    refuseTwin: (_id, response) => void send(response),
    post(message, { relatedTo, onlost }) {
      const refuse = (error: ExaiError) => {
        onlost?.(error);
        return tooLargeNotice(error);
      };
      void send(sendable<RpcMessage>(message, maxFrameBytes, refuse), relatedTo);
    },
    abandon: (id) => transport.abandon(id),
  } satisfies PeerOutlet & { initializing(id: RequestId): void };
}
