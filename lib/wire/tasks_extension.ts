import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { Era } from "./client_claim.ts";

/** The extension by which calls may be answered with tasks (SEP-2663). */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** The methods about tasks of the extension. `tasks/get` and `tasks/cancel` are methods of tasks of 2025-11-25 too. */
const METHODS: ReadonlySet<string> = new Set(["tasks/get", "tasks/update", "tasks/cancel"]);

/** What a client says of tasks of the extension: nothing in the legacy era, which has tasks of another kind. */
type TasksStance = "legacy" | "undeclared" | "declared";

interface TasksClient {
  readonly era?: Era;
  readonly capabilities: JsonObject;
}

function stanceOf({ era, capabilities: { extensions } }: TasksClient): TasksStance {
  // In the legacy era a server must not take the extension for declared (SEP-2663, backward compatibility).
  if (era !== "modern") return "legacy";
  return isObject(extensions) && isObject(extensions[TASKS_EXTENSION]) ? "declared" : "undeclared";
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

/** The error for `what` of a request that does not declare the extension (MCP basic, error codes). */
export function missingTasks(what: string): ExaiError {
  return new ExaiError("MISSING_CAPABILITY", `${what} is for clients that declare ${TASKS_EXTENSION}`, {
    details: { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } },
  });
}
