import type { TurnEntry } from "../../state/thread_store.ts";
import type { ToolContext } from "../tool.ts";
import type { ToolOutput } from "../tool_output.ts";
import { continuationOf, notStoredNote } from "../workflow.ts";

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
