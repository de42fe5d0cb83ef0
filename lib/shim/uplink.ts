import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { VERSION } from "../base/version.ts";
import type { Link } from "../client/link.ts";
import { inheritedVia } from "../config/process_variables.ts";
import type { Settings } from "../config/settings.ts";
import { eachLine, LineJoiner } from "../transport/line_joiner.ts";
import { type Line, Utf8Line } from "../transport/line.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { HEAD_CHARS, readEnds, TAIL_CHARS } from "../wire/message_ends.ts";
import type { HelloAck } from "../wire/ops.ts";
import { peek, type Peeked } from "../wire/peek.ts";
import { isEphemeral, jsonId, type RequestId } from "../wire/rpc.ts";
import { formatVia } from "../wire/via.ts";
import { LivenessCheck } from "./liveness_check.ts";
import type { PendingRequest } from "./pending_messages.ts";
import { Receipts } from "./receipts.ts";
import type { JournalFindings } from "./recovery.ts";
import { ShimRequests } from "./shim_requests.ts";

const log = getLogger(["exai", "shim"]);

/** What the owner of an {@linkcode Uplink} provides and is notified of. */
interface UplinkHooks {
  /** The requests that are not answered. */
  requests(): PendingRequest[];
  /** Whether something is expected of the daemon: an answer, or an acknowledgement of what it was sent. */
  isWaiting(): boolean;
  /** A message for the client. */
  onMessage(message: DaemonMessage, peeked: Peeked): void;
  /** The daemon has not taken the message with this number in the session, which it was sent unread. */
  onReturned(number: number): void;
  /** The same daemon has resumed the session; the requests in `unseen` never arrived. */
  onResume(unseen: ReadonlySet<RequestId>, facts: { knowsArrivals: boolean }): void;
  /** The first `count` messages sent in the session, as {@linkcode Uplink.sentCount} counts, have arrived. */
  onAcknowledge(count: number): void;
  /** The daemon does not know the client. `recovered`: what its journal has of our requests, if it knows the session. */
  onRestart(recovered: JournalFindings | undefined): void;
  /** Initializes a daemon that does not know the client; `replayed`: whether there was anything to replay. */
  introduce(): Promise<{ replayed: boolean }>;
  /** That daemon now takes the client's messages. */
  onIntroduced(facts: { replayed: boolean }): void;
  onDisconnect(end: SocketEnd): void;
}

/** A message of the daemon; in UTF-8 it ends with its line break. */
export type DaemonMessage = Pick<Line, "text" | "utf8">;

export type UplinkSettings =
  & Pick<Settings, "maxFrameBytes" | "pingIntervalMs" | "pingTimeoutMs" | "sessionId" | "server">
  & {
    /** The window's directory, read at the start: it may be deleted later. */
    cwd: string | undefined;
    /** The window of the editor that the client belongs to, as the hello says it. */
    window?: { id?: string; pid?: number; started?: string };
  };

/** The shim's session with the daemon, over any number of connections. */
export class Uplink {
  /** Largest message the daemon takes, in bytes. */
  maxFrameBytes: number;
  readonly requests = new ShimRequests((text) => void this.send(text));
  readonly #hooks: UplinkHooks;
  readonly #receipts = new Receipts((text) => void this.#write(text));
  readonly #liveness: LivenessCheck;
  readonly #server: string | undefined;
  readonly #cwd: string | undefined;
  readonly #window: UplinkSettings["window"];
  #sessionId: string | undefined;
  #resumeToken: string | undefined;
  #link: Link | undefined;
  /** Set when the daemon takes several messages in one frame. */
  #joiner: LineJoiner | undefined;
  #isReady = false;
  #sentCount = 0;
  /** Whether the session to be resumed has been initialized; a connection may be cut before that. */
  #isIntroduced = false;

  constructor(settings: UplinkSettings, hooks: UplinkHooks) {
    this.#hooks = hooks;
    this.maxFrameBytes = settings.maxFrameBytes;
    this.#server = settings.server || undefined;
    this.#cwd = settings.cwd;
    this.#window = settings.window;
    this.#sessionId = settings.sessionId || undefined;
    this.#liveness = new LivenessCheck({
      intervalMs: settings.pingIntervalMs,
      timeoutMs: settings.pingTimeoutMs,
      isWaiting: () => hooks.isWaiting(),
      ping: () => this.requests.request("ping").catch(() => {}),
      onUnresponsive: () => this.cut("the daemon does not answer pings"),
    });
  }

  /** Whether the client's messages may be sent. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** The next hello, without token or proof (docs/protocol.md). */
  hello(): JsonObject {
    const resume = this.#resumeToken
      ? {
        token: this.#resumeToken,
        // With each listen that some daemon had: the next must know that it restores it.
        waiting: this.#hooks.requests()
          .filter(({ isSent, listen }) => isSent || listen?.isAcknowledged)
          .map(({ id }) => jsonId(id)),
        posts: this.#receipts.messages,
      }
      : true;
    const via = inheritedVia();
    return {
      ...(via.length > 0 ? { via: formatVia(via) } : {}),
      client: { name: "exai-shim", version: VERSION },
      cwd: this.#cwd,
      pid: Deno.pid,
      ...(this.#window ? { window: this.#window } : {}),
      nudge: true,
      lines: true,
      bytes: true,
      receipts: true,
      resume,
      ...(this.#server ? { server: this.#server } : {}),
      ...(this.#sessionId ? { session_id: this.#sessionId } : {}),
    };
  }

  /** Number of the last message sent in this session. */
  get sentCount(): number {
    return this.#sentCount;
  }

  /** Whether the daemon acknowledges messages, so that backpressure can bound what is sent. */
  get acknowledgesMessages(): boolean {
    return this.#link?.ack.receipts === true;
  }

  /** Whether messages may be sent that were not read: the daemon takes bytes, and returns what is not valid. */
  get takesUnread(): boolean {
    return this.#isReady && this.#link?.ack.bytes === true;
  }

  /** Sends one message; false when there is no connection. */
  send(text: string): boolean {
    if (!this.#write(text)) return false;
    this.#sentCount++;
    return true;
  }

  #write(data: string | Uint8Array<ArrayBuffer>): boolean {
    const socket = this.#link?.socket;
    if (!socket?.isOpen) return false;
    if (this.#joiner && typeof data === "string") {
      this.#joiner.send(data);
      return true;
    }
    // Nothing overtakes what came before.
    this.#joiner?.flush();
    return socket.send(data);
  }

  /** Sends a request of the client and checks the daemon's liveness from now on. */
  sendRequest({ text, utf8 }: Pick<Line, "text" | "utf8">): boolean {
    this.expectActivity();
    if (!this.#write(utf8 && this.#link?.ack.bytes ? utf8 : text)) return false;
    this.#sentCount++;
    return true;
  }

  /** Checks the daemon's liveness from now on. */
  expectActivity(): void {
    this.#liveness.watch();
  }

  connected(link: Link): void {
    const { ack, socket } = link;
    log.info("connected to daemon {version}, process {pid}, session {session}", {
      ...ack.daemon,
      session: ack.session_id,
    });
    this.#link = link;
    this.#joiner = ack.lines ? new LineJoiner((frame) => void socket.send(frame)) : undefined;
    this.#sessionId = ack.session_id;
    this.#resumeToken = ack.resume_token;
    this.maxFrameBytes = ack.limits?.max_bytes ?? this.maxFrameBytes;
    this.#receipts.begin(ack.posts ?? 0);
    const received = ack.received ?? 0;
    this.#hooks.onAcknowledge(received);
    this.#sentCount = received;
    if (ack.unseen && this.#isIntroduced) {
      this.#hooks.onResume(new Set(ack.unseen), { knowsArrivals: ack.received !== undefined });
      this.#isReady = true;
    } else {
      this.#isIntroduced = false;
      this.#hooks.onRestart(journalFindingsOf(ack));
      this.#introduce(link);
    }
    // Requests sent on an earlier connection may still be pending.
    this.expectActivity();
    socket.onbytes = (bytes) => this.#receiveBytes(bytes);
    socket.onframe = (frame) =>
      ack.lines ? eachLine(frame, (text) => this.#receive(text)) : this.#receive(frame);
  }

  disconnected(end: SocketEnd): void {
    this.#link = undefined;
    this.#isReady = false;
    this.#liveness.stop();
    this.#receipts.stop();
    this.requests.failAll("the connection to the daemon was cut");
    this.#hooks.onDisconnect(end);
  }

  /** Cuts the connection, to be resumed on another. */
  cut(why: string): void {
    this.#link?.socket.drop(why);
  }

  /** Ends the session; resolves when the daemon has confirmed the close or `timeoutMs` has passed. */
  async close(timeoutMs: number): Promise<void> {
    const socket = this.#link?.socket;
    if (!socket) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#joiner?.flush();
    socket.close(1000, "the client has ended");
    await Promise.race([promise, socket.closed]);
    clearTimeout(timer);
  }

  async #introduce(link: Link): Promise<void> {
    try {
      const facts = await this.#hooks.introduce();
      if (this.#link !== link) return;
      // Synchronous with onIntroduced: a message of the client in between would be neither sent nor pending.
      this.#isReady = this.#isIntroduced = true;
      this.#hooks.onIntroduced(facts);
    } catch (thrown) {
      log.warning("the client could not be introduced: {reason}", { reason: messageOf(thrown) });
      link.socket.drop(messageOf(thrown));
    }
  }

  #receive(text: string): void {
    this.#liveness.activity();
    this.#handle({ text }, text.length, peek(text));
  }

  /** Handles a large message, which is passed on as it is. */
  #receiveBytes(utf8: Uint8Array<ArrayBuffer>): void {
    this.#liveness.activity();
    const message = new Utf8Line(utf8);
    const ends = readEnds(...message.ends({ head: HEAD_CHARS, tail: TAIL_CHARS }));
    this.#handle(message, utf8.length, ends ?? peek(message.text));
  }

  #handle(message: DaemonMessage, size: number, peeked: Peeked | undefined): void {
    try {
      if (peeked === undefined) return log.warning("the daemon sent a frame that is no JSON object");
      if (peeked.kind === "op") return this.#handleOp(peeked.message);
      if (peeked.kind === "response" && peeked.id !== null) {
        this.#receipts.countResponse(size);
        if (this.requests.handleResponse(message, peeked)) return;
      } else if (isCountedMessage(peeked)) this.#receipts.countMessage(size);
      this.#hooks.onMessage(message, peeked);
    } catch (thrown) {
      log.error("a frame of the daemon could not be handled: {thrown}", { thrown });
    }
  }

  #handleOp(message: JsonObject): void {
    if (message.op === "received") return this.#hooks.onAcknowledge(Number(message.messages));
    if (message.op === "returned") return this.#hooks.onReturned(Number(message.message));
    if (message.op !== "nudge") log.debug("the daemon says {message}", { message });
  }
}

/** Whether `frame` is one of the messages that are numbered and acknowledged (`posts` in docs/protocol.md). */
function isCountedMessage(frame: Peeked): boolean {
  if (frame.kind === "notification") return !isEphemeral(frame.message);
  return frame.kind === "request";
}

function journalFindingsOf({ recovered, unseen }: HelloAck): JournalFindings | undefined {
  if (recovered) return { unseen: new Set(recovered.unseen), unknown: new Set(recovered.unknown) };
  // The session began on the last connection, which was cut before the client was introduced.
  return unseen && { unseen: new Set(unseen), unknown: new Set() };
}
