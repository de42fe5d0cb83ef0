import { resolvedWithin, untilAborted } from "../base/abort.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import { waitingFor } from "../call/wait.ts";
import { toRpcError } from "../wire/codes.ts";
import { MAX_URI_CHARS, uriOf } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";

const NOBODY: ReadonlySet<Caller> = new Set();
/** A resource is looked for in so many of those it may be a part of. */
const MAX_DEPTH = 64;

/** How long one session waits for what another has asked about the same resource. */
const MAX_TURN_WAIT_MS = 2 * SECOND_MS;

/** What is asked of the server on behalf of one session. */
interface SubscriptionRequest {
  /** Asks the server itself. */
  ask(): Promise<Result>;
  /**
   * Waits for what was asked before about the same resource.
   *
   * @throws the reason when the session no longer waits for the answer
   */
  turn?(before: Promise<void>): Promise<void>;
}

interface SubscriptionsOptions {
  /** Asks the server to tell of a resource, on behalf of nobody in particular. */
  renew(uri: string): Promise<Result>;
  /** A session that was told it is subscribed hears nothing any more. */
  onLost(caller: Caller, uri: string, why: string): void;
}

/** One resource somebody is subscribed to, or about to be. */
interface Topic {
  /** Themselves, not their ids: under that of one that is over another may come. */
  readonly callers: Set<Caller>;
  /** Whether the server has agreed to tell of it. */
  isConfirmed: boolean;
  /** Sessions whose unsubscribing the server has not answered. */
  readonly leaving: Set<Caller>;
  /** Questions to the server to tell of it no more that are not answered. */
  ending: number;
  /** Whether the server has agreed to tell of it while such a question was open, which may end what it agreed to. */
  isOvertaken: boolean;
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
  readonly #options: SubscriptionsOptions;
  readonly #byUri = new Map<string, Topic>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Resources somebody is subscribed to. */
  get size(): number {
    return this.#byUri.size;
  }

  /** The resources somebody is subscribed to. */
  get uris(): string[] {
    return [...this.#byUri.keys()];
  }

  /** Does what a session asks for; the server is asked by `ask` where it has to be. */
  call(call: Call, ask: () => Promise<Result>): Promise<Result> {
    const what = "what was asked about this resource before";
    const request: SubscriptionRequest = {
      ask,
      turn: (before) => waitingFor(call, what, untilAborted(before, call.signal)),
    };
    return call.method === "resources/subscribe"
      ? this.subscribe(uriOf(call), call.caller, request)
      : this.unsubscribe(uriOf(call), call.caller, request);
  }

  /** Subscribes `caller` to `uri`; the server is asked unless it has agreed already. */
  subscribe(uri: string, caller: Caller, { ask, turn }: SubscriptionRequest): Promise<Result> {
    return this.#inOrder(uri, turn, async (topic) => {
      const wasLeaving = topic.leaving.delete(caller);
      const was = topic.callers.has(caller) && !wasLeaving;
      // Before the answer: an update may come in the same breath.
      topic.callers.add(caller);
      if (topic.isConfirmed) return { result: {} };
      let result: Result | undefined;
      try {
        return result = await this.#begin(topic, uri, ask);
      } finally {
        if (!result || result.error) {
          if (!was) topic.callers.delete(caller);
        } else if (topic.callers.has(caller)) topic.isConfirmed = true;
      }
    });
  }

  /** Takes the subscription of `caller` back. Where the server refuses, it goes on, as the session is told. */
  unsubscribe(uri: string, caller: Caller, { ask, turn }: SubscriptionRequest): Promise<Result> {
    return this.#inOrder(uri, turn, async (topic) => {
      if (!topic.callers.has(caller)) return { result: {} };
      if (hasOthers(topic, caller)) {
        topic.callers.delete(caller);
        return { result: {} };
      }
      topic.leaving.add(caller);
      let result: Result | undefined;
      try {
        result = await this.#end(topic, uri, ask);
      } finally {
        // One that has subscribed again meanwhile stays.
        if (topic.leaving.delete(caller) && result && !result.error) topic.callers.delete(caller);
      }
      if (result.error) topic.isConfirmed = true;
      return result;
    });
  }

  /** Takes back everything of `caller`, who is gone; the server is asked about what nobody else is subscribed to. */
  removeAll(caller: Caller, ask: (uri: string) => Promise<Result>): void {
    for (const [uri, topic] of this.#byUri) {
      if (!topic.callers.has(caller) && topic.pending === 0) continue;
      this.#inOrder(uri, undefined, async (topic) => {
        if (!topic.callers.delete(caller) || hasOthers(topic, caller)) return { result: {} };
        // Nobody hears of it any more, whatever the server says.
        return await this.#end(topic, uri, () => ask(uri));
      }).catch(() => {});
    }
  }

  /** Who is to hear of `uri`. A server may also tell of a part of what was subscribed to (MCP server/resources). */
  subscribersOf(uri: string): Caller[] {
    const callers = new Set<Caller>();
    const take = (who: ReadonlySet<Caller> = NOBODY) => {
      for (const caller of who) callers.add(caller);
    };
    if (uri.length <= MAX_URI_CHARS) take(this.#byUri.get(uri)?.callers);
    // Looking up what it could be a part of costs the same however many subscriptions there are.
    let slash = -1;
    for (let depth = 0; depth < MAX_DEPTH && (slash = uri.indexOf("/", slash + 1)) >= 0; depth++) {
      if (slash > MAX_URI_CHARS) break;
      take(this.#byUri.get(uri.slice(0, slash))?.callers);
      take(this.#byUri.get(uri.slice(0, slash + 1))?.callers);
    }
    return [...callers];
  }

  /** Asks the server to tell of a resource, by `ask`. */
  async #begin(topic: Topic, uri: string, ask: () => Promise<Result>): Promise<Result> {
    const isOvertaking = topic.ending > 0;
    const result = await ask();
    if (result.error || !isOvertaking) return result;
    // The server may have ended, or end yet, what it has just agreed to.
    if (topic.ending === 0) return await this.#options.renew(uri);
    topic.isOvertaken = true;
    return result;
  }

  /** Asks the server to tell no more of a resource, by `ask`. Who subscribes before the answer asks it anew. */
  async #end(topic: Topic, uri: string, ask: () => Promise<Result>): Promise<Result> {
    topic.isConfirmed = false;
    topic.ending++;
    try {
      return await ask();
    } finally {
      topic.ending--;
      if (topic.isOvertaken) this.#renew(topic, uri);
      if (topic.ending === 0) topic.isOvertaken = false;
    }
  }

  /** Those that have subscribed while it was being ended are to hear of it all the same. */
  #renew(topic: Topic, uri: string): void {
    topic.isConfirmed = false;
    this.#inOrder(uri, undefined, async () => {
      if (topic.isConfirmed || topic.callers.size === 0) return { result: {} };
      const result = await this.#options.renew(uri).catch((thrown) => ({ error: toRpcError(thrown) }));
      topic.isConfirmed = !result.error;
      if (!result.error) return result;
      const lost = [...topic.callers];
      topic.callers.clear();
      for (const caller of lost) this.#options.onLost(caller, uri, result.error.message);
      return result;
    }).catch(() => {});
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
      if (!isFirst) await turn(resolvedWithin(before, MAX_TURN_WAIT_MS));
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
      topic = {
        callers: new Set(),
        isConfirmed: false,
        leaving: new Set(),
        ending: 0,
        isOvertaken: false,
        last: Promise.resolve(),
        pending: 0,
      };
      this.#byUri.set(uri, topic);
    }
    return topic;
  }
}

/** Whether somebody else is subscribed, and stays so. */
function hasOthers({ callers, leaving }: Topic, caller: Caller): boolean {
  return callers.values().some((other) => other !== caller && !leaving.has(other));
}
