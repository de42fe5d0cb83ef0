import { type JsonObject, textOf } from "../../base/json.ts";

/** The events that tell the state of a response by their names. */
const OF_STATE = /^response\.(completed|failed|incomplete|cancelled|queued|in_progress|created|done)$/;

/**
 * The state of a response by an event: by the name of the event where the response does not say, or not yet.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { statusOf } from "./response_status.ts";
 *
 * assertEquals(statusOf({ type: "response.failed" }, {}), "failed");
 * assertEquals(statusOf({ type: "response.completed" }, { status: "incomplete" }), "incomplete");
 * ```
 */
export function statusOf({ type }: JsonObject, response: JsonObject): string | undefined {
  const status = textOf(response.status);
  const [, named] = OF_STATE.exec(textOf(type) ?? "") ?? [];
  if (status !== undefined && (isFinal(status) || !isFinal(named))) return status;
  return named === "done" ? "completed" : named;
}

const UNDER_WAY: readonly string[] = ["created", "queued", "in_progress"];

/** Whether a response in this state does not change any more. */
export function isFinal(status: string | undefined): boolean {
  return status !== undefined && !UNDER_WAY.includes(status);
}
