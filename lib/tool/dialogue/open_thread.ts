import type { JsonObject } from "../../base/json.ts";
import type { Turn } from "../../state/thread_store.ts";
import type { ToolContext } from "../tool.ts";
import { makeRoom } from "./make_room.ts";

/** A thread in which a question is asked; disposing it lets the next one be asked. */
interface OpenThread extends Disposable {
  /** All there is: what has to go for the next exchange is missed by the next question only. */
  turns: readonly Turn[];
  /** What was done to make room for the next exchange; `withRoom` adds it to the metadata. */
  room: JsonObject | undefined;
}

/**
 * Opens the thread `id` once no answer is outstanding in it, and makes room for one more exchange. Without an id the
 * thread is new.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND`; the reason of the call's signal
 */
export async function openThread(
  id: string | undefined,
  context: ToolContext,
  onWait: (message: string) => void,
): Promise<OpenThread> {
  if (id === undefined) return { turns: [], room: undefined, [Symbol.dispose]() {} };
  using stack = new DisposableStack();
  const { threads, signal } = context;
  stack.use(await threads.enter(id, { signal, onWait }));
  const shown = await threads.show(id);
  const room = await makeRoom(shown, context);
  const turn = stack.move();
  return { turns: shown.turns, room, [Symbol.dispose]: () => turn.dispose() };
}
