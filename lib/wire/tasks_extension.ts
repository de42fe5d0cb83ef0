import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { Era } from "./client_claim.ts";
import { errorForEra } from "./era_errors.ts";
import { TASKS_EXTENSION } from "./merged_catalog.ts";
import { exactError, exactResult } from "./raw_message.ts";
import type { Result } from "./rpc.ts";

/** The methods about tasks of the extension. `tasks/get` and `tasks/cancel` are methods of tasks of 2025-11-25 too. */
const METHODS: ReadonlySet<string> = new Set(["tasks/get", "tasks/update", "tasks/cancel"]);

/** What a client says of tasks of the extension: nothing in the legacy era, which has tasks of another kind. */
type TasksStance = "legacy" | "undeclared" | "declared";

interface TasksClient {
  readonly era?: Era;
  readonly capabilities: JsonObject;
}

/** Whether the extension is among `capabilities`. */
function declaresTasks({ extensions }: JsonObject): boolean {
  return isObject(extensions) && isObject(extensions[TASKS_EXTENSION]);
}

function stanceOf({ era, capabilities }: TasksClient): TasksStance {
  // In the legacy era a server must not take the extension for declared (SEP-2663, backward compatibility).
  if (era !== "modern") return "legacy";
  return declaresTasks(capabilities) ? "declared" : "undeclared";
}

/** Whether the client can be answered with a task, and asks for its result itself. */
export function followsTasks(client: TasksClient): boolean {
  return stanceOf(client) === "declared";
}

/**
 * Whether a request of `method` is about a task of the extension.
 *
 * @throws {ExaiError} `MISSING_CAPABILITY` when it is, and does not declare the extension
 */
export function isAboutTask(client: TasksClient, method: string): boolean {
  if (!METHODS.has(method)) return false;
  const stance = stanceOf(client);
  if (stance === "undeclared") throw missingTasks(method);
  return stance === "declared";
}

/** @throws {ExaiError} `MISSING_CAPABILITY` for `what` of a request that does not declare the extension */
export function checkFollowsTasks(client: TasksClient, what: string): void {
  if (!followsTasks(client)) throw missingTasks(what);
}

/** The error for `what` of a request that does not declare the extension (MCP basic, error codes). */
function missingTasks(what: string): ExaiError {
  return new ExaiError("MISSING_CAPABILITY", `${what} is for clients that declare ${TASKS_EXTENSION}`, {
    details: { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } },
  });
}

/** The extensions of `capabilities` with this one: of what the daemon can do itself, whatever servers can. */
export function extensionsWithTasks({ extensions }: JsonObject): JsonObject {
  return { ...(isObject(extensions) ? extensions : {}), [TASKS_EXTENSION]: {} };
}

/** The extensions of a server's `capabilities` without this one: its tasks are followed by the daemon, for whichever client. */
export function extensionsWithoutTasks({ extensions }: JsonObject): JsonObject | undefined {
  const { [TASKS_EXTENSION]: _, ...rest } = isObject(extensions) ? extensions : {};
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** The outcome of a call as a task of the extension has it: what its request would have been answered with. */
export function taskOutcome(answer: Result): JsonObject {
  if (answer.error) return { error: { ...exactError(answer), ...errorForEra(answer.error, "modern") } };
  return { result: { resultType: "complete", ...exactResult(answer) } };
}
