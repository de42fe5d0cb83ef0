import type { RequestPlace } from "../round_trips/request.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { checkFollowsTasks } from "../wire/tasks_extension.ts";
import { Honoured, type HonourSources, type WatchTasks } from "./honoured_listen.ts";
import { readListenFilter } from "./listen_filter.ts";
import { ListenSubscriptions } from "./listen_subscriptions.ts";
import { Listen, type ModernListens } from "./modern_listens.ts";
import type { ModernTenant } from "./modern_tenant.ts";
import { SubscriptionQuota } from "./subscription_quota.ts";

interface ListenRequestsOptions extends Pick<HonourSources, "call"> {
  listens: ModernListens;
  watchTasks?: WatchTasks;
}

interface ListenRequest {
  request: RawRequest;
  tenant: ModernTenant;
  place: RequestPlace;
  /** Aborted when the client has withdrawn the request. */
  signal: AbortSignal;
  /** Whether an earlier daemon had it: what changed in between nobody has told. */
  isRestored: boolean;
}

/** Answers the `subscriptions/listen` requests of one session (MCP basic/patterns/subscriptions). */
export class ListenRequests {
  readonly #options: ListenRequestsOptions;

  constructor(options: ListenRequestsOptions) {
    this.#options = options;
  }

  /**
   * Acknowledges the listen, tells what it asks for, and resolves with its end: when the client withdraws it, or the
   * daemon stops. No time-out applies.
   *
   * @throws {ExaiError} `INVALID_PARAMS`, `OVER_CAPACITY`; `MISSING_CAPABILITY` for tasks without their extension
   */
  async listen({ request, tenant, place, signal, isRestored }: ListenRequest): Promise<Result> {
    const asked = readListenFilter(request.body!);
    if (asked.taskIds.size > 0) checkFollowsTasks(tenant, "taskIds");
    const listen = new Listen(tenant, { idText: request.idText, place, asked });
    const { listens } = this.#options;
    // From here on: what changes while servers are asked is told after the acknowledgement.
    listens.add(listen);
    signal.addEventListener("abort", listen.end, { once: true });
    if (signal.aborted) listen.end();
    try {
      using honoured = new Honoured(tenant, this.#sourcesFor(tenant, listen));
      // It may be withdrawn before its servers have answered.
      const filter = await Promise.race([honoured.of(asked), listen.ended]);
      if (filter) listen.acknowledge(filter);
      for (const uri of isRestored && filter ? filter.uris : []) {
        listen.tell("notifications/resources/updated", { uri });
      }
      await listen.ended;
    } finally {
      signal.removeEventListener("abort", listen.end);
      listens.delete(listen);
    }
    return listen.result;
  }

  #sourcesFor(tenant: ModernTenant, listen: Listen): HonourSources {
    const subscriptions = tenant.subscriptions ??= new ListenSubscriptions({
      quota: new SubscriptionQuota(),
      call: (method, uri, onJoined) =>
        this.#options.call(tenant, method, { uri }, { server: undefined, onJoined }),
    });
    const { call, watchTasks } = this.#options;
    // Told to this listen alone: another one for the same task has a watch of its own.
    const viewer = {
      identity: () => tenant.identity(),
      notify: (method: string, params?: Params) => listen.tell(method, params),
    };
    return { call, subscriptions, watchTasks: watchTasks && ((taskIds) => watchTasks(viewer, taskIds)) };
  }
}
