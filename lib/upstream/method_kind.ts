import { LISTS } from "../call/server.ts";

/** What is asked about a server itself: it does no work, and waits for none to be done. */
const QUERY_METHODS: ReadonlySet<string> = new Set([
  ...Object.values(LISTS).map(({ method }) => method),
  "tasks/list",
  "logging/setLevel",
]);

/**
 * Whether a call does work, and needs what calls that work need. A task runs by itself by now: whoever waits for it, or
 * stops it, must not wait for a permit.
 */
export function isWorkMethod(method: string): boolean {
  return !isTaskMethod(method) && !QUERY_METHODS.has(method);
}

/**
 * Whether `method` is about a task. All that a server says on its behalf names the task (MCP basic/utilities/tasks), so
 * it never has to be guessed whose it is.
 */
export function isTaskMethod(method: string): boolean {
  return method.startsWith("tasks/");
}
