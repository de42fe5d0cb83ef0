import type { Caller } from "../call/call.ts";

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
    for (const [subscribed, who] of this.#byUri) {
      if (uri !== subscribed && !uri.startsWith(subscribed.endsWith("/") ? subscribed : `${subscribed}/`)) {
        continue;
      }
      for (const [id, caller] of who) callers.set(id, caller);
    }
    return [...callers.values()];
  }
}
