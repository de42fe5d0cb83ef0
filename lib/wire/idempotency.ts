import { isObject, type Json } from "../base/json.ts";

/** Requests that read, or that set the same again. */
const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "completion/complete",
  "logging/setLevel",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/subscribe",
  "resources/templates/list",
  "resources/unsubscribe",
  "server/discover",
  "subscriptions/listen",
  "tasks/get",
  "tasks/list",
  "tasks/result",
  "tools/list",
]);

/** Whether `method` may be sent twice. For `tools/call` it depends on the tool. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method);
}

/** Whether `tool` declares that calling it twice does no harm (MCP server/tools, annotations). */
export function isIdempotentTool(tool: Json | undefined): boolean {
  const annotations = isObject(tool) && isObject(tool.annotations) ? tool.annotations : {};
  return annotations.readOnlyHint === true || annotations.idempotentHint === true;
}
