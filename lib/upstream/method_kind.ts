import { LISTS } from "../call/server.ts";

/** Methods that ask about the server itself: they do no work and need no permit. */
const QUERY_METHODS: ReadonlySet<string> = new Set([
  ...Object.values(LISTS).map(({ method }) => method),
  "tasks/list",
  "logging/setLevel",
  "ping",
]);

/**
 * Whether calls of `method` do work and so need a permit. A task runs by itself: waiting for it, or cancelling it, must
 * not wait for a permit.
 */
export function isWorkMethod(method: string): boolean {
  return !isTaskMethod(method) && !QUERY_METHODS.has(method);
}

/**
 * Whether `method` is about a task. Every message a server sends on behalf of one names the task (MCP
 * basic/utilities/tasks), so its owner is always known.
 */
export function isTaskMethod(method: string): boolean {
  return method.startsWith("tasks/");
}
