import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { isObject, textOf } from "../base/json.ts";
import { KIB } from "../base/units.ts";
import { assertNoLoop, parseVia } from "../wire/via.ts";
import type { FrameChannel } from "../transport/channel.ts";
import { CLOSE, type CloseCode, toRpcError } from "../wire/codes.ts";
import { implementationOf } from "../wire/mcp.ts";
import {
  type ChallengeOp,
  type CommandOp,
  type Hello,
  type HelloAck,
  type OpReply,
  parseOp,
} from "../wire/ops.ts";
import { SOCKET_DOOR } from "../wire/proof.ts";
import { type RequestId, responseTo } from "../wire/rpc.ts";
import { shapeFault } from "../wire/shape.ts";
import { answerCommand, type CommandHooks } from "./command.ts";
import { type ConnectionHooks, join } from "./connection.ts";
import type { NewSession, SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";

/** No system has longer paths. */
const MAX_CWD_CHARS = 32 * KIB;

/** What attaching a connection needs of the daemon. */
export interface AttachHooks extends ConnectionHooks, CommandHooks {
  helloTimeoutMs: number;
  daemon: HelloAck["daemon"];
  limits: HelloAck["limits"];
  /** Which daemon this is, to refuse what comes from itself. */
  daemonId: string;
  /** Compares in constant time. */
  authenticate(token: string | undefined): boolean;
  /** Proves to a client at `door` that we know the token, before it shows anything itself. */
  challenge(asked: { door: string; clientNonce: string }): HelloChallenge;
}

/** The exchange of proofs on one connection. */
interface HelloChallenge {
  answer: { nonce: string; door: string; proofs: string[] };
  /** The token that a client's proof was made with. */
  tokenOf(proof: string): string | undefined;
}

/** On whose behalf a connection comes. */
interface HelloPrincipal {
  id: string;
  /** Whether that is the daemon's own user: others name directories that are not theirs. */
  isOwner: boolean;
}

/** Where no door tells, as in tests of the session alone: whoever connects is the daemon's own user. */
const OWN_USER: HelloPrincipal = { id: "owner", isOwner: true };

/** What stands at the door a connection came through, and counts those who try it. */
export interface HelloGate {
  /** The address or socket the connection came to, as `proof.ts` writes it. */
  door: string;
  /** On whose behalf it comes. */
  principal: HelloPrincipal;
  /** The token was right, or none is asked: whether there is room; the connection has been closed if not. */
  mayEnter(): boolean;
  entered(): void;
  /** The token was wrong: whether to say so; the connection has been closed if not. */
  refused(): boolean;
}

/** Takes a new connection that must begin with a hello (docs/protocol.md). */
export function attachExai(channel: FrameChannel, hooks: AttachHooks, gate?: HelloGate): void {
  const refuse = (code: CloseCode, reason: string) => channel.close(code, reason);
  const timer = setTimeout(() => refuse(CLOSE.helloTimedOut, "no hello in time"), hooks.helloTimeoutMs);
  channel.onclose = () => clearTimeout(timer);
  channel.onbadframe = () => refuse(CLOSE.helloExpected, "the first frame must be a hello");
  let challenge: HelloChallenge | undefined;
  channel.onframe = (text) => {
    const opening = readOpening(text);
    if (typeof opening === "object" && opening.op === "challenge" && !challenge) {
      // It costs less than the connection did and keeps nobody waiting, so it is not counted as a try: who knows the
      // token must be able to ask, whatever strangers do. The time for the hello goes on.
      challenge = hooks.challenge({ door: gate?.door ?? SOCKET_DOOR, clientNonce: opening.nonce });
      return channel.send(JSON.stringify({ op: "challenge_res", ...challenge.answer } satisfies OpReply));
    }
    clearTimeout(timer);
    channel.onframe = undefined;
    if (typeof opening === "number") {
      return refuse(opening, "the first frame must be a hello with valid fields");
    }
    if (opening.op === "challenge") {
      return refuse(CLOSE.helloExpected, "a connection has one challenge; a hello comes after it");
    }
    const token = opening.proof === undefined ? plainToken(opening) : challenge?.tokenOf(opening.proof);
    if (!hooks.authenticate(token)) return turnAway(channel, gate);
    if (gate && !gate.mayEnter()) return;
    if (opening.op === "hello") return greet(channel, opening, { hooks, gate });
    gate?.entered();
    const { isOwner } = principalAt(gate);
    answerCommand(channel, opening, { hooks, token, isOwner }).catch((thrown) => {
      logHandlerError("a command", thrown);
      refuse(CLOSE.internal, "internal error");
    });
  };
}

function principalAt(gate: HelloGate | undefined): HelloPrincipal {
  return gate?.principal ?? OWN_USER;
}

/** The token a hello carries as it is; a command carries a proof only. */
function plainToken(opening: Hello | CommandOp): string | undefined {
  return opening.op === "hello" ? opening.token ?? undefined : undefined;
}

function turnAway(channel: FrameChannel, gate: HelloGate | undefined): void {
  if (gate && !gate.refused()) return;
  channel.send(JSON.stringify({ op: "hello_ack", ok: false, error: "unauthorized" } satisfies OpReply));
  channel.close(CLOSE.unauthorized, "unauthorized");
}

/** Takes a connection of the subprotocol `mcp`, which authenticated in its upgrade request and says no hello. */
export function attachMcp(
  channel: FrameChannel,
  hooks: AttachHooks,
  { server, via, principal = OWN_USER }: {
    server?: string;
    via?: readonly string[];
    principal?: HelloPrincipal;
  } = {},
): void {
  const session = hooks.registry.create({
    resumable: false,
    server,
    via,
    listens: isSubscribed,
    ...claimsOf(principal),
  });
  join(channel, session, { hooks, opsToo: false });
}

/** What a connection may begin with. */
type Opening = Hello | ChallengeOp | CommandOp;

const OPENINGS = ["hello", "challenge", "request"];

function readOpening(text: string): Opening | CloseCode {
  if (shapeFault(text) !== undefined) return CLOSE.helloExpected;
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return CLOSE.helloExpected;
  }
  if (!isObject(frame) || !OPENINGS.includes(textOf(frame.op) ?? "")) return CLOSE.helloExpected;
  try {
    return parseOp(frame) as Opening;
  } catch {
    return CLOSE.invalidHello;
  }
}

function greet(channel: FrameChannel, hello: Hello, how: { hooks: AttachHooks; gate?: HelloGate }): void {
  const { hooks, gate } = how;
  const say = (reply: OpReply) => channel.send(JSON.stringify(reply));
  try {
    assertNoLoop(parseVia(hello.via), hooks.daemonId);
    checkDirectory(hello.cwd ?? "");
    const { session, waiting } = findSession(hello, { registry: hooks.registry, gate });
    if (typeof hello.resume === "object") session.mailbox.confirmPosts(hello.resume?.posts ?? 0);
    gate?.entered();
    say({
      op: "hello_ack",
      ok: true,
      ...ackOf(session, waiting, hooks),
      ...(hello.lines ? { lines: true as const } : {}),
      ...(hello.receipts ? receiptsOf(session) : {}),
    });
    const { nudge, lines, receipts } = hello;
    join(channel, session, { hooks, opsToo: true, nudge, lines, receipts });
    if (waiting) session.warnOfLost(session.mailbox.resume(waiting, refuseForgotten));
  } catch (thrown) {
    say({ op: "hello_ack", ok: false, error: messageOf(thrown) });
    channel.close(CLOSE.invalidHello, "invalid hello");
  }
}

/** A session keeps its directory for as long as it lasts. */
function checkDirectory({ length }: string): void {
  if (length <= MAX_CWD_CHARS) return;
  throw new ExaiError("INVALID_REQUEST", `cwd may hold ${MAX_CWD_CHARS} characters at most, not ${length}`);
}

function findSession(
  hello: Hello,
  { registry, gate }: { registry: SessionRegistry; gate?: HelloGate },
): { session: Session; waiting?: RequestId[] } {
  const wantedId = hello.session_id || undefined;
  const principal = principalAt(gate);
  const wanted: NewSession = { ...newSession(hello), ...claimsOf(principal) };
  if (wantedId !== undefined && typeof hello.resume === "object" && hello.resume) {
    const { token, waiting = [] } = hello.resume;
    const session = registry.resume(wantedId, token, principal.id) ??
      registry.recover({ ...wanted, wantedId, resumeToken: token });
    if (session) return { session, waiting };
  }
  return { session: registry.create({ ...wanted, wantedId }) };
}

/** What a connection of `principal` gets, whatever it says itself. */
function claimsOf({ id, isOwner }: HelloPrincipal): Pick<NewSession, "principal" | "namedDirs"> {
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
    resumable: Boolean(hello.resume),
    listens: isSubscribed,
  };
}

/** Whether the client of an open connection waits for updates, which it need not say again and again. */
function isSubscribed({ subscriptions }: Session): boolean {
  return subscriptions.size > 0;
}

function ackOf(session: Session, waiting: RequestId[] | undefined, hooks: AttachHooks) {
  return {
    session_id: session.id,
    daemon: hooks.daemon,
    limits: hooks.limits,
    ...(session.resumable ? { resume_token: session.resumeToken } : {}),
    ...(waiting ? outcomes(session, waiting) : {}),
  };
}

/** What the client need not wait for, and whether it must be introduced first. */
function outcomes({ mailbox, calls, isRecovered, revision }: Session, waiting: readonly RequestId[]) {
  const unknown = waiting.filter((id) => mailbox.hasLost(id));
  const unseen = waiting.filter((id) =>
    !calls.has(id) && !mailbox.holds(id) && !mailbox.hasForgotten(id) && !mailbox.hasLost(id)
  );
  // Without the client's initialize it cannot know yet what was said to it here.
  return isRecovered && revision === undefined ? { recovered: { unseen, unknown } } : { unseen };
}

function receiptsOf({ mailbox, arrivals }: Session) {
  return { receipts: true as const, posts: mailbox.postsBase, received: arrivals };
}

function refuseForgotten(id: RequestId): string {
  const error = new ExaiError("OUTCOME_UNKNOWN", "the call ended, but its answer was too large to be kept", {
    details: { outcome: "unknown" },
  });
  return JSON.stringify(responseTo(id, { error: toRpcError(error) }));
}
