import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { KIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { AskOptions, Root } from "../call/call.ts";
import { jsonChars } from "../transport/message_size.ts";
import type { Result, RpcError } from "../wire/rpc.ts";

type Roots = readonly Root[] | undefined;

/** What is known of a client's roots: `asked`, somebody waits for them; `late`, nobody waits any more. */
export type RootsState = "unasked" | "asked" | "late" | "known";

/** How the roots of one client are asked for, and who is told of what comes of it. */
export interface RootsHooks {
  /** Asks the client for `roots/list`. */
  ask(options: AskOptions): Promise<Result>;
  /** Whoever asked goes on without roots: the client has not told them, for the reason `why`. */
  onMissing(why: string): void;
  /** The roots have come after somebody had to go on without them. */
  onLate(): void;
}

/** How long whoever needs the roots waits for a client that does not answer, the first time and afterwards. */
const FIRST_WAIT_MS = 10 * SECOND_MS;
const NEXT_WAIT_MS = SECOND_MS;
/** An answer is still taken so much later; then the question is withdrawn. */
const LATE_ANSWER_MS = 5 * MINUTE_MS;
/** A client that is silent for so long is asked anew when the roots are needed next. */
const ASK_ANEW_MS = 10 * SECOND_MS;
/** Pauses before a client that answered with an error is asked again. */
const RETRY_PAUSES_MS = [100, 500];
/** How often a client is asked again because its roots changed before it had answered. */
const MAX_ROUNDS = 3;
/** Roots a client may tell of, how long each may be and all together: they are kept. What is beyond is passed over. */
const MAX_ROOTS = 1000;
const MAX_ROOT_CHARS = 8 * KIB;
const MAX_ALL_ROOTS_CHARS = 256 * KIB;

/**
 * The roots of one client (MCP client/roots). They decide in which directory servers run, so whoever needs them waits for
 * the answer, for a bounded time, and only an answer is kept: a client that was silent or failed is asked again.
 */
export class ClientRoots {
  readonly #hooks: RootsHooks;
  #known: { roots: Roots } | undefined;
  #asking: { done: Promise<Roots>; withdraw: AbortController } | undefined;
  /** Counts the client's word that its roots have changed: an answer to an earlier question is then old. */
  #changes = 0;
  /** Somebody went on without roots that have not come since. */
  #missed = false;
  #hasFailed = false;
  #askedAtMs = 0;

  constructor(hooks: RootsHooks) {
    this.#hooks = hooks;
  }

  get state(): RootsState {
    if (this.#known) return "known";
    if (this.#missed) return "late";
    return this.#asking ? "asked" : "unasked";
  }

  /**
   * The roots, or undefined when the client has none or has not told them in time.
   *
   * @throws {ExaiError} `CANCELLED` when the session ends first
   */
  async get(): Promise<Roots> {
    if (this.#known) return this.#known.roots;
    const waitMs = this.#missed ? NEXT_WAIT_MS : FIRST_WAIT_MS;
    const { done } = this.#ask();
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => resolve("late"), waitMs);
    const roots = await Promise.race([done, late]).finally(() => clearTimeout(timer));
    if (roots === "late") this.#miss(`it has not answered roots/list within ${waitMs / SECOND_MS} s`);
    return roots === "late" ? undefined : roots;
  }

  /** The client says that its roots have changed. */
  changed(): void {
    this.#changes++;
    this.#known = undefined;
  }

  /** The client is heard of: if its roots are overdue it is asked for them again. Nobody waits for that. */
  remind(): void {
    if (this.state === "late" && performance.now() - this.#askedAtMs > ASK_ANEW_MS) this.#ask();
  }

  #ask() {
    const isOverdue = performance.now() - this.#askedAtMs > ASK_ANEW_MS;
    if (this.#asking && !isOverdue) return this.#asking;
    this.#asking?.withdraw.abort(new ExaiError("TIMEOUT", "the roots are asked for anew"));
    this.#askedAtMs = performance.now();
    const withdraw = new AbortController();
    const asking = { done: this.#find(withdraw.signal), withdraw };
    this.#asking = asking;
    const over = () => {
      if (this.#asking === asking) this.#asking = undefined;
    };
    asking.done.then(over, over);
    return asking;
  }

  async #find(signal: AbortSignal): Promise<Roots> {
    let why = "";
    for (let failures = 0, rounds = 1;;) {
      const { isOld, roots, failure } = await this.#askOnce(signal);
      if (failure === undefined && (!isOld || rounds++ >= MAX_ROUNDS)) return this.#learn(roots);
      if (failure === undefined) continue;
      why = failure;
      const pauseMs = RETRY_PAUSES_MS[failures++];
      if (pauseMs === undefined) break;
      await delay(pauseMs, { signal }).catch(() => {});
      if (signal.aborted) break;
    }
    if (!signal.aborted) this.#miss(`it answers roots/list with an error: ${why}`);
    return undefined;
  }

  async #askOnce(signal: AbortSignal): Promise<{ isOld?: boolean; roots?: Roots; failure?: string }> {
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
      roots: keptRoots(roots as JsonObject[]),
      isOld: changes !== this.#changes,
    };
  }

  #learn(roots: Roots): Roots {
    this.#known = { roots };
    const wasMissed = this.#missed;
    this.#missed = false;
    if (wasMissed && roots) this.#hooks.onLate();
    return roots;
  }

  #miss(why: string): void {
    if (!this.#hasFailed) this.#hooks.onMissing(why);
    this.#hasFailed = this.#missed = true;
  }
}

function keptRoots(told: readonly JsonObject[]): Root[] {
  const kept: Root[] = [];
  let chars = 0;
  for (const value of told.slice(0, MAX_ROOTS)) {
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

/** A client that offers roots and does not know the method has none. */
function isUnknownMethod({ code }: RpcError): boolean {
  return code === -32601;
}
