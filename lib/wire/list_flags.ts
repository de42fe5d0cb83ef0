import { isObject, type JsonObject } from "../base/json.ts";

/**
 * What `subscriptions/listen` may ask for by `true`: the capability whose `listChanged` offers it, and the notification
 * that it means (MCP basic/patterns/subscriptions).
 */
export const LIST_FLAGS = [
  { flag: "toolsListChanged", capability: "tools", method: "notifications/tools/list_changed" },
  { flag: "promptsListChanged", capability: "prompts", method: "notifications/prompts/list_changed" },
  { flag: "resourcesListChanged", capability: "resources", method: "notifications/resources/list_changed" },
] as const;

export type ListFlag = (typeof LIST_FLAGS)[number]["flag"];

/** The flags of the lists whose changes a server with `capabilities` announces. */
export function offeredFlags(capabilities: JsonObject): ListFlag[] {
  return LIST_FLAGS.filter(({ capability }) => {
    const given = capabilities[capability];
    return isObject(given) && given.listChanged === true;
  }).map(({ flag }) => flag);
}
