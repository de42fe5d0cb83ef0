import { LISTS } from "../call/server.ts";

/** What is asked about a server itself: it does no work, and waits for none to be done. */
export const QUESTIONS: ReadonlySet<string> = new Set([
  ...Object.values(LISTS).map(({ method }) => method),
  "tasks/list",
  "logging/setLevel",
]);
