import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { formatVia } from "../wire/via.ts";
import { VERSION } from "../base/version.ts";
import { inheritedVia } from "../config/via.ts";
import type { Settings } from "../config/settings.ts";
import { eachLine, LineJoiner } from "../transport/line_joiner.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { peek, type Peeked } from "../wire/peek.ts";
import type { HelloAck } from "../wire/ops.ts";
import { isEphemeral, type RequestId } from "../wire/rpc.ts";
import type { Link } from "../client/link.ts";
import { OwnRequests } from "./own_requests.ts";
import type { RecoveredSets } from "./recovery.ts";
import { Receipts } from "./receipts.ts";
import { LivenessCheck } from "./liveness_check.ts";

const log = getLogger(["exai", "shim"]);

/** What the owner of an {@linkcode Uplink} does. */
interface UplinkHooks {
  /** Requests that were sent and are not answered. */
  waiting(): RequestId[];
  /** Whether the client is not read on until the daemon has taken more. */
  isHeldUp(): boolean;
  /** A frame for the client, of a kind already known. */
  onframe(text: string, frame: Peeked): void;
  /** The daemon knows our session; these requests never reached it. */
  onresume(unseen: ReadonlySet<RequestId>, facts: { knowsArrivals: boolean }): void;
  /** The first `messages` that were sent on the last connection, as {@linkcode Uplink.sent} counts, have arrived. */
  onreceived(messages: number): void;
  /** The daemon has not met our client. What its journal says of our requests; undefined: it does not know us. */
  onrestart(recovered: RecoveredSets | undefined): void;
  /** The daemon has not met our client: introduce it, if it has said who it is. What is thrown ends the connection. */
  introduce(): Promise<{ replayed: boolean }>;
  /** From here on messages may be sent to the daemon that had not met our client. */
  onmet(facts: { replayed: boolean }): void;
  onlost(end: SocketEnd): void;
}

export type UplinkSettings =
  & Pick<Settings, "maxFrameBytes" | "pingIntervalMs" | "pingTimeoutMs" | "sessionId" | "server">
  & {
    /** The window's directory as it was at the start: it may be deleted, and then cannot be read any more. */
    cwd: string | undefined;
  };

/** Our session with the daemon, over however many connections. */
export class Uplink {
  /** Largest message the daemon takes, in bytes. */
  maxFrameBytes: number;
  readonly own = new OwnRequests((text) => void this.send(text));
  readonly #hooks: UplinkHooks;
  readonly #receipts = new Receipts((text) => void this.#write(text));
  readonly #watchdog: LivenessCheck;
  readonly #server: string | undefined;
  readonly #cwd: string | undefined;
  #sessionId: string | undefined;
  #resumeToken: string | undefined;
  #link: Link | undefined;
  /** Present when the daemon takes several messages in one frame. */
  #joiner: LineJoiner | undefined;
  #ready = false;
  #sent = 0;
  /** Whether the session we may resume has met our client; a cut may come before it has. */
  #met = false;

  constructor(settings: UplinkSettings, hooks: UplinkHooks) {
    this.#hooks = hooks;
    this.maxFrameBytes = settings.maxFrameBytes;
    this.#server = settings.server || undefined;
    this.#cwd = settings.cwd;
    this.#sessionId = settings.sessionId || undefined;
    this.#watchdog = new LivenessCheck({
      intervalMs: settings.pingIntervalMs,
      timeoutMs: settings.pingTimeoutMs,
      isWaiting: () => hooks.isHeldUp() || hooks.waiting().length > 0,
      ping: () => this.own.ask("ping").catch(() => {}),
      onhang: () => this.cut("the daemon does not answer pings"),
    });
  }

  /** Whether the client's messages may be sent. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The next hello, apart from the token (docs/protocol.md). */
  hello(): JsonObject {
    const waiting = this.#hooks.waiting();
    const resume = this.#resumeToken
      ? { token: this.#resumeToken, waiting, posts: this.#receipts.posts }
      : true;
    const via = inheritedVia();
    return {
      ...(via.length > 0 ? { via: formatVia(via) } : {}),
      client: { name: "exai-shim", version: VERSION },
      cwd: this.#cwd,
      nudge: true,
      lines: true,
      receipts: true,
      resume,
      ...(this.#server ? { server: this.#server } : {}),
      ...(this.#sessionId ? { session_id: this.#sessionId } : {}),
    };
  }

  /** Messages sent on this connection. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether the daemon tells what has arrived, so that no more need be read of the client than it takes. */
  get tellsArrivals(): boolean {
    return this.#link?.ack.receipts === true;
  }

  /** Sends one message; false when there is no connection to send it on. */
  send(text: string): boolean {
    if (!this.#write(text)) return false;
    this.#sent++;
    return true;
  }

  #write(text: string): boolean {
    const socket = this.#link?.socket;
    if (!socket?.isOpen) return false;
    if (this.#joiner) this.#joiner.send(text);
    else socket.send(text);
    return true;
  }

  /** Sends a request of the client; from here on the daemon must not fall silent. */
  sendRequest(text: string): boolean {
    this.expectWord();
    return this.send(text);
  }

  /** From here on the daemon must not fall silent. */
  expectWord(): void {
    this.#watchdog.watch();
  }

  onup(link: Link): void {
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
    this.#hooks.onreceived(ack.received ?? 0);
    // What is sent from here on goes on from what the daemon has.
    this.#sent = ack.received ?? 0;
    if (ack.unseen && this.#met) {
      this.#hooks.onresume(new Set(ack.unseen), { knowsArrivals: ack.received !== undefined });
      this.#ready = true;
    } else {
      this.#met = false;
      this.#hooks.onrestart(recoveredOf(ack));
      this.#meet(link);
    }
    // What was sent on an earlier connection may still wait for its answer.
    this.expectWord();
    socket.onframe = (frame) =>
      ack.lines ? eachLine(frame, (text) => this.#receive(text)) : this.#receive(frame);
  }

  ondown(end: SocketEnd): void {
    this.#link = undefined;
    this.#ready = false;
    this.#watchdog.stop();
    this.#receipts.stop();
    this.own.failAll("the connection to the daemon was cut");
    this.#hooks.onlost(end);
  }

  /** Cuts the connection, to take it up again later. */
  cut(why: string): void {
    this.#link?.socket.drop(why);
  }

  /** Ends the session for good; resolves when the daemon has confirmed or `timeoutMs` has passed. */
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

  async #meet(link: Link): Promise<void> {
    try {
      const facts = await this.#hooks.introduce();
      if (this.#link !== link) return;
      // In one turn: what the client says in between would be neither sent now nor among what was kept.
      this.#ready = this.#met = true;
      this.#hooks.onmet(facts);
    } catch (thrown) {
      log.warning("the client could not be introduced: {reason}", { reason: messageOf(thrown) });
      link.socket.drop(messageOf(thrown));
    }
  }

  #receive(text: string): void {
    this.#watchdog.heard();
    try {
      const frame = peek(text);
      if (frame === undefined) return log.warning("the daemon sent a frame that is no JSON object");
      if (frame.kind === "op") return this.#hearOp(frame.message);
      if (frame.kind === "response" && frame.id !== null) {
        this.#receipts.countAnswer(text.length);
        if (this.own.settle(text, frame)) return;
      } else if (isPost(frame)) this.#receipts.countPost(text.length);
      this.#hooks.onframe(text, frame);
    } catch (thrown) {
      log.error("a frame of the daemon could not be handled: {thrown}", { thrown });
    }
  }

  #hearOp(message: JsonObject): void {
    if (message.op === "received") return this.#hooks.onreceived(Number(message.messages));
    if (message.op !== "nudge") log.debug("the daemon says {message}", { message });
  }
}

/** Whether the daemon counts `frame` among what answers nothing. */
function isPost(frame: Peeked): boolean {
  if (frame.kind === "notification") return !isEphemeral(frame.message);
  return frame.kind === "request";
}

function recoveredOf({ recovered, unseen }: HelloAck): RecoveredSets | undefined {
  if (recovered) return { unseen: new Set(recovered.unseen), unknown: new Set(recovered.unknown) };
  // A session begun on the last connection, which was cut before the client was introduced.
  return unseen && { unseen: new Set(unseen), unknown: new Set() };
}
