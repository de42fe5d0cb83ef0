import { ExaiError } from "../../base/errors.ts";
import type { Thread, TurnEntry } from "../../state/thread_store.ts";
import type { ToolContext } from "../tool.ts";
import type { Continuation, ToolOutput } from "../tool_output.ts";

/** The part of the output that depends on whether the thread could be stored. */
type ThreadState = Pick<ToolOutput, "facts" | "continuation">;

/** Records a question and its answer, which is not lost when that fails: a note then says so. */
export async function storeExchange(
  entry: TurnEntry,
  { threads }: Pick<ToolContext, "threads">,
): Promise<ThreadState> {
  try {
    const { thread } = await threads.record(entry);
    return { continuation: continuationOf(thread) };
  } catch (thrown) {
    return { facts: { note: notStoredNote(thrown) } };
  }
}

/** How to go on in a thread. */
export function continuationOf({ id, remainingTurns }: Thread): Continuation {
  return { continuation_id: id, remaining_turns: remainingTurns };
}

/**
 * The note for an output that could not be stored in its thread. The output is still returned: it has been paid
 * for.
 */
export function notStoredNote(thrown: unknown): string {
  return `this answer could not be added to its thread: ${ExaiError.from(thrown).message}`;
}
