import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, ownEntry } from "../base/json.ts";
import { hasMember, memberOf, type Params, RawObject } from "../wire/raw_object.ts";

/** The client capability that each request of a server needs. */
export const CLIENT_CAPABILITY: Readonly<Record<string, string>> = {
  "sampling/createMessage": "sampling",
  "elicitation/create": "elicitation",
  "roots/list": "roots",
};

/**
 * Rejects a request that the client does not support, on its behalf: a shared server is offered capabilities that not
 * every client has.
 *
 * @throws {ExaiError} `METHOD_NOT_FOUND` without the capability (MCP basic/lifecycle), `INVALID_PARAMS` for a mode or
 * a part of it that the client has not declared (MCP client/elicitation, client/sampling)
 */
export function checkAnswerable(method: string, params: Params, capabilities: JsonObject): void {
  const name = ownEntry(CLIENT_CAPABILITY, method);
  if (name === undefined) return;
  const offered = capabilities[name];
  if (!isObject(offered)) {
    throw new ExaiError("METHOD_NOT_FOUND", `this client does not offer ${name}`);
  }
  if (name === "elicitation") {
    const mode = memberOf(params, "mode") ?? "form";
    // An empty capability means form mode.
    const modes = isObject(offered.url) && !isObject(offered.form)
      ? ["url"]
      : ["form", ...Object.keys(offered)];
    if (!modes.includes(String(mode))) {
      throw new ExaiError("INVALID_PARAMS", `this client does not offer elicitation by ${mode}`);
    }
  }
  const wantsTools = hasMember(params, "tools") || hasMember(params, "toolChoice");
  if (name === "sampling" && wantsTools && !isObject(offered.tools)) {
    throw new ExaiError("INVALID_PARAMS", "this client does not offer sampling with tools");
  }
}

/**
 * `params` without `task` if the client does not run requests of `method` as tasks (MCP basic/utilities/tasks).
 */
export function withoutUnsupportedTask(method: string, params: Params, capabilities: JsonObject): Params {
  if (!hasMember(params, "task") || runsTasks(method, capabilities)) return params;
  if (params instanceof RawObject) return params.without("task");
  const { task: _, ...rest } = params;
  return rest;
}

function runsTasks(method: string, { tasks }: JsonObject): boolean {
  let at: unknown = isObject(tasks) ? tasks.requests : undefined;
  for (const part of method.split("/")) at = isObject(at) ? at[part] : undefined;
  return isObject(at);
}
