import { Semaphore } from "../base/semaphore.ts";
import type { Result, RpcError } from "../wire/rpc.ts";
import type { SubscriptionQuota } from "./subscription_quota.ts";

/** Calls to servers at once, of a listen for thousands of resources: more than a session may have wait are refused. */
const MAX_CALLS = 4;

/**
 * The same with those that wait for one request that their server is sent for all of them. It holds all resources so far:
 * fewer calls would be many such requests for a long listen, and a session may have about four times as many wait.
 */
const MAX_JOINED_CALLS = 64;

interface ListenSubscriptionsOptions {
  quota: SubscriptionQuota;
  /**
   * Calls `resources/subscribe` or `resources/unsubscribe` on behalf of the caller. Never rejects.
   *
   * @param onJoined called when the call only waits for a request that is made for many
   */
  call(method: string, uri: string, onJoined: () => void): Promise<Result>;
}

/** A resource that listens ask for. */
interface ListenedResource {
  listens: number;
  isSubscribed: boolean;
  /** Why it could not be subscribed to. */
  error: RpcError | undefined;
  /** Settles when every earlier call about it is answered. */
  last: Promise<void>;
}

/** The resources that the listens of one caller ask for, each subscribed to once, however many ask for it. */
export class ListenSubscriptions {
  readonly #options: ListenSubscriptionsOptions;
  readonly #byUri = new Map<string, ListenedResource>();
  readonly #calls = new Semaphore(MAX_JOINED_CALLS);
  readonly #notJoined = new Semaphore(MAX_CALLS);

  constructor(options: ListenSubscriptionsOptions) {
    this.#options = options;
  }

  /**
   * Counts one more listen for `uri`, until {@linkcode remove}.
   *
   * @returns why there are no updates of it; undefined: there are
   * @throws {ExaiError} `INVALID_PARAMS` or `OVER_CAPACITY`, at once, as {@linkcode SubscriptionQuota.add}
   */
  add(uri: string): Promise<RpcError | undefined> {
    let resource = this.#byUri.get(uri);
    if (!resource) {
      this.#options.quota.add(uri);
      resource = { listens: 0, isSubscribed: false, error: undefined, last: Promise.resolve() };
      this.#byUri.set(uri, resource);
    }
    resource.listens++;
    return this.#added(uri, resource);
  }

  /** Counts one listen less. */
  remove(uri: string): void {
    const resource = this.#byUri.get(uri);
    if (!resource) return;
    resource.listens--;
    void this.#settle(uri, resource);
  }

  /** The server has ended the subscription; the next listen that asks for it begins one. */
  lost(uri: string): void {
    const resource = this.#byUri.get(uri);
    if (resource) resource.isSubscribed = false;
  }

  async #added(uri: string, resource: ListenedResource): Promise<RpcError | undefined> {
    await this.#settle(uri, resource);
    return resource.isSubscribed ? undefined : resource.error;
  }

  /** Subscribes or unsubscribes, after the calls before, where what listens want is not so. */
  #settle(uri: string, resource: ListenedResource): Promise<void> {
    return resource.last = resource.last.then(async () => {
      if (resource.listens > 0 !== resource.isSubscribed) {
        await this.#calls.run(() => this.#change(uri, resource));
      }
      // Another listen may have come while it was ended.
      if (resource.listens > 0 || this.#byUri.get(uri) !== resource) return;
      this.#byUri.delete(uri);
      this.#options.quota.remove(uri);
    });
  }

  async #change(uri: string, resource: ListenedResource): Promise<void> {
    const asked = await this.#notJoined.run(() => this.#ask(uri, resource));
    if (!asked) return;
    const { error } = await asked.answer;
    resource.error = asked.isWanted ? error : undefined;
    resource.isSubscribed = asked.isWanted && !error;
  }

  /** Makes the call that is needed; resolves when it is answered, or only waits for what is asked for many. */
  async #ask(uri: string, resource: ListenedResource) {
    // The listen may have ended while this waited for other calls.
    const isWanted = resource.listens > 0;
    if (isWanted === resource.isSubscribed) return undefined;
    const joined = Promise.withResolvers<void>();
    const method = isWanted ? "resources/subscribe" : "resources/unsubscribe";
    const answer = this.#options.call(method, uri, joined.resolve);
    await Promise.race([answer, joined.promise]);
    return { isWanted, answer };
  }
}
