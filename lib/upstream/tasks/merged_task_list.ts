import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../../base/json.ts";
import { type Call, derive, paramOf } from "../../call/call.ts";
import { allPages } from "../../call/pages.ts";
import { exactResult } from "../../wire/raw_message.ts";
import type { Result } from "../../wire/rpc.ts";
import type { Slot } from "../slot.ts";

const log = getLogger(["exai", "upstream"]);

/**
 * Adds the tasks a session has on other instances to the first page of its `tasks/list`. An instance that does not
 * answer is left out.
 */
export async function mergeTaskLists(
  call: Call,
  first: Result,
  { here, slots }: { here?: Slot; slots: Iterable<Slot> },
): Promise<Result> {
  if (first.error || paramOf(call, "cursor") !== undefined) return first;
  const others = [...slots].filter((slot) => slot !== here && slot.started?.tasks.has(call.caller));
  if (others.length === 0) return first;
  const page = exactResult(first);
  if (!Array.isArray(page.tasks)) return first;
  const more = await Promise.all(others.map((slot) => allTasks(slot, call).catch(() => [])));
  // Instances of one server may share their tasks.
  const byId = new Map(
    [...page.tasks as JsonObject[], ...more.flat()].map((task) => [task?.taskId, task]),
  );
  return { result: { ...page, tasks: [...byId.values()] } };
}

async function allTasks(slot: Slot, call: Call): Promise<JsonObject[]> {
  const ask = (params: JsonObject) => slot.started!.call(derive(call, { params }));
  const { entries, fault } = await allPages(ask, { method: "tasks/list", field: "tasks" });
  if (fault !== undefined) log.warning("tasks/list: {fault}", { fault });
  return entries;
}
