import { isObject, type JsonObject } from "../base/json.ts";

/**
 * What `subscriptions/listen` may ask for by `true`: the capability whose `listChanged` offers it, and the notification
 * that it means (MCP basic/patterns/subscriptions). What the daemon has about changes of lists is made from this; the
 * bundle of the shim has no room for it.
 */
export const LIST_FLAGS = (["tools", "prompts", "resources"] as const).map((capability) => ({
  capability,
  flag: `${capability}ListChanged` as const,
  method: `notifications/${capability}/list_changed` as const,
}));

export type ListFlag = (typeof LIST_FLAGS)[number]["flag"];

/** The flags of the lists whose changes a server with `capabilities` announces. */
export function offeredFlags(capabilities: JsonObject): ListFlag[] {
  return LIST_FLAGS.filter(({ capability }) => {
    const given = capabilities[capability];
    return isObject(given) && given.listChanged === true;
  }).map(({ flag }) => flag);
}
