import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, ownEntry, textOf } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { hasMember } from "../wire/raw_object.ts";
import { checkAnswerable, CLIENT_CAPABILITY } from "./client_capabilities.ts";

/** Questions of one result. */
const MAX_QUESTIONS = 64;

/** A question of a server that ends its answer to a request (MCP schema, InputRequest). */
export interface InputRequest {
  readonly key: string;
  readonly method: string;
  /** The client capability it needs. */
  readonly capability: string;
  readonly params: JsonObject;
}

/** What a server needs to complete a request. */
interface NeededInput {
  readonly questions: readonly InputRequest[];
  /** Its own state; undefined where it gave none. */
  readonly state: string | undefined;
}

/**
 * What a server needs by an `input_required` result with these members (MCP basic/patterns/mrtr, server requirements).
 *
 * @param capabilities what its client has declared
 * @param server its name, for messages; undefined: not known
 * @throws {ExaiError} `INTERNAL` for what no server may ask: neither a question nor a state, something that
 * no client can be asked; `MISSING_CAPABILITY` with `requiredCapabilities` for what this client has not declared
 */
export function neededInput(
  { inputRequests = {}, requestState }: { inputRequests?: Json; requestState?: Json },
  { capabilities, server }: { capabilities: JsonObject; server: string | undefined },
): NeededInput {
  const asker = server === undefined ? "the server" : `server ${quoteName(server)}`;
  const fault = (what: string) =>
    new ExaiError("INTERNAL", `${asker} answered input_required ${what}: this is a fault of it`);
  if (requestState !== undefined && typeof requestState !== "string") {
    throw fault("with a requestState that is no text");
  }
  if (!isObject(inputRequests)) throw fault("with inputRequests that are no object");
  const entries = Object.entries(inputRequests);
  if (entries.length === 0 && requestState === undefined) {
    throw fault("with neither inputRequests nor requestState, so that there is nothing to go on with");
  }
  if (entries.length > MAX_QUESTIONS) {
    throw fault(`with ${entries.length} questions; ${MAX_QUESTIONS} are passed on at most`);
  }
  const questions = entries.map(([key, request]): InputRequest => {
    const { method, params = {} } = isObject(request) ? request : {};
    const capability = typeof method === "string" ? ownEntry(CLIENT_CAPABILITY, method) : undefined;
    if (capability === undefined || !isObject(params)) {
      throw fault(`with inputRequests[${quoteName(key)}], which is no request that a client can be sent`);
    }
    return { key, method: String(method), capability, params };
  });
  for (const question of questions) checkDeclared(question, capabilities, asker);
  return { questions, state: requestState };
}

/** @throws {ExaiError} `MISSING_CAPABILITY` */
function checkDeclared(question: InputRequest, capabilities: JsonObject, asker: string): void {
  const { method, capability, params } = question;
  try {
    checkAnswerable(method, params, capabilities);
  } catch (thrown) {
    const requiredCapabilities = { [capability]: neededPart(question) };
    const why = `${asker} asks for ${method}: ${ExaiError.from(thrown).message}`;
    throw new ExaiError("MISSING_CAPABILITY", why, { details: { requiredCapabilities } });
  }
}

/** The part of its capability that a question needs. */
function neededPart({ method, params }: InputRequest): JsonObject {
  if (method === "elicitation/create") return { [textOf(params.mode) ?? "form"]: {} };
  const wantsTools = method === "sampling/createMessage" &&
    (hasMember(params, "tools") || hasMember(params, "toolChoice"));
  return wantsTools ? { tools: {} } : {};
}
