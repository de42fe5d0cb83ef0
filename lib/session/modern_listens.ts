import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, rawJson } from "../base/json.ts";
import type { Caller } from "../call/call.ts";
import type { RequestPlace } from "../round_trips/request.ts";
import { META } from "../wire/client_claim.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { isAskedFor, type ListenFilter, shownFilter } from "./listen_filter.ts";

/** Listens of one session that are open at once. */
const MAX_LISTENS = 256;
/** Notifications that one holds until it is acknowledged. */
const MAX_HELD = 256;

/** A `subscriptions/listen` that is not answered (MCP basic/patterns/subscriptions). */
export class Listen {
  /** Its changes of lists and resources are those that this caller is told. */
  readonly caller: Caller;
  /** Resolves when it is withdrawn, or the daemon stops. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  readonly #idText: string;
  readonly #place: Pick<RequestPlace, "notify">;
  #filter: ListenFilter;
  /** What came before the acknowledgement, which is the first message; undefined afterwards. */
  #held: { method: string; params: Params | undefined }[] | undefined = [];

  /**
   * @param idText the id of the request as it came, as JSON: `1`, `"a"`
   * @param asked what it asks for
   */
  constructor(
    caller: Caller,
    { idText, place, asked }: { idText: string; place: Pick<RequestPlace, "notify">; asked: ListenFilter },
  ) {
    this.caller = caller;
    this.#idText = idText;
    this.#place = place;
    this.#filter = asked;
    ({ promise: this.ended, resolve: this.end } = Promise.withResolvers<void>());
  }

  /** Whether it is told `method` with `params` that `caller` is notified of. */
  isTold(caller: Caller, method: string, params?: Params): boolean {
    return this.caller === caller && isAskedFor(this.#filter, method, params);
  }

  tell(method: string, params?: Params): void {
    if (!this.#held) return this.#send(method, params);
    if (this.#held.length < MAX_HELD) this.#held.push({ method, params });
  }

  /** Says what is honoured of it, and from then on tells that and nothing else. */
  acknowledge(honoured: ListenFilter): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#filter = honoured;
    this.#send("notifications/subscriptions/acknowledged", { notifications: shownFilter(honoured) });
    for (const { method, params } of held) {
      if (isAskedFor(honoured, method, params)) this.#send(method, params);
    }
  }

  /** Its answer, which says that nothing more comes. */
  get result(): Result {
    return { result: { _meta: this.#meta() } };
  }

  #send(method: string, params: Params | undefined): void {
    const value = params instanceof RawObject ? params.exact : params ?? {};
    this.#place.notify(method, { ...value, _meta: this.#meta(value._meta) });
  }

  #meta(meta?: Json): JsonObject {
    return { ...(isObject(meta) ? meta : {}), [META.subscription]: rawJson(this.#idText) };
  }
}

/** The open listens of one session. */
export class ModernListens {
  readonly #open = new Set<Listen>();
  #hasEnded = false;

  get size(): number {
    return this.#open.size;
  }

  /** @throws {ExaiError} `OVER_CAPACITY` when the session has as many as it may have; `SHUTTING_DOWN` */
  add(listen: Listen): void {
    if (this.#hasEnded) {
      throw new ExaiError("SHUTTING_DOWN", "the daemon is stopping; listen to the next one");
    }
    if (this.#open.size >= MAX_LISTENS) {
      const why =
        `this session listens ${MAX_LISTENS} times, the most it may: cancel one, or ask for all in one`;
      throw new ExaiError("OVER_CAPACITY", why);
    }
    this.#open.add(listen);
  }

  delete(listen: Listen): void {
    this.#open.delete(listen);
  }

  /** Whether some listen of `caller` asks for `method`. */
  areTold(caller: Caller, method: string, params?: Params): boolean {
    for (const listen of this.#open) if (listen.isTold(caller, method, params)) return true;
    return false;
  }

  /** Tells the listens of `caller` that ask for it. */
  tell(caller: Caller, method: string, params?: Params): void {
    for (const listen of this.#open) if (listen.isTold(caller, method, params)) listen.tell(method, params);
  }

  /** Ends them all, and refuses those that come afterwards. */
  end(): void {
    this.#hasEnded = true;
    for (const listen of this.#open) listen.end();
  }
}
