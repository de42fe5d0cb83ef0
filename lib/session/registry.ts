import { getLogger } from "@logtape/logtape";
import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { suspendAwareTimeout } from "../base/time.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { isSamePrincipal } from "../call/owner.ts";
import { CLOSE } from "../wire/codes.ts";
import type { CallJournal } from "./journal.ts";
import type { MailboxLimits } from "./mailbox.ts";
import type { FindWorkspace } from "./ownership.ts";
import { Session, type SessionOptions } from "./session.ts";

const log = getLogger(["exai", "session"]);

export interface RegistryOptions {
  /** How long a session whose connection was cut waits for its client. */
  resumeWindowMs: number;
  /** A session that cannot be resumed, sends nothing and runs nothing for this long is closed; 0: never. */
  idleMs: number;
  maxFrameBytes: number;
  /** Requests one session may have running and waiting; any number unless said otherwise. */
  maxRunning?: number;
  /** The bound on what is held for all sessions together. */
  budget?: ByteBudget;
  /** Finds the directory a session works in; left out: what is kept for a session is its own alone. */
  findWorkspace?: FindWorkspace;
  /** Keeps the calls of sessions that can be resumed, for the next daemon. */
  journal?: CallJournal;
  /** Called when a session has come. */
  onStart?(session: Session): void;
  /** Called when a session is over for good. */
  onEnd?(session: Session): void;
}

/** What a client says about itself when it attaches. */
export type NewSession =
  & Pick<
    SessionOptions,
    "client" | "cwd" | "server" | "resumable" | "namedDirs" | "principal" | "via"
  >
  & {
    wantedId?: string;
    /** Whether the client is there although it sends nothing; such a session is not idle. */
    listens?: (session: Session) => boolean;
  };

/** How much longer a session waits when this process was stopped meanwhile: its client may be at the door. */
const RETURN_GRACE_MS = 5 * SECOND_MS;

/** Sessions that wait for clients whose connections were cut. */
const MAX_AWAY = 4096;

const SESSION_ID = /^[\w.:@-]{1,128}$/;

/** Every session of the daemon. */
export class SessionRegistry implements Disposable {
  readonly #sessions = new Map<string, Session>();
  readonly #deadlines = new Map<string, Disposable>();
  readonly #listens = new Map<string, (session: Session) => boolean>();
  readonly #options: RegistryOptions;
  readonly #sweeper: ReturnType<typeof setInterval> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    if (options.idleMs > 0) this.#sweeper = setInterval(() => this.sweep(), Math.min(options.idleMs, 30_000));
  }

  get size(): number {
    return this.#sessions.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** What is kept for a client that is away. */
  get mailboxLimits(): MailboxLimits {
    const { maxFrameBytes, budget } = this.#options;
    return { maxMessages: 256, maxChars: Math.max(2 * maxFrameBytes, 16 * MIB), budget };
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /**
   * A new session under the id the client wants if that is free, otherwise under another: two windows that were given
   * one name by their environment must not meet.
   *
   * @throws {ExaiError} `INVALID_REQUEST` when the wanted id is not one
   */
  create(wanted: NewSession): Session {
    const session = this.#add(wanted);
    const { journal } = this.#options;
    if (journal && session.resumable) {
      session.journal = journal.open(session.resumeToken);
    }
    return session;
  }

  #add(wanted: NewSession & { resumeToken?: string }): Session {
    const { wantedId, listens, ...rest } = wanted;
    if (wantedId !== undefined && !SESSION_ID.test(wantedId)) {
      throw new ExaiError(
        "INVALID_REQUEST",
        "session_id must be 1 to 128 letters, digits, or one of _ . : @ -",
      );
    }
    const id = this.#freeId(wantedId);
    const { maxFrameBytes, maxRunning, findWorkspace } = this.#options;
    const session = new Session({
      ...rest,
      id,
      mailbox: this.mailboxLimits,
      maxFrameBytes,
      maxRunning,
      findWorkspace,
    });
    this.#sessions.set(id, session);
    if (listens) this.#listens.set(id, listens);
    this.#options.onStart?.(session);
    return session;
  }

  /**
   * The session `id`, for a client that shows its resume token on behalf of the same principal; a connection it still
   * has is replaced.
   */
  resume(id: string, token: string, principal: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (!session?.resumable || !isSame(session.resumeToken, token)) return undefined;
    if (!isSamePrincipal(session.principal, principal)) return undefined;
    this.#stopWaiting(id);
    session.mailbox.close(CLOSE.sessionReplaced, "the client has attached anew");
    return session;
  }

  /**
   * The session of a client whose daemon is gone, or has given it up: begun anew under its token, and its id if that is
   * free, with what the journal has of its calls. Undefined when the journal does not know it.
   */
  recover(wanted: NewSession & { resumeToken: string }): Session | undefined {
    const found = this.#options.journal?.recover(wanted.resumeToken);
    if (!found) return undefined;
    const session = this.#add(wanted);
    session.journal = found.journal;
    session.mailbox.adopt(found.calls);
    log.info("session {id} is taken over with {count} calls from the journal", {
      id: session.id,
      count: found.calls.length,
    });
    return session;
  }

  /** The connection of `session` was cut: it waits for its client, or ends when it cannot come back. */
  detached(session: Session): void {
    if (!session.resumable || this.#options.resumeWindowMs === 0) {
      return this.end(session, "the client has gone away");
    }
    log.debug("session {id} was cut off and waits", { id: session.id });
    this.#makeRoomForAway();
    const giveUp = () => this.end(session, "the client did not come back");
    this.#deadlines.set(
      session.id,
      suspendAwareTimeout(giveUp, this.#options.resumeWindowMs, RETURN_GRACE_MS),
    );
  }

  /** Who comes and is cut off again and again must not fill the memory: the session longest away is given up. */
  #makeRoomForAway(): void {
    const [longest] = this.#deadlines.keys();
    if (this.#deadlines.size < MAX_AWAY || longest === undefined) return;
    log.warning("more than {count} sessions are away: {id} is given up", { count: MAX_AWAY, id: longest });
    this.end(this.#sessions.get(longest)!, "too many sessions wait for their clients");
  }

  /** Ends `session` for good and aborts its calls. `goodbye`: its client will not ask for anything any more. */
  end(session: Session, why: string, options: { goodbye?: boolean } = {}): void {
    if (!this.#sessions.delete(session.id)) return;
    this.#stopWaiting(session.id);
    this.#listens.delete(session.id);
    session.end(why, options);
    this.#options.onEnd?.(session);
  }

  /**
   * Closes the sessions that have been idle for too long. One that can be resumed is never idle: its client is there to
   * be told of updates, or has its resume window to come back in.
   */
  sweep(nowMs = performance.now()): void {
    for (const session of this.#sessions.values()) {
      if (session.resumable) continue;
      if (this.#listens.get(session.id)?.(session)) session.touch();
      if (session.calls.size > 0 || nowMs - session.lastUsedMs < this.#options.idleMs) continue;
      log.info("session {id} was idle for too long and is closed", { id: session.id });
      session.mailbox.close(CLOSE.goingAway, "idle for too long");
      this.end(session, "the session was idle for too long");
    }
  }

  /** Time has passed in which no client could say anything: none of them was idle. */
  touchAll(): void {
    for (const session of this.#sessions.values()) session.touch();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweeper);
    for (const session of [...this.#sessions.values()]) this.end(session, "the daemon is stopping");
  }

  #freeId(wanted: string | undefined): string {
    if (wanted === undefined) return crypto.randomUUID();
    let id = wanted;
    for (let n = 2; this.#sessions.has(id); n++) id = `${wanted}:${n}`;
    return id;
  }

  #stopWaiting(id: string): void {
    this.#deadlines.get(id)?.[Symbol.dispose]();
    this.#deadlines.delete(id);
  }
}

/** Compares two tokens in constant time. */
function isSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % (b.length || 1));
  return difference === 0;
}
