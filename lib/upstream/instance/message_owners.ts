import type { Addressee } from "./attribution.ts";
import type { ClientTasks } from "../tasks/client_tasks.ts";
import { memberOf, type Params } from "../../wire/raw_object.ts";
import { relatedTask } from "../tasks/handle_table.ts";
import type { InboundContext } from "./inbound_context.ts";
import type { Origin } from "./inflight.ts";

type OwnerSources = Pick<InboundContext, "handles" | "attribution" | "attached">;

/** Finds the session a message of the server belongs to. */
export class MessageOwners {
  readonly #sources: OwnerSources;
  readonly #clientTasks: ClientTasks;

  constructor(sources: OwnerSources, clientTasks: ClientTasks) {
    this.#sources = sources;
    this.#clientTasks = clientTasks;
  }

  /**
   * The owner of the task the message names; if it names none, of the request on whose stream it came; else the only
   * session it can be about. Undefined when there is none.
   */
  addressee(
    params: Params | undefined,
    { origin, isQuestion = false }: { origin?: Origin; isQuestion?: boolean },
  ): Addressee | undefined {
    const { handles, attribution, attached } = this.#sources;
    const task = relatedTask(params);
    const owner = handles.tasks.get(task);
    if (owner) return { caller: owner };
    // The task of a session that has ended.
    if (handles.tasks.has(task)) return undefined;
    const caller = this.#clientTasks.ownerOf(task) ??
      this.#clientTasks.ownerOf(params && memberOf(params, "taskId"));
    if (caller) return { caller };
    if (!origin) return attribution.addressee(isQuestion);
    const { to } = origin;
    return to && (to.call || attached.has(to.caller.id)) ? to : undefined;
  }
}
