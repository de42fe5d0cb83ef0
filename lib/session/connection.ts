import { getLogger } from "@logtape/logtape";
import { EVICTION_RANK } from "../base/byte_budget.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { clip } from "../base/text.ts";
import { MIB } from "../base/units.ts";
import type { ChannelEnd, FrameChannel } from "../transport/channel.ts";
import { eachLine, MAX_JOINED_LINES } from "../transport/line_joiner.ts";
import { CLOSE } from "../wire/codes.ts";
import type { ScanFault } from "../wire/json_scan.ts";
import type { OpReply } from "../wire/ops.ts";
import type { Params, RawObject } from "../wire/raw_object.ts";
import { type RawReading, readClientText } from "../wire/raw_reader.ts";
import { errorResponseId, readRequestId } from "../wire/rpc.ts";
import { limitFault, outlineOf } from "../wire/shape.ts";
import { frameSink } from "./frame_sink.ts";
import { InboundQueue, UnreadText } from "./inbound_queue.ts";
import { InboundReceipts } from "./inbound_receipts.ts";
import { McpPeer } from "./mcp_peer.ts";
import { connectionSink } from "./message_sink.ts";
import type { ModernPeer } from "./modern_peer.ts";
import { createNudger } from "./nudge.ts";
import { type OpHooks, OpPeer } from "./op_peer.ts";
import type { SessionRegistry } from "./registry.ts";
import type { FrameSink } from "./replay_buffer.ts";
import type { Session } from "./session.ts";

const log = getLogger(["exai", "session"]);

/** Reported for a close frame without a code (RFC 6455, 7.1.5). */
const NO_STATUS_RECEIVED = 1005;

/** Characters one connection may have queued. */
const MAX_QUEUED_CHARS = 16 * MIB;

/** What a connection with a session needs of the daemon. */
export interface ConnectionHooks extends OpHooks {
  registry: SessionRegistry;
  onNotification(session: Session, method: string, params: Params): void;
  /** Makes what answers the requests of the modern era on a session. */
  modernPeer?(session: Session): ModernPeer;
}

/** What the hello of a connection was granted; nothing else of it is sent or taken. */
export interface ConnectionFeatures {
  /** Nudges. */
  nudge?: boolean;
  /** Frames with several messages, one a line. */
  lines?: boolean;
  /** Large messages in UTF-8, in both directions; those of the client it has not read. */
  bytes?: boolean;
  /** Receipts of what has arrived, in both directions. */
  receipts?: boolean;
}

interface ConnectionOptions extends ConnectionFeatures {
  hooks: ConnectionHooks;
  /** Whether the client speaks EXAI ops beside MCP. */
  speaksOps: boolean;
}

/** Makes `channel` the connection of `session`, in place of one it may have. */
export function bindConnection(channel: FrameChannel, session: Session, options: ConnectionOptions): void {
  const connection = new SessionConnection(channel, session, options);
  channel.onbadframe = (why) => connection.reject(why);
  channel.onframe = (frame) => connection.receive(frame);
  channel.onbytes = options.bytes ? (text) => connection.receiveUnread(text) : undefined;
  channel.onclose = (end) => connection.handleClose(end);
}

/** One connection of a session: its frames become messages for the session's peers. */
class SessionConnection {
  readonly #channel: FrameChannel;
  readonly #session: Session;
  readonly #options: ConnectionOptions;
  readonly #mcp: McpPeer;
  readonly #ops: OpPeer;
  readonly #sink: FrameSink;
  readonly #queue: InboundQueue<string | UnreadText>;
  readonly #receipts: InboundReceipts | undefined;
  readonly #nudgeLater: (() => void) | undefined;
  #countedIn: number;
  #countedOut: number;

  constructor(channel: FrameChannel, session: Session, options: ConnectionOptions) {
    this.#channel = channel;
    this.#session = session;
    this.#options = options;
    this.#countedIn = channel.bytesIn;
    this.#countedOut = channel.bytesOut;
    ({ mcp: this.#mcp, ops: this.#ops } = peersOf(session, options.hooks));
    this.#queue = openQueue(channel, session, (message) => this.#handle(message));
    const sink = frameSink(channel, { ...options, beforeClose: () => this.#settleQueue() });
    this.#sink = sink;
    session.output.attach(sink, { acknowledgesMessages: options.receipts });
    this.#receipts = options.receipts ? new InboundReceipts(session, (text) => sink.send(text)) : undefined;
    this.#nudgeLater = options.nudge ? createNudger(channel) : undefined;
  }

  receive(frame: string): void {
    this.#countBytes();
    this.#nudgeLater?.();
    if (!this.#options.lines) this.#take(frame);
    // Copies: a small message of a call that takes long would keep the whole frame in memory.
    else if (!eachLine(frame, (line) => this.#take(line === frame ? line : clip(line, Infinity)))) {
      this.reject(`a frame may hold at most ${MAX_JOINED_LINES} messages`);
    }
  }

  /** Takes a message that the client has not read; it reads again what is not a plain request. */
  receiveUnread(text: string): void {
    this.#countBytes();
    this.#nudgeLater?.();
    this.#take(new UnreadText(text));
  }

  // Most messages find the queue empty and need not pass it.
  #take(message: string | UnreadText): void {
    if (!this.#queue.isIdle) return this.#queue.push(message);
    this.#handle(message);
    this.#queue.handled(message.length);
  }

  /** Answers a frame that holds no message. */
  reject(why: string): void {
    if (this.#options.speaksOps) this.#ops.reject(new ExaiError("INVALID_REQUEST", why));
    else this.#mcp.rejectText(why);
  }

  handleClose(end: ChannelEnd): void {
    this.#countBytes();
    if (this.#session.isResumable) this.#settleQueue();
    else this.#queue.discard();
    this.#detach(end);
  }

  // A message that cannot be handled must not keep those after it in the same frame from being handled.
  #handle(message: string | UnreadText): void {
    try {
      this.#dispatch(message);
    } catch (thrown) {
      logHandlerError("a frame of a client", thrown);
      this.reject(`the frame could not be handled: ${messageOf(thrown)}`);
    }
  }

  #dispatch(inbound: string | UnreadText): void {
    const isRead = typeof inbound === "string";
    const text = isRead ? inbound : inbound.text;
    const reading = readClientText(text);
    if (!isRead && !isPlainRequest(reading, text)) return this.#return(text.length);
    const isOp = reading.kind === "invalid" && !reading.object.has("jsonrpc");
    // Rejected messages count as well: the client would send them again after a cut otherwise.
    if (!isOp || typeof reading.object.get("op") !== "string") this.#receipts?.count(text.length);
    switch (reading.kind) {
      case "message":
        return this.#mcp.receive(reading.message, text.length);
      case "invalid":
        if (isOp && this.#options.speaksOps) void this.#ops.receive(reading.object, text.length);
        else this.#mcp.rejectMessage(reading);
        return;
      case "batch":
        if (this.#options.speaksOps && !reading.texts.some(isRpc)) break;
        return this.#mcp.receiveBatch(reading.texts);
      case "unreadable":
        return this.#rejectUnreadable(text, reading.fault);
    }
    this.reject("a frame must hold one JSON object");
  }

  /** Has the client read a message itself; it finds it by its number. */
  #return(chars: number): void {
    this.#receipts?.count(chars);
    const message = this.#session.receivedCount;
    this.#sink.send(JSON.stringify({ op: "returned", message } satisfies OpReply));
  }

  #rejectUnreadable(text: string, fault: ScanFault): void {
    if (fault === "syntax") return this.reject("a frame must hold one JSON message; this one is no JSON");
    const why = limitFault(fault);
    const outline = outlineOf(text);
    if (outline === undefined) this.reject(why);
    else if (this.#options.speaksOps && !outline.has("jsonrpc")) {
      this.#ops.reject(new ExaiError("INVALID_REQUEST", why), outline.textOf("request_id"));
    } else this.#mcp.rejectMessage(invalidOutline(outline, why));
  }

  /**
   * Ends the queue when the client may resume. A client with receipts sends again what is dropped here; of any other,
   * everything received must be handled, for that is what it resumes from.
   */
  #settleQueue(): void {
    if (this.#options.receipts) this.#queue.discard();
    else this.#queue.flush();
  }

  /** Adds the bytes since the last count to those of the session. */
  #countBytes(): void {
    const { bytesIn, bytesOut } = this.#channel;
    this.#session.bytesIn += bytesIn - this.#countedIn;
    this.#session.bytesOut += bytesOut - this.#countedOut;
    this.#countedIn = bytesIn;
    this.#countedOut = bytesOut;
  }

  #detach({ code, wasClean }: ChannelEnd): void {
    const { registry } = this.#options.hooks;
    // Not when a newer connection has replaced this one.
    if (!this.#session.output.detach(this.#sink)) return;
    log.debug("session {id} lost its connection ({code})", { id: this.#session.id, code });
    // Deno reports a connection cut without a close frame like a close frame without a code.
    const mayBeCut = code === NO_STATUS_RECEIVED && this.#session.isResumable;
    const isGoodbye = wasClean && code < CLOSE.invalidHello && !mayBeCut;
    if (isGoodbye) registry.end(this.#session, "the client closed the connection", { goodbye: true });
    else registry.handleDisconnect(this.#session);
  }
}

/** The inbound queue of a connection. What is queued counts towards the byte budget, as HTTP requests being read do. */
function openQueue(
  channel: FrameChannel,
  session: Session,
  handle: (message: string | UnreadText) => void,
): InboundQueue<string | UnreadText> {
  let sinceMs = 0;
  const account = session.budget.open({
    rank: () => EVICTION_RANK.incoming,
    sinceMs: () => sinceMs,
    evict() {
      queue.discard();
      channel.close(CLOSE.overCapacity, "more is sent to the daemon at once than it may hold");
    },
  });
  const queue = new InboundQueue<string | UnreadText>({
    handle,
    maxChars: MAX_QUEUED_CHARS,
    onSizeChange(chars) {
      if (account.bytes === 0) sinceMs = performance.now();
      account.add(chars);
    },
  });
  return queue;
}

/** Whether `text` is a request as it stands, so that its client knows it by the same id. */
function isPlainRequest(reading: RawReading, text: string): boolean {
  return reading.kind === "message" && reading.message.kind === "request" && reading.message.text === text;
}

/** Whether the text of a message may be that of JSON-RPC. */
function isRpc(text: string): boolean {
  return text.startsWith("{") && text.includes('"jsonrpc"');
}

/** What an outline says of a message that was not read. */
function invalidOutline(outline: RawObject, why: string): Parameters<McpPeer["rejectMessage"]>[0] {
  const idText = outline.textOf("id") ?? "null";
  const id = errorResponseId(readRequestId(idText) ?? JSON.parse(idText));
  const isResponse = !outline.has("method") && (outline.has("result") || outline.has("error"));
  return { why, isResponse, id, idText: id === null ? "null" : idText };
}

interface Peers {
  mcp: McpPeer;
  ops: OpPeer;
}

/** The peers of each session. They outlive its connections, so that a call can end on another than it began on. */
const peers = new WeakMap<Session, Peers>();

function peersOf(session: Session, hooks: ConnectionHooks): Peers {
  let pair = peers.get(session);
  if (!pair) {
    const mcp = new McpPeer(session, connectionSink(session), {
      target: hooks.target,
      onNotification: (method, params) => hooks.onNotification(session, method, params),
      modern: hooks.modernPeer?.(session),
    });
    pair = { mcp, ops: new OpPeer(session, hooks) };
    peers.set(session, pair);
  }
  return pair;
}
