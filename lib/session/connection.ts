import { getLogger } from "@logtape/logtape";
import { EVICTION_RANK } from "../base/byte_budget.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { InboundQueue } from "./inbound_queue.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import type { ChannelEnd, FrameChannel } from "../transport/channel.ts";
import { eachLine, LineJoiner, MAX_JOINED_LINES } from "../transport/line_joiner.ts";
import { CLOSE, toRpcError } from "../wire/codes.ts";
import { isEphemeral, responseTo, type RpcMessage } from "../wire/rpc.ts";
import { outlineOf, shapeFault } from "../wire/shape.ts";
import { encode } from "./encode.ts";
import { InboundReceipts } from "./inbound_receipts.ts";
import type { Outlet } from "./mailbox.ts";
import { McpPeer, type PeerOutlet } from "./mcp_peer.ts";
import { nudger } from "./nudge.ts";
import { type OpHooks, OpPeer } from "./op_peer.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";

const log = getLogger(["exai", "session"]);

/** What stands for the code of a close frame without one (RFC 6455, 7.1.5). */
const NO_CODE = 1005;

/** So much of what a connection has sent may wait while others have their turn. */
const MAX_WAITING_CHARS = 16 * MIB;

/** What a connection needs of the daemon once its session is known. */
export interface ConnectionHooks extends OpHooks {
  registry: SessionRegistry;
  onNotification(session: Session, method: string, params: JsonObject): void;
}

/** The peers of a session outlive its connections, so that a call that was cut off finds its way back. */
const peers = new WeakMap<Session, Peers>();

interface Peers {
  mcp: McpPeer;
  ops: OpPeer;
}

interface JoinOptions {
  hooks: ConnectionHooks;
  /** Whether EXAI ops are spoken beside MCP. */
  opsToo: boolean;
  /** Whether the client asked in its hello to be nudged. */
  nudge?: boolean;
  /** Whether the client asked in its hello for frames that hold several messages, each on its line. */
  lines?: boolean;
  /** Whether the client asked in its hello that either end tell the other what has arrived. */
  receipts?: boolean;
}

/** Makes `channel` the connection of `session`: what arrives is handled, what the session sends goes out. */
export function join(
  channel: FrameChannel,
  session: Session,
  { hooks, opsToo, nudge, lines, receipts }: JoinOptions,
): void {
  const { mcp, ops } = peersFor(session, hooks);
  let onclosing = () => {};
  const outlet = lines ? joining(channel, () => onclosing()) : plain(channel, () => onclosing());
  session.mailbox.attach(outlet, { keepPosts: receipts });
  const arrivals = receipts ? new InboundReceipts(session, (text) => outlet.send(text)) : undefined;
  const count = byteCounter(channel, session);
  const { refuse, refuseShape } = refusals({ mcp, ops }, opsToo);
  const arrived = nudge ? nudger(channel) : undefined;
  channel.onbadframe = refuse;
  const handle = (text: string) => {
    const fault = shapeFault(text);
    const frame = fault === undefined ? parse(text) : undefined;
    // What is refused has arrived as well: its client would wait for it to, and send it again after a cut.
    if (!isOp(frame)) arrivals?.count(text.length);
    if (fault !== undefined) refuseShape(text, fault);
    else if (frame === undefined) refuse("a frame must hold one JSON message; this one is no JSON");
    else if (Array.isArray(frame) && (!opsToo || frame.some(isRpc))) mcp.receiveBatch(frame, text.length);
    else if (!isObject(frame)) refuse("a frame must hold one JSON object");
    else if (opsToo && frame.jsonrpc === undefined) void ops.receive(frame, text.length);
    else mcp.receive(frame, text.length);
  };
  // One that cannot be handled must not take those behind it in the same frame along.
  const take = (text: string) => {
    try {
      handle(text);
    } catch (thrown) {
      logHandlerError("a frame of a client", thrown);
      refuse(`the frame could not be handled: ${messageOf(thrown)}`);
    }
  };
  const intake = intakeOf(channel, session, take);
  // What a client that comes back asks for is what has been taken; of one with receipts the rest comes again by itself.
  const settle = () => receipts ? intake.drop() : intake.finish();
  onclosing = settle;
  channel.onframe = (text) => {
    count();
    arrived?.();
    if (!lines) intake.push(text);
    else if (!eachLine(text, (line) => intake.push(line))) {
      refuse(`a frame may hold at most ${MAX_JOINED_LINES} messages`);
    }
  };
  channel.onclose = (end) => {
    count();
    if (session.resumable) settle();
    // Of one that is over nothing is wanted any more.
    else intake.drop();
    leave(session, outlet, { hooks, end });
  };
}

/** How a text that holds no message is refused: to a client that may speak EXAI ops, as an op, unless it is MCP. */
function refusals({ mcp, ops }: Peers, opsToo: boolean) {
  const refuse = (why: string) => {
    if (opsToo) ops.refuse(new ExaiError("INVALID_REQUEST", why));
    else mcp.refuseText(why);
  };
  const refuseShape = (text: string, why: string) => {
    const value = outlineOf(text);
    if (!isObject(value)) refuse(why);
    else if (opsToo && value.jsonrpc === undefined) {
      ops.refuse(new ExaiError("INVALID_REQUEST", why), value.request_id);
    } else mcp.refuseMessage(value, why);
  };
  return { refuse, refuseShape };
}

/** Adds what has gone over `channel` since it was last called to what has gone over the connections of `session`. */
function byteCounter(channel: FrameChannel, session: Session): () => void {
  const counted = { in: channel.bytesIn, out: channel.bytesOut };
  return () => {
    session.bytesIn += channel.bytesIn - counted.in;
    session.bytesOut += channel.bytesOut - counted.out;
    counted.in = channel.bytesIn;
    counted.out = channel.bytesOut;
  };
}

function isOp(frame: unknown): boolean {
  return isObject(frame) && frame.jsonrpc === undefined && typeof frame.op === "string";
}

/** What waits counts as what is held for all clients, as requests over HTTP that are being read do. */
function intakeOf(channel: FrameChannel, session: Session, take: (text: string) => void): InboundQueue {
  let sinceMs = 0;
  const account = session.budget.open({
    rank: EVICTION_RANK.incoming,
    get sinceMs() {
      return sinceMs;
    },
    evict() {
      intake.drop();
      channel.close(CLOSE.overCapacity, "more is sent to the daemon at once than it may hold");
    },
  });
  const intake = new InboundQueue({
    take,
    maxChars: MAX_WAITING_CHARS,
    onmove(chars) {
      if (account.bytes === 0) sinceMs = performance.now();
      account.add(chars);
    },
  });
  return intake;
}

function leave(
  session: Session,
  outlet: Outlet,
  how: { hooks: ConnectionHooks; end: ChannelEnd },
): void {
  // When a newer connection has taken the session over, the end of this one is no news.
  if (!session.mailbox.detach(outlet)) return;
  log.debug("session {id} lost its connection ({code})", { id: session.id, code: how.end.code });
  const { code, wasClean: clean } = how.end;
  // Deno reports a connection that ends without a close frame as it does one whose close frame has no code.
  const isUnsure = code === NO_CODE && session.resumable;
  const meant = clean && code < CLOSE.invalidHello && !isUnsure;
  if (meant) how.hooks.registry.end(session, "the client closed the connection", { goodbye: true });
  else how.hooks.registry.detached(session);
}

/** `onclosing`: called before it is closed from here, as when its client has come back on another. */
function plain(channel: FrameChannel, onclosing: () => void): Outlet {
  return {
    send: (text) => channel.send(text),
    close(code, reason) {
      onclosing();
      channel.close(code, reason);
    },
  };
}

/** Sends the messages of one turn in one frame. */
function joining(channel: FrameChannel, onclosing: () => void): Outlet {
  const joiner = new LineJoiner((frame) => channel.send(frame));
  return {
    send: (text) => joiner.send(text),
    close(code, reason) {
      onclosing();
      joiner.flush();
      channel.close(code, reason);
    },
  };
}

function isRpc(value: Json): boolean {
  return isObject(value) && value.jsonrpc !== undefined;
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function peersFor(session: Session, hooks: ConnectionHooks): Peers {
  let pair = peers.get(session);
  if (!pair) {
    const mcp = new McpPeer(session, mailboxOutlet(session), {
      target: hooks.target,
      onNotification: (method, params) => hooks.onNotification(session, method, params),
    });
    pair = { mcp, ops: new OpPeer(session, hooks) };
    peers.set(session, pair);
  }
  return pair;
}

function mailboxOutlet(session: Session): PeerOutlet {
  const { mailbox, maxFrameBytes } = session;
  return {
    answer(id, response) {
      const text = encode(response, maxFrameBytes, (error) => responseTo(id, { error: toRpcError(error) }));
      if (id === null) mailbox.postNow(text);
      else mailbox.answer(id, text);
    },
    refuseTwin: (id, response) => mailbox.refuseTwin(id, JSON.stringify(response)),
    began: (id) => mailbox.began(id),
    abandon: (id) => mailbox.abandon(id),
    post(message, { onlost }) {
      let sent = message;
      const text = encode<RpcMessage>(message, maxFrameBytes, (error) => {
        onlost?.(error);
        return sent = tooLargeNotice(error);
      });
      if (isEphemeral(sent)) mailbox.postNow(text);
      else mailbox.post(text, onlost);
    },
  };
}

/** What the client is told in place of a message that cannot be sent to it. */
export function tooLargeNotice(error: ExaiError): RpcMessage {
  const params = { level: "error", logger: "exai", data: error.message };
  return { jsonrpc: "2.0", method: "notifications/message", params };
}
