import { delay } from "@std/async/delay";
import { Backoff } from "../../base/backoff.ts";
import { ExaiError } from "../../base/errors.ts";
import { monotonicNow } from "../../base/time.ts";
import type { JsonObject } from "../../base/json.ts";
import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import { toRpcError } from "../../wire/codes.ts";
import type { Params } from "../../wire/raw_object.ts";
import type { Result } from "../../wire/rpc.ts";
import type { ListenStream, OpenListen } from "./link/server_link.ts";

interface UnionListenOptions {
  open: OpenListen;
  /** The changes of lists that the server announces, as members of the filter: `{ toolsListChanged: true }`. */
  lists: JsonObject;
  /** Takes a notification of the server. */
  deliver(method: string, params: Params): void;
  /** Notifications may have been missed: every list and every subscribed resource may have changed. */
  onGap(): void;
  /** A resource that was subscribed to is not among what a later stream gives. */
  onLost(uri: string, why: string): void;
  log?(text: string): void;
}

/** Time between two attempts in vain at least, whatever is asked for meanwhile. */
const MIN_WAIT_MS = SECOND_MS;

/** A stream that was open for so long has not failed: when it ends, the next attempt is made soon. */
const LASTING_MS = 10 * SECOND_MS;

/** From a change of several resources to the next stream at least: who asks for many goes on when the first are given. */
const GATHER_MS = 20;

/** A resource whose updates are wanted. */
interface Wanted {
  /** Whether the server has acknowledged it: it stays wanted when a stream breaks. */
  isGranted: boolean;
  /** Settled with the answer to the `resources/subscribe` that asked for it. */
  readonly waiting: PromiseWithResolvers<Result>[];
}

/**
 * The one `subscriptions/listen` of a server of the modern era, for all sessions (MCP basic/patterns/subscriptions). A
 * filter cannot be changed: for another, a second stream is opened, and the first ended once that is acknowledged, so
 * that nothing is missed between them.
 */
export class UnionListen {
  readonly #options: UnionListenOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #ended = new AbortController();
  #stream: ListenStream | undefined;
  /** Earlier ones, for which another speaks. */
  readonly #replaced = new WeakSet<ListenStream>();
  /** The resources that {@linkcode #stream} was asked for. */
  #asked: ReadonlySet<string> = new Set();
  #isReconciling = false;
  readonly #backoff = new Backoff({ minMs: MIN_WAIT_MS, maxMs: MINUTE_MS });
  /** Until when changes are taken together. */
  #gatherUntilMs = 0;
  /** Set while the next attempt is waited for. */
  #attempt: { sooner(): void } | undefined;
  /** Whether nobody may have told what changed before the next stream: one was open, or could not be opened. */
  #mayHaveMissed = false;

  constructor(options: UnionListenOptions) {
    this.#options = options;
  }

  /** Opens the stream, where the server announces anything without being asked for it. */
  start(): void {
    void this.#reconcile();
  }

  /** Asks for updates of `uri` too; the answer is that to `resources/subscribe` in the legacy era. */
  subscribe(uri: string): Promise<Result> {
    if (this.#ended.signal.aborted) return Promise.reject(this.#ended.signal.reason);
    const wanted = this.#wanted.get(uri) ?? { isGranted: false, waiting: [] };
    if (wanted.isGranted) return Promise.resolve({ result: {} });
    const answer = Promise.withResolvers<Result>();
    wanted.waiting.push(answer);
    this.#wanted.set(uri, wanted);
    this.#attempt?.sooner();
    void this.#reconcile();
    return answer.promise;
  }

  /** Asks for updates of `uri` no longer. */
  unsubscribe(uri: string): Promise<Result> {
    this.#drop(uri, new ExaiError("CANCELLED", "the subscription was ended before it began"));
    void this.#reconcile();
    return Promise.resolve({ result: {} });
  }

  /** The server has ended, or is left. */
  close(why: ExaiError): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(why);
    this.#stream?.close();
    for (const uri of [...this.#wanted.keys()]) this.#drop(uri, why);
  }

  #drop(uri: string, why: ExaiError): void {
    const { waiting = [] } = this.#wanted.get(uri) ?? {};
    this.#wanted.delete(uri);
    for (const { resolve } of waiting) resolve({ error: toRpcError(why) });
  }

  /** Opens another stream until one has what is wanted now. */
  async #reconcile(): Promise<void> {
    if (this.#isReconciling) return;
    this.#isReconciling = true;
    try {
      // What is asked for in the same turn is asked for at once.
      await Promise.resolve();
      while (!this.#ended.signal.aborted && !this.#isCurrent()) {
        await this.#pause(this.#gatherUntilMs - monotonicNow());
        if (!this.#ended.signal.aborted && !this.#isCurrent()) await this.#replace();
      }
    } finally {
      this.#isReconciling = false;
    }
  }

  #isCurrent(): boolean {
    const { size } = this.#wanted;
    const hasAll = size === this.#asked.size && [...this.#wanted.keys()].every((uri) => this.#asked.has(uri));
    const isNothingWanted = size === 0 && Object.keys(this.#options.lists).length === 0;
    return isNothingWanted ? this.#stream === undefined : this.#stream !== undefined && hasAll;
  }

  async #replace(): Promise<void> {
    const uris = new Set(this.#wanted.keys());
    const { lists } = this.#options;
    if (uris.size === 0 && Object.keys(lists).length === 0) return this.#use(undefined, uris);
    const filter = { ...lists, ...(uris.size > 0 ? { resourceSubscriptions: [...uris] } : {}) };
    try {
      const stream = await this.#open(filter);
      if (this.#ended.signal.aborted) return stream.close();
      this.#use(stream, uris);
      this.#settle(stream, uris);
    } catch (thrown) {
      await this.#failed(ExaiError.from(thrown), uris);
    }
  }

  /**
   * Of two streams the newer one speaks, once it is acknowledged. What a server says along with its acknowledgement comes
   * before {@linkcode #use}: a stream speaks unless another has replaced it, not only while it is the one in use.
   */
  async #open(filter: JsonObject): Promise<ListenStream> {
    let stream: ListenStream | undefined;
    return stream = await this.#options.open(filter, (method, params) => {
      if (!stream || !this.#replaced.has(stream)) this.#options.deliver(method, params);
    });
  }

  #use(stream: ListenStream | undefined, uris: ReadonlySet<string>): void {
    const before = this.#stream;
    const sinceMs = monotonicNow();
    if (uris.symmetricDifference(this.#asked).size > 1) this.#gatherUntilMs = sinceMs + GATHER_MS;
    this.#stream = stream;
    this.#asked = uris;
    if (before) this.#replaced.add(before);
    before?.close();
    if (!stream) return;
    if (before === undefined && this.#mayHaveMissed) this.#options.onGap();
    this.#mayHaveMissed = true;
    void stream.ended.then(() => {
      if (monotonicNow() - sinceMs >= LASTING_MS) this.#backoff.reset();
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      this.#asked = new Set();
      void this.#again();
    });
  }

  /** Answers those who wait for what the new stream gives, or does not give, them. */
  #settle({ honoured }: ListenStream, uris: ReadonlySet<string>): void {
    const given = new Set(
      Array.isArray(honoured.resourceSubscriptions) ? honoured.resourceSubscriptions : [],
    );
    const refused = new Set<string>();
    for (const uri of uris) {
      const wanted = this.#wanted.get(uri);
      if (!wanted) continue;
      if (!given.has(uri)) {
        refused.add(uri);
        const why = `this server does not tell when ${JSON.stringify(uri)} changes`;
        if (wanted.isGranted) this.#options.onLost(uri, why);
        this.#drop(uri, new ExaiError("INVALID_PARAMS", why));
      } else {
        wanted.isGranted = true;
        for (const { resolve } of wanted.waiting.splice(0)) resolve({ result: {} });
      }
    }
    // The stream does without them already.
    if (refused.size > 0) this.#asked = uris.difference(refused);
  }

  async #failed(why: ExaiError, uris: ReadonlySet<string>): Promise<void> {
    this.#options.log?.(`(subscriptions/listen: ${why.message})`);
    // A server without it will not learn it.
    if (why.code === "METHOD_NOT_FOUND") return this.close(why);
    // Lists that were read meanwhile count as announced, and are kept as long as the server said.
    if (Object.keys(this.#options.lists).length > 0) this.#mayHaveMissed = true;
    for (const uri of uris) if (this.#wanted.get(uri)?.isGranted === false) this.#drop(uri, why);
    await this.#wait();
  }

  async #again(): Promise<void> {
    if (this.#isReconciling) return;
    await this.#wait();
    await this.#reconcile();
  }

  /** Until the next attempt: longer after each failure, but not for those who have asked for a resource meanwhile. */
  async #wait(): Promise<void> {
    const [sinceMs, backoffMs] = [monotonicNow(), this.#backoff.next()];
    const soon = new AbortController();
    const attempt = this.#attempt = { sooner: () => soon.abort() };
    if (!this.#isAwaited) await this.#pause(backoffMs, soon.signal);
    if (this.#attempt === attempt) this.#attempt = undefined;
    if (!this.#isAwaited) return;
    await this.#pause(sinceMs + Math.min(backoffMs, MIN_WAIT_MS) - monotonicNow());
  }

  /** Whether somebody waits for the answer about a resource. */
  get #isAwaited(): boolean {
    return this.#wanted.values().some(({ waiting }) => waiting.length > 0);
  }

  async #pause(ms: number, soon?: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#ended.signal, soon ?? []].flat());
    if (ms > 0) await delay(ms, { signal, persistent: false }).catch(() => {});
  }
}
