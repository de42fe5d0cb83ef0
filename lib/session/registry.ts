import { getLogger } from "@logtape/logtape";
import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { suspendAwareTimeout } from "../base/time.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { ListChangeFilter } from "../call/list_changes.ts";
import { isSamePrincipal } from "../call/owner.ts";
import { CLOSE } from "../wire/codes.ts";
import type { CallJournal } from "./journal.ts";
import type { WorkspaceResolver } from "./ownership.ts";
import type { ReplayLimits } from "./replay_buffer.ts";
import { Session, type SessionOptions } from "./session.ts";

const log = getLogger(["exai", "session"]);

export interface RegistryOptions {
  /** How long a session waits for its client after the connection was cut. */
  resumeWindowMs: number;
  /** A session that cannot be resumed is closed when it sends nothing and runs nothing for this long; 0: never. */
  idleMs: number;
  maxFrameBytes: number;
  /** Requests one session may have running and waiting. Default: unlimited. */
  maxRunning?: number;
  /** The byte budget shared by all sessions. */
  budget?: ByteBudget;
  /** Finds the workspace of a session. Default: each session owns what is kept for it alone. */
  findWorkspace?: WorkspaceResolver;
  /** Records the calls of resumable sessions for the next daemon. */
  journal?: CallJournal;
  /** Decides which clients are notified of changed lists. Default: each of every change. */
  listChanges?: ListChangeFilter;
  onStart?(session: Session): void;
  onEnd?(session: Session): void;
}

/** What is known of a client when it attaches. */
export type NewSession =
  & Pick<
    SessionOptions,
    | "client"
    | "cwd"
    | "server"
    | "isReading"
    | "isResumable"
    | "namedDirs"
    | "ownSecret"
    | "principal"
    | "via"
    | "window"
    | "pid"
    | "parentPid"
  >
  & {
    wantedId?: string;
    /** Whether the client is waiting for notifications although it sends nothing; such a session is not idle. */
    listens?: (session: Session) => boolean;
  };

/** Added to the resume window when this process was suspended meanwhile: the client needs time to reconnect. */
const RESUME_GRACE_MS = 5 * SECOND_MS;

/** Detached sessions that wait for their clients. */
const MAX_DETACHED = 4096;

const IDLE_CHECK_MS = 30 * SECOND_MS;

const SESSION_ID = /^[\w.:@-]{1,128}$/;

/** All sessions of the daemon. */
export class SessionRegistry implements Disposable {
  readonly #sessions = new Map<string, Session>();
  /** Resume windows of detached sessions, the longest detached first. */
  readonly #resumeWindows = new Map<string, Disposable>();
  readonly #listens = new Map<string, (session: Session) => boolean>();
  readonly #options: RegistryOptions;
  readonly #idleTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { idleMs } = options;
    if (idleMs > 0) this.#idleTimer = setInterval(() => this.closeIdle(), Math.min(idleMs, IDLE_CHECK_MS));
  }

  get size(): number {
    return this.#sessions.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Limits of what is kept for one client. */
  get replayLimits(): ReplayLimits {
    const { maxFrameBytes, budget } = this.#options;
    return { maxMessages: 256, maxChars: Math.max(2 * maxFrameBytes, 16 * MIB), budget };
  }

  /** The callers of all sessions: each session, and those of the modern era that are parts of it. */
  *callers(): IterableIterator<Caller> {
    for (const session of this) {
      yield session;
      yield* session.modern.tenants;
    }
  }

  /** Answers what clients listen to, which is no call: the daemon stops. */
  endListens(): void {
    for (const session of this) session.modern.listens?.end();
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /**
   * Creates a session under `wantedId` if that is free, otherwise under a variant of it: two windows with the same
   * `EXAI_SESSION_ID` in their environment get two sessions.
   *
   * @throws {ExaiError} `INVALID_REQUEST` when the wanted id is malformed
   */
  create(wanted: NewSession): Session {
    checkSessionId(wanted.wantedId);
    const resumeToken = crypto.randomUUID();
    const journal = wanted.isResumable ? this.#options.journal?.open(resumeToken) : undefined;
    return this.#add(wanted, { resumeToken, journal });
  }

  #add(
    { wantedId, listens, ...about }: NewSession,
    recording: Pick<SessionOptions, "resumeToken" | "journal" | "isRecovered">,
  ): Session {
    const id = this.#freeId(wantedId);
    const { maxFrameBytes, maxRunning, findWorkspace, listChanges } = this.#options;
    const session = new Session({
      ...about,
      ...recording,
      id,
      replayLimits: this.replayLimits,
      maxFrameBytes,
      maxRunning,
      findWorkspace,
      listChanges,
    });
    this.#sessions.set(id, session);
    if (listens) this.#listens.set(id, listens);
    this.#options.onStart?.(session);
    return session;
  }

  /**
   * The session `id` for a client that presents its resume token on behalf of the same principal. A connection it still
   * has is closed.
   */
  resume(id: string, token: string, principal: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (!session?.isResumable || !equalsInConstantTime(session.resumeToken, token)) return undefined;
    if (!isSamePrincipal(session.principal, principal)) return undefined;
    this.#closeResumeWindow(id);
    session.output.close(CLOSE.sessionReplaced, "the client has attached anew");
    return session;
  }

  /**
   * Recreates the session of a client whose daemon has ended or has given the session up: with its token, its id if that
   * is free, and the calls the journal has of it. Undefined when the journal does not know the token.
   */
  recover({ resumeToken, ...wanted }: NewSession & { resumeToken: string }): Session | undefined {
    checkSessionId(wanted.wantedId);
    const found = this.#options.journal?.recover(resumeToken);
    if (!found) return undefined;
    const { journal, calls } = found;
    const session = this.#add(wanted, { resumeToken, journal, isRecovered: true });
    session.output.restore(calls);
    log.info("session {id} is recovered with {count} calls from the journal", {
      id: session.id,
      count: calls.length,
    });
    return session;
  }

  /** The connection of `session` was cut: opens its resume window, or ends it when it cannot be resumed. */
  handleDisconnect(session: Session): void {
    if (!session.isResumable || this.#options.resumeWindowMs === 0) {
      return this.end(session, "the client has gone away");
    }
    log.debug("session {id} lost its connection and waits to be resumed", { id: session.id });
    this.#evictLongestDetached();
    const expire = () => this.end(session, "the client did not come back");
    this.#resumeWindows.set(
      session.id,
      suspendAwareTimeout(expire, this.#options.resumeWindowMs, RESUME_GRACE_MS),
    );
  }

  /** Bounds the memory taken by clients that connect and drop again and again. */
  #evictLongestDetached(): void {
    const [longest] = this.#resumeWindows.keys();
    if (this.#resumeWindows.size < MAX_DETACHED || longest === undefined) return;
    log.warning("more than {count} sessions are detached: {id} is evicted", {
      count: MAX_DETACHED,
      id: longest,
    });
    this.end(this.#sessions.get(longest)!, "too many sessions wait for their clients");
  }

  /** Ends `session` and aborts its calls. `goodbye`: the client will not resume. */
  end(session: Session, why: string, options: { goodbye?: boolean } = {}): void {
    if (!this.#sessions.delete(session.id)) return;
    this.#closeResumeWindow(session.id);
    this.#listens.delete(session.id);
    session.end(why, options);
    this.#options.onEnd?.(session);
  }

  /** Closes sessions that have been idle for too long. A resumable session is never idle: it ends with its resume window. */
  closeIdle(nowMs = performance.now()): void {
    for (const session of this.#sessions.values()) {
      if (session.isResumable) continue;
      if (this.#listens.get(session.id)?.(session)) session.touch();
      if (session.calls.size > 0 || nowMs - session.lastUsedMs < this.#options.idleMs) continue;
      log.info("session {id} was idle for too long and is closed", { id: session.id });
      session.output.close(CLOSE.goingAway, "idle for too long");
      this.end(session, "the session was idle for too long");
    }
  }

  /** Restarts the idle time of all sessions, after a time in which no client could send anything. */
  touchAll(): void {
    for (const session of this.#sessions.values()) session.touch();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#idleTimer);
    for (const session of [...this.#sessions.values()]) this.end(session, "the daemon is stopping");
  }

  #freeId(wanted: string | undefined): string {
    if (wanted === undefined) return crypto.randomUUID();
    let id = wanted;
    for (let n = 2; this.#sessions.has(id); n++) id = `${wanted}:${n}`;
    return id;
  }

  #closeResumeWindow(id: string): void {
    this.#resumeWindows.get(id)?.[Symbol.dispose]();
    this.#resumeWindows.delete(id);
  }
}

function checkSessionId(id: string | undefined): void {
  if (id === undefined || SESSION_ID.test(id)) return;
  throw new ExaiError("INVALID_REQUEST", "session_id must be 1 to 128 letters, digits, or one of _ . : @ -");
}

function equalsInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % (b.length || 1));
  return difference === 0;
}
