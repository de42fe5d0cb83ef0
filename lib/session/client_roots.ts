import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { KIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { AskOptions, Root } from "../call/call.ts";
import { jsonChars } from "../transport/message_size.ts";
import { CODES } from "../wire/codes.ts";
import type { Result, RpcError } from "../wire/rpc.ts";

type Roots = readonly Root[] | undefined;

/** What is known of a client's roots: `asked`, a caller waits for them; `late`, callers proceeded without them. */
export type RootsState = "unasked" | "asked" | "late" | "known";

/** How the roots of one client are requested, and what happens when they are late. */
export interface RootsHooks {
  /** Sends `roots/list` to the client. */
  ask(options: AskOptions): Promise<Result>;
  /** Lets callers proceed without roots, for the reason `why`; called once. */
  onMissing(why: string): void;
  /** The roots have arrived after callers went on without them. */
  onLate(): void;
}

/** How long a caller waits for a client that does not answer, the first time and afterwards. */
const FIRST_WAIT_MS = 10 * SECOND_MS;
const NEXT_WAIT_MS = SECOND_MS;
/** The request is cancelled after this time; until then a late response is used. */
const LATE_ANSWER_MS = 5 * MINUTE_MS;
/** After this time without a response the next use sends a new request. */
const RETRY_AFTER_MS = 10 * SECOND_MS;
/** Delays before the retries after an error response. */
const RETRY_DELAYS_MS = [100, 500];
/** Requests sent in a row because the roots changed before the response. */
const MAX_ROUNDS = 3;
/** Bounds of the roots kept: their number, the JSON characters of each, and of all together. The rest is ignored. */
const MAX_ROOTS = 1000;
const MAX_ROOT_CHARS = 8 * KIB;
const MAX_ALL_ROOTS_CHARS = 256 * KIB;

/**
 * The roots of one client (MCP client/roots). Servers run in them, so callers wait for the response, for a bounded time.
 * Only a response is cached: a client that was silent or failed is asked again.
 */
export class ClientRoots {
  readonly #hooks: RootsHooks;
  #known: { roots: Roots } | undefined;
  #request: { done: Promise<Roots>; cancel: AbortController } | undefined;
  /** Counts `roots/list_changed`, to detect a response that is outdated on arrival. */
  #changes = 0;
  /** Callers went on without roots that have not arrived since. */
  #isMissed = false;
  /** The last caller waited in vain; a client that answers with an error is not silent. */
  #isSilent = false;
  #hasWarned = false;
  #askedAtMs = 0;

  constructor(hooks: RootsHooks) {
    this.#hooks = hooks;
  }

  get state(): RootsState {
    if (this.#known) return "known";
    if (this.#isMissed) return "late";
    return this.#request ? "asked" : "unasked";
  }

  /** Whether the client has been asked and has not answered in time. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /**
   * The roots; undefined when the client has none or has not answered in time.
   *
   * @throws {ExaiError} `CANCELLED` when the session ends first
   */
  async get(): Promise<Roots> {
    if (this.#known) return this.#known.roots;
    const waitMs = this.#isMissed ? NEXT_WAIT_MS : FIRST_WAIT_MS;
    const { done } = this.#startRequest();
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => resolve("late"), waitMs);
    const roots = await Promise.race([done, late]).finally(() => clearTimeout(timer));
    this.#isSilent = roots === "late";
    if (roots === "late") this.#miss(`it has not answered roots/list within ${waitMs / SECOND_MS} s`);
    return roots === "late" ? undefined : roots;
  }

  /** The client's roots have changed. */
  invalidate(): void {
    this.#changes++;
    this.#known = undefined;
  }

  /** Sends a new request, without waiting, when the response is overdue. */
  retryOverdue(): void {
    if (this.state === "late" && performance.now() - this.#askedAtMs > RETRY_AFTER_MS) this.#startRequest();
  }

  #startRequest() {
    const isOverdue = performance.now() - this.#askedAtMs > RETRY_AFTER_MS;
    if (this.#request && !isOverdue) return this.#request;
    this.#request?.cancel.abort(new ExaiError("TIMEOUT", "the roots are asked for anew"));
    this.#askedAtMs = performance.now();
    const cancel = new AbortController();
    const request = { done: this.#fetch(cancel.signal), cancel };
    this.#request = request;
    const clear = () => {
      if (this.#request === request) this.#request = undefined;
    };
    request.done.then(clear, clear);
    return request;
  }

  async #fetch(signal: AbortSignal): Promise<Roots> {
    let why = "";
    for (let failures = 0, rounds = 1;;) {
      const { isOutdated, roots, failure } = await this.#fetchOnce(signal);
      if (failure === undefined && (!isOutdated || rounds++ >= MAX_ROUNDS)) return this.#store(roots);
      if (failure === undefined) continue;
      why = failure;
      const delayMs = RETRY_DELAYS_MS[failures++];
      if (delayMs === undefined) break;
      await delay(delayMs, { signal }).catch(() => {});
      if (signal.aborted) break;
    }
    if (!signal.aborted) this.#miss(`it answers roots/list with an error: ${why}`);
    return undefined;
  }

  async #fetchOnce(signal: AbortSignal): Promise<{ isOutdated?: boolean; roots?: Roots; failure?: string }> {
    const changes = this.#changes;
    let answer: Result;
    try {
      answer = await this.#hooks.ask({ signal, timeoutMs: LATE_ANSWER_MS });
    } catch (thrown) {
      const error = ExaiError.from(thrown);
      if (error.code === "CANCELLED") throw error;
      return { failure: error.message };
    }
    if (answer.error) return isUnknownMethod(answer.error) ? {} : { failure: answer.error.message };
    const { roots } = answer.result ?? {};
    if (!Array.isArray(roots)) return { failure: "the answer holds no list of roots" };
    return {
      roots: boundedRoots(roots as JsonObject[]),
      isOutdated: changes !== this.#changes,
    };
  }

  #store(roots: Roots): Roots {
    this.#known = { roots };
    const wasMissed = this.#isMissed;
    this.#isMissed = this.#isSilent = false;
    if (wasMissed && roots) this.#hooks.onLate();
    return roots;
  }

  #miss(why: string): void {
    if (!this.#hasWarned) this.#hooks.onMissing(why);
    this.#hasWarned = this.#isMissed = true;
  }
}

function boundedRoots(offered: readonly JsonObject[]): Root[] {
  const kept: Root[] = [];
  let chars = 0;
  for (const value of offered.slice(0, MAX_ROOTS)) {
    if (!isRoot(value)) continue;
    chars += jsonChars(value, MAX_ROOT_CHARS);
    if (chars <= MAX_ALL_ROOTS_CHARS) kept.push(value);
  }
  return kept;
}

function isRoot(value: JsonObject): value is Root {
  return isObject(value) && typeof value.uri === "string" &&
    jsonChars(value, MAX_ROOT_CHARS) !== Infinity;
}

/** A client with the roots capability that lacks the method has no roots. */
function isUnknownMethod({ code }: RpcError): boolean {
  return code === CODES.METHOD_NOT_FOUND.rpc;
}
