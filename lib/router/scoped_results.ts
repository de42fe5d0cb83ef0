import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { withPublicSkillUris, withPublicUris } from "../call/scoped_uris.ts";
import { exactResult, rawResult } from "../wire/raw_message.ts";
import type { Result } from "../wire/rpc.ts";

/** Where a URI of a scoped scheme begins in JSON. */
const SCOPED_TEXT = /"(?:ui|skill):/;
/** Blocks of content that name a resource. */
const NAMES_RESOURCE = new Set<Json | undefined>(["resource_link", "resource"]);

/**
 * A result of `resources/read`, `resources/directory/read` or `skills/get` of `server`, whose resources have the URIs that
 * clients of the merged catalog know them by.
 */
export function withPublicResources(success: Result & { result: JsonObject }, server: string): Result {
  const { contents, resources, skill } = exactResult(success);
  const publicOf = (list: Json | undefined) =>
    Array.isArray(list)
      ? list.filter(isObject).map((one) => withPublicUris("resources", one, server))
      : undefined;
  const named = { contents: publicOf(contents), resources: publicOf(resources) };
  const result: JsonObject = { ...exactResult(success) };
  if (named.contents) result.contents = named.contents;
  if (named.resources) result.resources = named.resources;
  if (isObject(skill)) result.skill = withPublicSkillUris(skill, server);
  return { result };
}

/**
 * A result of `tools/call` or `prompts/get` of `server`, whose links and embedded resources have such URIs (MCP
 * server/tools, tool result). One that has none passes as it came.
 */
export function withPublicLinks(answer: Result, server: string): Result {
  if (answer.error) return answer;
  const text = rawResult(answer)?.text;
  if (text !== undefined && !SCOPED_TEXT.test(text)) return answer;
  const result = exactResult(answer);
  const { content, messages } = result;
  if (Array.isArray(content)) {
    if (!content.some((one) => isObject(one) && NAMES_RESOURCE.has(one.type))) return answer;
    return { result: { ...result, content: content.map((one) => shown(one, server)) } };
  }
  if (!Array.isArray(messages)) return answer;
  const ofMessage = (one: Json) => isObject(one) ? { ...one, content: shown(one.content!, server) } : one;
  return { result: { ...result, messages: messages.map(ofMessage) } };
}

/** A block of content, or several, as the merged catalog shows it. */
function shown(block: Json, server: string): Json {
  if (Array.isArray(block)) return block.map((one) => shown(one, server));
  if (!isObject(block)) return block;
  const { type, resource } = block;
  if (type === "resource_link") return withPublicUris("resources", block, server);
  if (type !== "resource" || !isObject(resource)) return block;
  return { ...block, resource: withPublicUris("resources", resource, server) };
}
