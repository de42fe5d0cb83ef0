import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, ownEntry } from "../base/json.ts";
import type { Result } from "../wire/rpc.ts";

/** What is wrong with an answer; undefined: nothing. */
type AnswerCheck = (answer: JsonObject) => string | undefined;

const CHECKS: Readonly<Record<string, AnswerCheck>> = {
  "elicitation/create": ({ action, content }) => {
    if (action !== "accept" && action !== "decline" && action !== "cancel") {
      return 'action must be "accept", "decline" or "cancel"';
    }
    return content === undefined || isObject(content) ? undefined : "content must be an object";
  },
  "sampling/createMessage": ({ role, content, model }) => {
    if (role !== "assistant" && role !== "user") return 'role must be "assistant"';
    if (typeof model !== "string") return "model must be a text";
    const blocks = Array.isArray(content) ? content : [content];
    return blocks.every(isBlock) ? undefined : "content must be a block with a type, or several";
  },
  "roots/list": ({ roots }) => {
    const isList = Array.isArray(roots) &&
      roots.every((root) => isObject(root) && typeof root.uri === "string");
    return isList ? undefined : "roots must be a list of objects with a uri";
  },
};

function isBlock(value: Json | undefined): boolean {
  return isObject(value) && typeof value.type === "string";
}

/** What is wrong with `answer` as a result of `method` (MCP schema, InputResponse); undefined: nothing. */
export function faultOf(method: string, answer: Json | undefined): string | undefined {
  if (!isObject(answer)) return "it must be an object";
  return ownEntry(CHECKS, method)?.(answer);
}

/**
 * Whether `answer` fills in the form that is described by `requestedSchema`: each required field, some field, no unknown
 * one, each of its type (MCP client/elicitation, requested schema).
 */
export function fillsIn(requestedSchema: Json | undefined, answer: Json | undefined): boolean {
  if (!isObject(requestedSchema) || !isObject(answer) || answer.action !== "accept") return false;
  const { properties, required } = requestedSchema;
  const { content } = answer;
  if (!isObject(properties) || !isObject(content)) return false;
  const fields = Object.entries(content);
  if (fields.length === 0) return false;
  const isComplete = !Array.isArray(required) ||
    required.every((name) => Object.hasOwn(content, String(name)));
  return isComplete && fields.every(([name, value]) => {
    const field = ownEntry(properties, name);
    return isObject(field) && isOfType(value, field.type);
  });
}

function isOfType(value: Json | undefined, type: Json | undefined): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  return type === undefined || typeof value === type;
}

/**
 * The answer to a question of `method` named `key`.
 *
 * @throws {ExaiError} `INVALID_PARAMS` naming what is wrong with it
 */
export function checkedAnswer(method: string, key: string, answer: Json | undefined): Result {
  const fault = faultOf(method, answer);
  if (fault === undefined) return { result: answer as JsonObject };
  throw new ExaiError(
    "INVALID_PARAMS",
    `inputResponses[${JSON.stringify(key)}] is no result of ${method}: ${fault}`,
  );
}

/**
 * The answer to a question that nobody will answer: an elicitation is cancelled, as a person would who closes the window.
 *
 * @throws {ExaiError} `CANCELLED` for what a person does not answer
 */
export function answerForNobody(method: string, why: string): Result {
  if (method === "elicitation/create") return { result: { action: "cancel" } };
  throw new ExaiError("CANCELLED", `the client has not answered ${method}: ${why}`);
}
