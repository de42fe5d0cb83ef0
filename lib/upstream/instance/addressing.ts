import type { JsonObject } from "../../base/json.ts";
import type { Addressee } from "./attribution.ts";
import type { ClientTasks } from "../tasks/client_tasks.ts";
import type { InboundContext } from "./inbound_context.ts";
import type { Origin } from "./inflight.ts";
import { relatedTask } from "../tasks/handle_table.ts";

/** Says whose a message of an upstream is, by all that is known of it. */
export class MessageOwners {
  readonly #context: Pick<InboundContext, "handles" | "attribution" | "attached">;
  readonly #clientTasks: ClientTasks;

  constructor(
    context: Pick<InboundContext, "handles" | "attribution" | "attached">,
    clientTasks: ClientTasks,
  ) {
    this.#context = context;
    this.#clientTasks = clientTasks;
  }

  /**
   * Whom a message belongs to: the owner of what it names; where it names nothing, whose request it came on, or else
   * who alone it can be about.
   */
  addressee(
    params: JsonObject | undefined,
    { origin, isQuestion = false }: { origin?: Origin; isQuestion?: boolean },
  ): Addressee | undefined {
    const { handles: { tasks: owners }, attribution, attached } = this.#context;
    const task = relatedTask(params);
    const owner = owners.get(task);
    if (owner) return { caller: owner };
    // It was a session's that is over.
    if (owners.has(task)) return undefined;
    const caller = this.#clientTasks.ownerOf(task) ?? this.#clientTasks.ownerOf(params?.taskId);
    if (caller) return { caller };
    if (!origin) return attribution.addressee(isQuestion);
    const { to } = origin;
    return to && (to.call || attached.has(to.caller.id)) ? to : undefined;
  }
}
