import { resolvedWithin, untilAborted } from "../../base/abort.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Call, Caller } from "../../call/call.ts";
import { waitingFor } from "../../call/wait.ts";
import { toRpcError } from "../../wire/codes.ts";
import { MAX_URI_CHARS, uriOf } from "../../wire/mcp.ts";
import type { Result } from "../../wire/rpc.ts";

const NO_CALLERS: ReadonlySet<Caller> = new Set();
/** Parent URIs looked up for one update. */
const MAX_DEPTH = 64;

/** How long a request waits for an earlier one about the same resource. */
const MAX_TURN_WAIT_MS = 2 * SECOND_MS;

/** A request of one session. */
interface SubscriptionRequest {
  /** Sends the request to the server. */
  ask(): Promise<Result>;
  /**
   * Waits for an earlier request about the same resource.
   *
   * @throws the reason when the session has withdrawn its request
   */
  turn?(before: Promise<void>): Promise<void>;
}

interface SubscriptionsOptions {
  /** Subscribes to a resource on behalf of the daemon. */
  renew(uri: string): Promise<Result>;
  /** Called when the server has ended a subscription that was confirmed to `caller`. */
  onSubscriptionLost(caller: Caller, uri: string, why: string): void;
}

/** A resource with subscribers, or with requests in progress. */
interface Topic {
  /** Objects rather than ids: a later session may have the same id. */
  readonly callers: Set<Caller>;
  /** Whether the server has accepted a subscription. */
  isConfirmed: boolean;
  /** Sessions whose unsubscribe request is not answered yet. */
  readonly leaving: Set<Caller>;
  /** Unsubscribe requests to the server that are not answered yet. */
  ending: number;
  /** Whether a subscription was accepted while an unsubscribe request was open, which may end it again. */
  isOvertaken: boolean;
  /** Settles when every earlier request about it is answered. */
  last: Promise<void>;
  /** Requests about it that are not answered yet. */
  pending: number;
}

/**
 * The subscriptions of sessions to resources of one server, merged so that the server has one for each resource.
 * Requests about one resource are made in order, each after the answer to the one before if that comes soon: only then
 * is it known whether the server must be asked again.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #byUri = new Map<string, Topic>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** How many resources have subscribers. */
  get size(): number {
    return this.#byUri.size;
  }

  /** The resources with subscribers. */
  get uris(): string[] {
    return [...this.#byUri.keys()];
  }

  /** Handles `resources/subscribe` or `resources/unsubscribe`; `ask` sends it to the server if that is needed. */
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

  /** Subscribes `caller` to `uri`; asks the server unless it has accepted a subscription already. */
  subscribe(uri: string, caller: Caller, { ask, turn }: SubscriptionRequest): Promise<Result> {
    return this.#inOrder(uri, turn, async (topic) => {
      const wasLeaving = topic.leaving.delete(caller);
      const was = topic.callers.has(caller) && !wasLeaving;
      // Before the answer, as an update may follow it at once.
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

  /** Ends the subscription of `caller`. If the server rejects that, the subscription stays. */
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
        // A session that has subscribed again meanwhile stays.
        if (topic.leaving.delete(caller) && result && !result.error) topic.callers.delete(caller);
      }
      if (result.error) topic.isConfirmed = true;
      return result;
    });
  }

  /** Ends every subscription of a session that is gone; asks the server where no other session is subscribed. */
  removeAll(caller: Caller, ask: (uri: string) => Promise<Result>): void {
    for (const [uri, topic] of this.#byUri) {
      if (!topic.callers.has(caller) && topic.pending === 0) continue;
      this.#inOrder(uri, undefined, async (topic) => {
        if (!topic.callers.delete(caller) || hasOthers(topic, caller)) return { result: {} };
        // Removed already, whatever the server answers.
        return await this.#end(topic, uri, () => ask(uri));
      }).catch(() => {});
    }
  }

  /** The server has ended the subscription to `uri`. */
  lost(uri: string, why: string): void {
    const topic = this.#byUri.get(uri);
    if (!topic) return;
    const lost = [...topic.callers];
    topic.callers.clear();
    topic.isConfirmed = false;
    if (topic.pending === 0) this.#byUri.delete(uri);
    for (const caller of lost) this.#options.onSubscriptionLost(caller, uri, why);
  }

  /** The sessions to notify about `uri`, which may be a sub-resource of a subscribed one (MCP server/resources). */
  subscribersOf(uri: string): Caller[] {
    const callers = new Set<Caller>();
    const take = (who: ReadonlySet<Caller> = NO_CALLERS) => {
      for (const caller of who) callers.add(caller);
    };
    if (uri.length <= MAX_URI_CHARS) take(this.#byUri.get(uri)?.callers);
    // Looking up its parents costs the same however many subscriptions there are.
    let slash = -1;
    for (let depth = 0; depth < MAX_DEPTH && (slash = uri.indexOf("/", slash + 1)) >= 0; depth++) {
      if (slash > MAX_URI_CHARS) break;
      take(this.#byUri.get(uri.slice(0, slash))?.callers);
      take(this.#byUri.get(uri.slice(0, slash + 1))?.callers);
    }
    return [...callers];
  }

  /** Subscribes on the server by `ask`. */
  async #begin(topic: Topic, uri: string, ask: () => Promise<Result>): Promise<Result> {
    const isOvertaking = topic.ending > 0;
    const result = await ask();
    if (result.error || !isOvertaking) return result;
    // The unsubscribe request may end, or have ended, the subscription just accepted.
    if (topic.ending === 0) return await this.#options.renew(uri);
    topic.isOvertaken = true;
    return result;
  }

  /** Unsubscribes on the server by `ask`. A session that subscribes before the answer asks the server again. */
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

  /** Subscribes again for sessions that subscribed while the subscription was being ended. */
  #renew(topic: Topic, uri: string): void {
    topic.isConfirmed = false;
    this.#inOrder(uri, undefined, async () => {
      if (topic.isConfirmed || topic.callers.size === 0) return { result: {} };
      const result = await this.#options.renew(uri).catch((thrown) => ({ error: toRpcError(thrown) }));
      topic.isConfirmed = !result.error;
      if (!result.error) return result;
      const lost = [...topic.callers];
      topic.callers.clear();
      for (const caller of lost) this.#options.onSubscriptionLost(caller, uri, result.error.message);
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
      // A server that does not answer one session must not block the others.
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

/** Whether another session is subscribed and is not unsubscribing. */
function hasOthers({ callers, leaving }: Topic, caller: Caller): boolean {
  return callers.values().some((other) => other !== caller && !leaving.has(other));
}
