import { KIB } from "../base/units.ts";
import type { Caller } from "../call/call.ts";

const NOBODY: ReadonlyMap<string, Caller> = new Map();
/** A resource is looked for in so many of those it may be a part of. */
const MAX_DEPTH = 64;
/** No session is subscribed to anything longer. */
const MAX_URI_CHARS = 8 * KIB;

/** Who has subscribed to which resource of one upstream, counted so that it hears of each resource once. */
export class Subscriptions {
  readonly #byUri = new Map<string, Map<string, Caller>>();

  /** Resources somebody is subscribed to. */
  get size(): number {
    return this.#byUri.size;
  }

  /** Notes a subscription; true when it is the first to this resource. */
  add(uri: string, caller: Caller): boolean {
    const callers = this.#byUri.get(uri);
    if (callers) {
      callers.set(caller.id, caller);
      return false;
    }
    this.#byUri.set(uri, new Map([[caller.id, caller]]));
    return true;
  }

  /** Takes a subscription back; true when it was the last to this resource. */
  remove(uri: string, caller: Caller): boolean {
    const callers = this.#byUri.get(uri);
    if (!callers?.delete(caller.id) || callers.size > 0) return false;
    return this.#byUri.delete(uri);
  }

  /** Takes back everything of `caller`; gives the resources nobody is subscribed to any more. */
  removeAll(caller: Caller): string[] {
    return [...this.#byUri.keys()].filter((uri) => this.remove(uri, caller));
  }

  /** Who is to hear of `uri`. A server may also tell of a part of what was subscribed to (MCP server/resources). */
  subscribersOf(uri: string): Caller[] {
    const callers = new Map<string, Caller>();
    const take = (who: ReadonlyMap<string, Caller> = NOBODY) => {
      for (const [id, caller] of who) callers.set(id, caller);
    };
    if (uri.length <= MAX_URI_CHARS) take(this.#byUri.get(uri));
    // Looking up what it could be a part of costs the same however many subscriptions there are.
    let slash = -1;
    for (let depth = 0; depth < MAX_DEPTH && (slash = uri.indexOf("/", slash + 1)) >= 0; depth++) {
      if (slash > MAX_URI_CHARS) break;
      take(this.#byUri.get(uri.slice(0, slash)));
      take(this.#byUri.get(uri.slice(0, slash + 1)));
    }
    return [...callers.values()];
  }
}
