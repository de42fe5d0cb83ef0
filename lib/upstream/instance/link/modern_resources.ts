import type { ExaiError } from "../../../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../../../base/json.ts";
import { type Call } from "../../../call/call.ts";
import { META } from "../../../wire/client_claim.ts";
import { offeredFlags } from "../../../wire/list_flags.ts";
import { type SubscriptionMethod, uriOf } from "../../../wire/mcp.ts";
import { memberOf, type Params, RawObject } from "../../../wire/raw_object.ts";
import type { Result } from "../../../wire/rpc.ts";
import { notificationOf } from "../../../wire/text_request.ts";
import type { Inbound } from "../inbound.ts";
import { ReadCache } from "../read_cache.ts";
import type { Subscriptions } from "../subscriptions.ts";
import { UnionListen } from "../union_listen.ts";
import type { OpenListen } from "./server_link.ts";

interface ModernResourcesOptions {
  /** What the server can do. */
  capabilities: JsonObject;
  open: OpenListen;
  inbound: Inbound;
  subscriptions: Subscriptions;
  /** Changes may have been missed. */
  onGap(): void;
  log?(line: string): void;
}

/**
 * What a server of the modern era says changes, on one stream for all sessions, and what it says may be kept of resources
 * until then.
 */
export class ModernResources {
  readonly #options: ModernResourcesOptions;
  readonly #union: UnionListen;
  readonly #reads = new ReadCache();

  constructor(options: ModernResourcesOptions) {
    this.#options = options;
    const { capabilities, open, inbound, subscriptions, log } = options;
    this.#union = new UnionListen({
      open,
      lists: Object.fromEntries(offeredFlags(capabilities).map((flag) => [flag, true])),
      deliver: (method, params) => {
        if (method === "notifications/resources/updated") {
          this.#reads.changed(textOf(memberOf(params, "uri")));
        }
        if (method === "notifications/resources/list_changed") this.#reads.changed();
        inbound.receive(notificationOf(method, withoutTag(params)));
      },
      onGap: () => {
        this.#reads.changed();
        options.onGap();
      },
      onLost: (uri, why) => subscriptions.lost(uri, why),
      log,
    });
  }

  /** Opens the stream, if the server announces changes of lists. */
  start(): void {
    this.#union.start();
  }

  /** The server has ended. */
  stop(reason: ExaiError): void {
    this.#union.close(reason);
  }

  /** Subscribes to updates of a resource, or no longer, on behalf of the daemon. */
  ask(method: SubscriptionMethod, uri: string): Promise<Result> {
    return method === "resources/subscribe" ? this.#union.subscribe(uri) : this.#union.unsubscribe(uri);
  }

  /** Handles `resources/subscribe` or `resources/unsubscribe` of a session. */
  subscribe(call: Call): Promise<Result> {
    const method = call.method as SubscriptionMethod;
    const answer = this.#options.subscriptions.call(call, () => this.ask(method, uriOf(call)));
    call.trace?.onJoined?.();
    return answer;
  }

  /** Answers `resources/read` with what is kept, or by `send`. */
  async read(call: Call, send: () => Promise<Result>): Promise<Result> {
    const kept = this.#reads.get(call);
    if (kept) return kept;
    const { changes } = this.#reads;
    return this.#reads.note(call, await send(), changes);
  }
}

/** `params` without the id of the stream they came on. */
function withoutTag(params: Params): Params {
  if (params instanceof RawObject) {
    const meta = params.objectAt("_meta")?.without(META.subscription);
    return meta && meta.text !== "{}" ? params.withText("_meta", meta.text) : params.without("_meta");
  }
  const { _meta, ...rest } = params;
  const { [META.subscription]: _, ...meta } = isObject(_meta) ? _meta : {};
  return Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest;
}
