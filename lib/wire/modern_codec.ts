import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { KIB } from "../base/units.ts";
import { malformedCapability } from "./client_capabilities.ts";
import {
  CLAIM_NAMES,
  type ClientClaim,
  invalidClaim,
  META,
  MODERN_REVISIONS,
  readClaim,
  withoutClaim,
} from "./client_claim.ts";
import { toRpcError } from "./codes.ts";
import type { EncodingContext, EraCodec } from "./era_codec.ts";
import { errorForEra } from "./era_errors.ts";
import { hasMethod, isCacheable, mayAskInput } from "./era_methods.ts";
import type { Implementation, InitializeResult } from "./mcp.ts";
import { changedResult } from "./raw_edits.ts";
import { exactError, resultMember } from "./raw_message.ts";
import { hasMember, memberOf, type Params, RawObject, withMembers } from "./raw_object.ts";
import type { Result } from "./rpc.ts";
import { extensionsWithTasks } from "./tasks_extension.ts";

/** A request of the modern era in the neutral model. */
export interface NeutralRequest {
  claim: ClientClaim;
  /** Without the claim, and without what is beside it in the request alone. */
  params: RawObject;
  /** Of a request that is repeated with what its answer asked for (MCP basic/patterns/mrtr). */
  answers: { inputResponses?: JsonObject; requestState?: string } | undefined;
}

/** Members of params that mean something in one era only, or belong to one hop. `task` is of 2025-11-25. */
const LIFTED = ["inputResponses", "requestState", "task"];

/** Claims that are kept, and the longest of them. */
const MAX_CLAIMS = 64;
const MAX_KEPT_CHARS = 4 * KIB;

/** The claims that were read last, by their text. They are shared by all who say the same, and not changed. */
const claims = new Map<string, ClientClaim>();

/** Reads requests and writes answers of revisions from 2026-07-28 on. */
export const modernCodec = {
  /**
   * A request that `isModern` as the neutral model has it.
   *
   * @throws {ExaiError} `UNSUPPORTED_REVISION`; `METHOD_NOT_FOUND` for a method that the era does not have;
   * `INVALID_PARAMS` naming what is missing or invalid in what belongs to the era
   */
  decodeRequest({ method, body }: { method: string; body: RawObject }): NeutralRequest {
    const claim = claimOf(body);
    if (!hasMethod("modern", method)) {
      throw new ExaiError("METHOD_NOT_FOUND", `${method} is no method of MCP ${claim.revision}`);
    }
    // The answers to a task's questions are its params (SEP-2663), and no part of a repeated request.
    const isOfTask = method === "tasks/update";
    const answers = isOfTask ? undefined : answersIn(body);
    return { claim, params: withoutClaim(body, isOfTask ? [] : LIFTED), answers };
  },

  hasNotification(method: string): boolean {
    return hasMethod("modern", method);
  },

  encodeAnswer(answer: Result, { method, serverInfo, capabilities }: EncodingContext): Result {
    if (answer.error) {
      const error = errorForEra(answer.error, "modern", { capabilities });
      return error === answer.error ? answer : { error: { ...exactError(answer), ...error } };
    }
    if (!mayAskInput(method) && resultMember(answer, "resultType") === "input_required") {
      const why = `the server has asked for input in answer to ${method}, which no server may`;
      return { error: toRpcError(new ExaiError("INTERNAL", why)) };
    }
    return changedResult(answer, (result) => modernResult(result, { method, serverInfo }));
  },
} satisfies EraCodec & Record<string, unknown>;

/** As `readClaim`. Clients say the same with each request: it is read and checked once. */
function claimOf(body: RawObject): ClientClaim {
  const meta = body.objectAt("_meta")!;
  let text = "";
  for (const name of CLAIM_NAMES) text += `${meta.textOf(name) ?? ""}\n`;
  const known = claims.get(text);
  if (known) return known;
  const claim = readClaim(body);
  // Here rather than as it is read: the shim's bundle has a part of that, and no room.
  const fault = malformedCapability(claim.capabilities, "modern");
  if (fault !== undefined) throw invalidClaim(META.capabilities, `is malformed: ${fault}`);
  if (text.length > MAX_KEPT_CHARS) return claim;
  if (claims.size >= MAX_CLAIMS) claims.clear();
  claims.set(text, claim);
  return claim;
}

function answersIn(body: RawObject): NeutralRequest["answers"] {
  if (!body.has("inputResponses") && !body.has("requestState")) return undefined;
  const inputResponses = body.objectAt("inputResponses")?.exact;
  const requestState = textOf(body.get("requestState"));
  if (body.has("inputResponses") && !isObject(inputResponses)) {
    throw new ExaiError("INVALID_PARAMS", "inputResponses must be an object");
  }
  if (body.has("requestState") && requestState === undefined) {
    throw new ExaiError("INVALID_PARAMS", "requestState must be a text");
  }
  return { inputResponses, requestState };
}

/** `result` with its type, the server of this hop and, of cacheable methods, for how long and for whom it is good. */
function modernResult<P extends Params>(
  result: P,
  { method, serverInfo }: Pick<EncodingContext, "method" | "serverInfo">,
): P {
  const type = memberOf(result, "resultType") ?? "complete";
  const added: JsonObject = hasMember(result, "resultType") ? {} : { resultType: type };
  if (type === "complete" && isCacheable(method)) Object.assign(added, cacheHints(result));
  const inner = method === "tools/list" ? withoutExecution(result) : result;
  const changed = type === "input_required" ? withModernQuestions(inner) : inner;
  return withServer(changed, { serverInfo, added }) as P;
}

/** The hints that `result` lacks, or has in a form that the era does not allow. */
function cacheHints(result: Params): JsonObject {
  const ttlMs = memberOf(result, "ttlMs");
  const cacheScope = memberOf(result, "cacheScope");
  const hints: JsonObject = {};
  if (!Number.isInteger(ttlMs) || (ttlMs as number) < 0) hints.ttlMs = 0;
  if (cacheScope !== "public" && cacheScope !== "private") hints.cacheScope = "private";
  return hints;
}

/** `result` with the server of this hop and the members `added`, in one edit of its text. */
function withServer(
  result: Params,
  { serverInfo, added }: { serverInfo: Implementation; added: JsonObject },
): Params {
  const own = { [META.server]: serverInfo };
  if (!(result instanceof RawObject)) {
    const meta = { ...isObject(result._meta) ? result._meta : {}, ...own };
    return { ...withMembers(result, added), _meta: meta };
  }
  const meta = result.objectAt("_meta")?.withAll(own);
  return meta ? result.withAll(added).withText("_meta", meta.text) : result.withAll({ ...added, _meta: own });
}

/** Whether a tool can be called as a task was said by `execution`, up to 2025-11-25. */
function withoutExecution(result: Params): Params {
  const isRaw = result instanceof RawObject;
  // What has none is not parsed.
  if (isRaw && !result.textOf("tools")?.includes('"execution"')) return result;
  const tools = isRaw ? result.exact.tools : result.tools;
  if (!Array.isArray(tools) || !tools.some((tool) => isObject(tool) && tool.execution !== undefined)) {
    return result;
  }
  const changed = tools.map((tool) => {
    if (!isObject(tool)) return tool;
    const { execution: _, ...rest } = tool;
    return rest;
  });
  return withMembers(result, { tools: changed });
}

function withModernQuestions(result: Params): Params {
  const text = result instanceof RawObject ? result.textOf("inputRequests") : undefined;
  if (text !== undefined && !text.includes('"elicitationId"')) return result;
  const asked = result instanceof RawObject ? result.exact.inputRequests : result.inputRequests;
  if (!isObject(asked)) return result;
  const questions = Object.entries(asked).map(([key, question]) => [key, modernQuestion(question)]);
  return withMembers(result, { inputRequests: Object.fromEntries(questions) });
}

/** A question to a client without what the era does not have: the client learns by repeating its request how it ended. */
function modernQuestion(question: Json | undefined): Json | undefined {
  if (!isObject(question) || !isObject(question.params)) return question;
  const { elicitationId: _, task: __, ...params } = question.params;
  return { ...question, params };
}

/** The answer to `server/discover` with what `initialize` would be answered with (MCP server/discover). */
export function discoverResult({ capabilities, instructions }: InitializeResult): JsonObject {
  // Tasks are an extension in the modern era.
  const { tasks: _, ...rest } = capabilities;
  return {
    supportedVersions: [...MODERN_REVISIONS],
    capabilities: { ...rest, extensions: extensionsWithTasks(rest) },
    ...(instructions === undefined ? {} : { instructions }),
  };
}
