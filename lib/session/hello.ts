import { OWN_USER } from "../call/owner.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { KIB } from "../base/units.ts";
import { assertNoLoop, parseVia } from "../wire/via.ts";
import type { FrameChannel, HelloAdmission } from "../transport/channel.ts";
import { CLOSE, type CloseCode, toRpcError } from "../wire/codes.ts";
import { implementationOf } from "../wire/mcp.ts";
import {
  type ChallengeOp,
  type CommandOp,
  type Hello,
  type HelloAck,
  type OpReply,
  type SettingsOffer,
} from "../wire/ops.ts";
import { SOCKET_ENDPOINT } from "../wire/proof.ts";
import { messageText, type RequestId, responseTo, writeInteger } from "../wire/rpc.ts";
import { answerCommand, type CommandHooks } from "./command_request.ts";
import { bindConnection, type ConnectionFeatures, type ConnectionHooks } from "./connection.ts";
import { type FirstFrame, parseFirstFrame } from "./first_frame.ts";
import type { NewSession, SessionRegistry } from "./registry.ts";
import type { Session, UnusedSettings } from "./session.ts";
import { startOf } from "./window_group.ts";

/** Longer than any path a system allows. */
const MAX_CWD_CHARS = 32 * KIB;

/** Requests to an earlier daemon that are kept with a session: it has 256 listens at most. */
const MAX_EARLIER = 4096;

/** What accepting a connection needs of the daemon. */
export interface AttachHooks extends ConnectionHooks, CommandHooks {
  helloTimeoutMs: number;
  daemon: HelloAck["daemon"];
  limits: HelloAck["limits"];
  /** Id of this daemon, to reject connections that come from itself. */
  daemonId: string;
  /** Compares the token in constant time. */
  authenticate(token: string | undefined): boolean;
  /** The settings of a window that the daemon does not use, and what to tell it; undefined when there are none. */
  unusedSettings?(offer: SettingsOffer): UnusedSettings | undefined;
  /** Proves to a client at `endpoint` that the daemon knows the token, before the client sends its own proof. */
  challenge(asked: { endpoint: string; clientNonce: string }): HelloChallenge;
}

/** The exchange of proofs on one connection. */
interface HelloChallenge {
  answer: { nonce: string; door: string; proofs: string[] };
  /** The token that a client's proof was made with. */
  tokenOf(proof: string): string | undefined;
}

/** On whose behalf a client connects. */
interface HelloPrincipal {
  id: string;
  /** Whether it is the daemon's own user. Other users cannot name directories. */
  isOwner: boolean;
}

/** The principal of a connection without a context, as in tests. */
const OWNER: HelloPrincipal = { id: OWN_USER, isOwner: true };

/** What the listener knows of a connection, and its limits. */
export interface HelloContext extends HelloAdmission {
  /** The address or socket the connection was accepted on, in the form of `ProofExchange.endpoint`. */
  endpoint: string;
  principal: HelloPrincipal;
}

/** Accepts a connection that must begin with a hello, or a command's request (docs/protocol.md). */
export function attachExai(channel: FrameChannel, hooks: AttachHooks, context?: HelloContext): void {
  const handshake = new Handshake(channel, hooks, context);
  const timer = setTimeout(
    () => channel.close(CLOSE.helloTimedOut, "no hello in time"),
    hooks.helloTimeoutMs,
  );
  channel.onclose = () => clearTimeout(timer);
  channel.onbadframe = () => channel.close(CLOSE.helloExpected, "the first frame must be a hello");
  channel.onframe = (text) => {
    const frame = parseFirstFrame(text);
    // A challenge costs less than the connection did, so it is not counted as an attempt. The timeout keeps running.
    if (typeof frame === "object" && frame.op === "challenge" && handshake.answerChallenge(frame)) return;
    clearTimeout(timer);
    channel.onframe = undefined;
    handshake.accept(frame);
  };
}

/** The frames of one connection up to its hello. */
class Handshake {
  readonly #channel: FrameChannel;
  readonly #hooks: AttachHooks;
  readonly #context: HelloContext | undefined;
  #challenge: HelloChallenge | undefined;

  constructor(channel: FrameChannel, hooks: AttachHooks, context: HelloContext | undefined) {
    this.#channel = channel;
    this.#hooks = hooks;
    this.#context = context;
  }

  /** Answers the connection's first challenge; false for a later one. */
  answerChallenge({ nonce }: ChallengeOp): boolean {
    if (this.#challenge) return false;
    const endpoint = this.#context?.endpoint ?? SOCKET_ENDPOINT;
    this.#challenge = this.#hooks.challenge({ endpoint, clientNonce: nonce });
    this.#send({ op: "challenge_res", ...this.#challenge.answer });
    return true;
  }

  /** Takes the frame that opens the connection, or the close code for an invalid one. */
  accept(frame: FirstFrame | CloseCode): void {
    if (typeof frame === "number") {
      return this.#channel.close(frame, "the first frame must be a hello with valid fields");
    }
    if (frame.op === "challenge") {
      return this.#channel.close(
        CLOSE.helloExpected,
        "a connection has one challenge; a hello comes after it",
      );
    }
    const token = frame.proof === undefined ? plainToken(frame) : this.#challenge?.tokenOf(frame.proof);
    if (!this.#hooks.authenticate(token)) return this.#rejectToken();
    if (this.#context && !this.#context.tryAdmit()) return;
    if (frame.op === "hello") return this.#openSession(frame);
    this.#context?.admitted();
    const { isOwner } = this.#principal;
    answerCommand(this.#channel, frame, { hooks: this.#hooks, token, isOwner }).catch((thrown) => {
      logHandlerError("a command", thrown);
      this.#channel.close(CLOSE.internal, "internal error");
    });
  }

  get #principal(): HelloPrincipal {
    return this.#context?.principal ?? OWNER;
  }

  #rejectToken(): void {
    if (this.#context && !this.#context.mayReportRejection()) return;
    this.#send({ op: "hello_ack", ok: false, error: "unauthorized" });
    this.#channel.close(CLOSE.unauthorized, "unauthorized");
  }

  #openSession(hello: Hello): void {
    const hooks = this.#hooks;
    try {
      assertNoLoop(parseVia(hello.via), hooks.daemonId);
      checkDirectory(hello.cwd ?? "");
      const from = { principal: this.#principal, endpoint: this.#context?.endpoint ?? SOCKET_ENDPOINT };
      const { session, waiting } = findSession(hello, hooks.registry, from);
      if (typeof hello.resume === "object") session.output.acknowledgeMessages(hello.resume?.posts ?? 0);
      this.#context?.admitted();
      const unused = hello.settings && hooks.unusedSettings?.(hello.settings);
      const features = featuresOf(hello);
      session.notice = unused?.notice;
      this.#send({
        op: "hello_ack",
        ok: true,
        ...ackOf(session, waiting, hooks),
        ...(unused ? { unused_settings: unused.names } : {}),
        ...(features.lines ? { lines: true as const } : {}),
        ...(features.bytes ? { bytes: true as const } : {}),
        ...(features.receipts ? receiptsOf(session) : {}),
      });
      bindConnection(this.#channel, session, { hooks, speaksOps: true, ...features });
      if (waiting) session.warnOfUndelivered(session.output.resume(waiting, evictedError));
    } catch (thrown) {
      this.#send({ op: "hello_ack", ok: false, error: messageOf(thrown) });
      this.#channel.close(CLOSE.invalidHello, "invalid hello");
    }
  }

  #send(reply: OpReply): void {
    this.#channel.send(JSON.stringify(reply, writeInteger));
  }
}

/** The token of a hello; a command sends a proof only. */
function plainToken(frame: Hello | CommandOp): string | undefined {
  return frame.op === "hello" ? frame.token ?? undefined : undefined;
}

/** What is granted of the features that a hello asks for: the answer says so, and the connection has no others. */
function featuresOf({ nudge, lines, bytes, receipts }: Hello): ConnectionFeatures {
  // A message that is returned unread is named by its number, which receipts alone give it.
  return { nudge, lines, bytes: bytes && receipts, receipts };
}

/** Accepts a connection of the subprotocol `mcp`, which authenticated in its upgrade request and sends no hello. */
export function attachMcp(
  channel: FrameChannel,
  hooks: AttachHooks,
  { server, via, principal = OWNER }: {
    server?: string;
    via?: readonly string[];
    principal?: HelloPrincipal;
  } = {},
): void {
  const session = hooks.registry.create({
    isResumable: false,
    server,
    via,
    listens: isSubscribed,
    ...grantsOf(principal),
  });
  bindConnection(channel, session, { hooks, speaksOps: false });
}

/** Bounds what is kept with the session. */
function checkDirectory({ length }: string): void {
  if (length <= MAX_CWD_CHARS) return;
  throw new ExaiError("INVALID_REQUEST", `cwd may hold ${MAX_CWD_CHARS} characters at most, not ${length}`);
}

function findSession(
  hello: Hello,
  registry: SessionRegistry,
  { principal, endpoint }: { principal: HelloPrincipal; endpoint: string },
): { session: Session; waiting?: RequestId[] } {
  const wantedId = hello.session_id || undefined;
  const started = startOf(hello, { principal: principal.id, endpoint });
  const wanted: NewSession = { ...newSession(hello), ...grantsOf(principal), ...started };
  if (wantedId !== undefined && typeof hello.resume === "object" && hello.resume) {
    const { token, waiting = [] } = hello.resume;
    const resumed = registry.resume(wantedId, token, principal.id);
    if (resumed) return { session: resumed, waiting };
    const recovered = registry.recover({ ...wanted, wantedId, resumeToken: token });
    const session = recovered ?? registry.create({ ...wanted, wantedId });
    for (const id of waiting.slice(0, MAX_EARLIER)) session.modern.earlier.add(id);
    return recovered ? { session, waiting } : { session };
  }
  return { session: registry.create({ ...wanted, wantedId }) };
}

/** What follows from the principal alone, whatever the hello says. */
function grantsOf({ id, isOwner }: HelloPrincipal): Pick<NewSession, "principal" | "namedDirs"> {
  return { principal: id, namedDirs: isOwner ? "read" : "none" };
}

function newSession(hello: Hello): Omit<NewSession, "namedDirs" | "principal"> {
  const client = typeof hello.client === "string"
    ? { name: hello.client, version: "" }
    : { name: hello.client?.name ?? "", version: hello.client?.version ?? "" };
  return {
    client: client.name ? implementationOf(client) : undefined,
    cwd: hello.cwd || undefined,
    server: hello.server,
    via: hello.via === undefined ? undefined : parseVia(hello.via),
    isResumable: Boolean(hello.resume),
    listens: isSubscribed,
  };
}

/** Whether the client waits for updates, so that its session is not idle. */
function isSubscribed({ subscriptions, modern }: Session): boolean {
  return subscriptions.size > 0 || (modern.listens?.size ?? 0) > 0;
}

function ackOf(session: Session, waiting: RequestId[] | undefined, hooks: AttachHooks) {
  return {
    session_id: session.id,
    daemon: session.namedDirs === "none" ? { ...hooks.daemon, home: undefined } : hooks.daemon,
    limits: hooks.limits,
    ...(session.isResumable ? { resume_token: session.resumeToken } : {}),
    ...(waiting ? outcomes(session, waiting) : {}),
  };
}

/** Which pending requests get no response from this daemon. In `recovered`: the client must initialize first. */
function outcomes(session: Session, waiting: readonly RequestId[]) {
  const { output, calls, modern } = session;
  const unknown = waiting.filter((id) => output.isOutcomeUnknown(id));
  const isKnown = (id: RequestId) =>
    calls.has(id) || modern.requests.has(id) || output.hasResponse(id) || output.hasEvicted(id) ||
    output.isOutcomeUnknown(id);
  const unseen = waiting.filter((id) => !isKnown(id));
  // Before the first request this daemon does not know the client, though it has its calls.
  const isNew = session.revision === undefined && modern.revision === undefined;
  return session.isRecovered && isNew ? { recovered: { unseen, unknown } } : { unseen };
}

function receiptsOf({ output, receivedCount }: Session) {
  return { receipts: true as const, posts: output.messagesBase, received: receivedCount };
}

/** The response to a request whose own response was evicted. */
function evictedError(id: RequestId): string {
  const error = new ExaiError("OUTCOME_UNKNOWN", "the call ended, but its answer was too large to be kept", {
    details: { outcome: "unknown" },
  });
  return messageText(responseTo(id, { error: toRpcError(error) }));
}
