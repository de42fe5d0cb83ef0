import { ExaiError } from "../base/errors.ts";
import { formatBytes, MIB } from "../base/units.ts";
import { MAX_URI_CHARS } from "../wire/mcp.ts";

/** Subscriptions of one session. */
const MAX_SUBSCRIPTIONS = 4096;
/** Their URIs together, in UTF-16 code units. */
const MAX_ALL_CHARS = MIB;

/** The resource subscriptions of one session (MCP server/resources), which take memory here and at a server. */
export class SubscriptionQuota {
  readonly #uris = new Set<string>();
  #chars = 0;
  #restoring = 0;

  /** How many that an earlier daemon had are repeated now, before any other. */
  set restoring(count: number) {
    this.#restoring = count;
  }

  /** Whether the subscription that is asked for now is one of those: its resource may have changed in between. */
  takeRestored(): boolean {
    return this.#restoring > 0 && this.#restoring-- > 0;
  }

  get size(): number {
    return this.#uris.size;
  }

  /**
   * Adds a subscription; false when there is one for `uri` already.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when the URI is too long, `OVER_CAPACITY` when the quota is used up
   */
  add(uri: string): boolean {
    if (this.#uris.has(uri)) return false;
    if (uri.length > MAX_URI_CHARS) {
      throw new ExaiError(
        "INVALID_PARAMS",
        `uri may hold ${MAX_URI_CHARS} characters at most, not ${uri.length}`,
      );
    }
    const isFull = this.#uris.size >= MAX_SUBSCRIPTIONS || this.#chars + uri.length > MAX_ALL_CHARS;
    if (isFull) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `this session is subscribed to ${this.#uris.size} resources; it may be to ${MAX_SUBSCRIPTIONS}, ` +
          `with ${formatBytes(MAX_ALL_CHARS)} of URIs, at most: unsubscribe from some`,
      );
    }
    this.#uris.add(uri);
    this.#chars += uri.length;
    return true;
  }

  remove(uri: string): void {
    if (this.#uris.delete(uri)) this.#chars -= uri.length;
  }

  clear(): void {
    this.#uris.clear();
    this.#chars = 0;
  }
}
