import { unlessLate } from "../base/abort.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { MAX_URI_CHARS } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";

const NOBODY: ReadonlyMap<string, Caller> = new Map();
/** A resource is looked for in so many of those it may be a part of. */
const MAX_DEPTH = 64;

/** How long one session waits for what another has asked about the same resource. */
const MAX_TURN_WAIT_MS = 2 * SECOND_MS;

/** What is asked of the server on behalf of one session. */
export interface SubscriptionRequest {
  /** Asks the server itself. */
  ask(): Promise<Result>;
  /**
   * Waits for what was asked before about the same resource.
   *
   * @throws the reason when the session no longer waits for the answer
   */
  turn?(before: Promise<void>): Promise<void>;
}

/** One resource somebody is subscribed to, or about to be. */
interface Topic {
  readonly callers: Map<string, Caller>;
  /** Whether the server has agreed to tell of it. */
  isConfirmed: boolean;
  /** Settles when everything asked about it before is answered. */
  last: Promise<void>;
  /** Requests about it that are not answered. */
  pending: number;
}

/**
 * Who has subscribed to which resource of one upstream, counted so that the server hears of each resource once. What is
 * asked about one resource is asked in the order it came, each after the answer to the one before, if that comes soon:
 * only then is it known whether the server has to be asked again, and each session hears what the server said to it.
 */
export class Subscriptions {
  readonly #byUri = new Map<string, Topic>();

  /** Resources somebody is subscribed to. */
  get size(): number {
    return this.#byUri.size;
  }

  /** The resources somebody is subscribed to. */
  get uris(): string[] {
    return [...this.#byUri.keys()];
  }

  /** Subscribes `caller` to `uri`; the server is asked unless it has agreed already. */
  subscribe(uri: string, caller: Caller, { ask, turn }: SubscriptionRequest): Promise<Result> {
    return this.#inOrder(uri, turn, async (topic) => {
      const was = topic.callers.has(caller.id);
      // Before the answer: an update may come in the same breath.
      topic.callers.set(caller.id, caller);
      if (topic.isConfirmed) return { result: {} };
      let result: Result | undefined;
      try {
        return result = await ask();
      } finally {
        if (result && !result.error) topic.isConfirmed = true;
        else if (!was) topic.callers.delete(caller.id);
      }
    });
  }

  /** Takes the subscription of `caller` back. Where the server refuses, it goes on, as the session is told. */
  unsubscribe(uri: string, caller: Caller, { ask, turn }: SubscriptionRequest): Promise<Result> {
    return this.#inOrder(uri, turn, async (topic) => {
      if (!topic.callers.has(caller.id)) return { result: {} };
      if (topic.callers.size > 1) {
        topic.callers.delete(caller.id);
        return { result: {} };
      }
      const result = await ask();
      if (!result.error) {
        topic.callers.delete(caller.id);
        topic.isConfirmed = false;
      }
      return result;
    });
  }

  /** Takes back everything of `caller`, who is gone; the server is asked about what nobody else is subscribed to. */
  removeAll(caller: Caller, ask: (uri: string) => Promise<Result>): void {
    for (const [uri, topic] of this.#byUri) {
      if (!topic.callers.has(caller.id) && topic.pending === 0) continue;
      this.#inOrder(uri, undefined, async (topic) => {
        if (!topic.callers.delete(caller.id) || topic.callers.size > 0) return { result: {} };
        // Nobody hears of it any more, whatever the server says.
        topic.isConfirmed = false;
        return await ask(uri);
      }).catch(() => {});
    }
  }

  /** Who is to hear of `uri`. A server may also tell of a part of what was subscribed to (MCP server/resources). */
  subscribersOf(uri: string): Caller[] {
    const callers = new Map<string, Caller>();
    const take = (who: ReadonlyMap<string, Caller> = NOBODY) => {
      for (const [id, caller] of who) callers.set(id, caller);
    };
    if (uri.length <= MAX_URI_CHARS) take(this.#byUri.get(uri)?.callers);
    // Looking up what it could be a part of costs the same however many subscriptions there are.
    let slash = -1;
    for (let depth = 0; depth < MAX_DEPTH && (slash = uri.indexOf("/", slash + 1)) >= 0; depth++) {
      if (slash > MAX_URI_CHARS) break;
      take(this.#byUri.get(uri.slice(0, slash))?.callers);
      take(this.#byUri.get(uri.slice(0, slash + 1))?.callers);
    }
    return [...callers.values()];
  }

  async #inOrder(
    uri: string,
    turn: SubscriptionRequest["turn"] = (before) => before,
    work: (topic: Topic) => Promise<Result>,
  ): Promise<Result> {
    const topic = this.#topic(uri);
    const before = topic.last;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const isFirst = topic.pending === 0;
    topic.last = before.then(() => done);
    topic.pending++;
    try {
      // A server that does not answer one session must not keep the others waiting.
      if (!isFirst) await turn(unlessLate(before, MAX_TURN_WAIT_MS));
      return await work(topic);
    } finally {
      topic.pending--;
      resolve();
      if (topic.pending === 0 && topic.callers.size === 0) this.#byUri.delete(uri);
    }
  }

  #topic(uri: string): Topic {
    let topic = this.#byUri.get(uri);
    if (!topic) {
      topic = { callers: new Map(), isConfirmed: false, last: Promise.resolve(), pending: 0 };
      this.#byUri.set(uri, topic);
    }
    return topic;
  }
}
