import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { META } from "./client_claim.ts";
import { toRpcError } from "./codes.ts";
import type { EncodingContext, EraCodec } from "./era_codec.ts";
import { errorForEra } from "./era_errors.ts";
import { hasMethod, isCacheable } from "./era_methods.ts";
import { legacyOutputSchema, legacyStructured } from "./legacy_schemas.ts";
import { changedResult } from "./raw_edits.ts";
import { exactError, resultMember } from "./raw_message.ts";
import { hasMember, memberOf, type Params, RawObject, withoutMembers } from "./raw_object.ts";
import type { Result } from "./rpc.ts";

const CACHE_MEMBERS = ["ttlMs", "cacheScope"];

/** Refuses requests of the other era's methods, and writes answers for clients of revisions up to 2025-11-25. */
export const legacyCodec = {
  /** Why a request of `method` is refused; undefined for a method that the era has, or that is unknown here. */
  refusalOf(method: string): ExaiError | undefined {
    if (hasMethod("legacy", method)) return undefined;
    const why =
      `${method} is no method of MCP 2025-11-25 and earlier; say in _meta which revision the request is of`;
    return new ExaiError("METHOD_NOT_FOUND", why);
  },

  hasNotification(method: string): boolean {
    return hasMethod("legacy", method);
  },

  encodeAnswer(answer: Result, { method }: Pick<EncodingContext, "method">): Result {
    if (answer.error) {
      const error = errorForEra(answer.error, "legacy");
      return error === answer.error ? answer : { error: { ...exactError(answer), ...error } };
    }
    const type = resultMember(answer, "resultType");
    if (type !== undefined && type !== "complete") return { error: unknownType(type) };
    return changedResult(answer, (result) => legacyResult(result, method));
  },
} satisfies EraCodec & Record<string, unknown>;

function unknownType(type: Json): ReturnType<typeof toRpcError> {
  const shown = textOf(type) ?? "of no kind";
  const why = `the server has answered with a result (${shown}) that MCP 2025-11-25 does not have`;
  return toRpcError(new ExaiError("INTERNAL", why));
}

function legacyResult<P extends Params>(result: P, method: string): P {
  let changed: Params = result;
  if (hasMember(changed, "resultType")) changed = withoutServer(withoutMembers(changed, ["resultType"]));
  if (isCacheable(method)) changed = withoutMembers(changed, CACHE_MEMBERS);
  if (method === "tools/list") changed = withLegacySchemas(changed);
  if (method === "tools/call") changed = withStructuredObject(changed);
  return changed as P;
}

/** `result` of a modern server without its name, which it gives with each; `initialize` has said it. */
function withoutServer(result: Params): Params {
  const meta = memberOf(result, "_meta");
  if (!isObject(meta) || meta[META.server] === undefined) return result;
  if (Object.keys(meta).length === 1) return withoutMembers(result, ["_meta"]);
  if (!(result instanceof RawObject)) {
    return { ...result, _meta: withoutMembers(meta, [META.server]) as JsonObject };
  }
  return result.withText("_meta", result.objectAt("_meta")!.without(META.server).text);
}

function withLegacySchemas(result: Params): Params {
  const isRaw = result instanceof RawObject;
  // What has none is not parsed.
  if (isRaw && !result.textOf("tools")?.includes('"outputSchema"')) return result;
  const tools = isRaw ? result.exact.tools : result.tools;
  if (!Array.isArray(tools)) return result;
  const changed = tools.map((tool) => {
    if (!isObject(tool) || !isObject(tool.outputSchema)) return tool;
    const outputSchema = legacyOutputSchema(tool.outputSchema);
    return outputSchema === tool.outputSchema ? tool : { ...tool, outputSchema };
  });
  if (changed.every((tool, i) => tool === tools[i])) return result;
  return isRaw ? result.with("tools", changed) : { ...result, tools: changed };
}

/** Clients of the era read an object, or the text beside it. */
function withStructuredObject(result: Params): Params {
  const isRaw = result instanceof RawObject;
  if (!isRaw && (result.structuredContent === undefined || isObject(result.structuredContent))) return result;
  const text = isRaw ? result.textOf("structuredContent") : JSON.stringify(result.structuredContent);
  const structured = text === undefined ? undefined : legacyStructured(text);
  if (text === undefined || structured === undefined) return result;
  const content = memberOf(result, "content");
  const blocks = Array.isArray(content) ? content : [];
  const hasText = blocks.some((block) => isObject(block) && block.type === "text");
  const added = { type: "text", text };
  if (!isRaw) {
    const { structuredContent: value = null } = result;
    return {
      ...result,
      structuredContent: { result: value },
      content: hasText ? blocks : [...blocks, added],
    };
  }
  const changed = result.withText("structuredContent", structured);
  if (hasText) return changed;
  const exact = Array.isArray(content) ? result.exact.content as Json[] : [];
  return changed.with("content", [...exact, added]);
}
