import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, ownEntry } from "../base/json.ts";
import { checkAnswerable } from "../call/client_capabilities.ts";
import { URL_ELICITATION_REQUIRED } from "../wire/era_errors.ts";
import { textResult } from "../wire/mcp.ts";
import type { Result, RpcError } from "../wire/rpc.ts";
import { checkedAnswer } from "./input_answers.ts";

const METHOD = "elicitation/create";

/**
 * The questions of a refusal with which a server of the legacy era asks for pages to be opened, as `inputRequests`;
 * undefined for any other error.
 *
 * @throws {ExaiError} `MISSING_CAPABILITY` with the pages, when the client cannot be asked that
 */
export function questionsOf(error: RpcError, capabilities: JsonObject): JsonObject | undefined {
  if (error.code !== URL_ELICITATION_REQUIRED) return undefined;
  const given = isObject(error.data) && Array.isArray(error.data.elicitations) ? error.data.elicitations : [];
  const asked = given.filter(isObject).filter(({ url }) => typeof url === "string");
  if (asked.length === 0) return undefined;
  const questions = asked.map(({ url, message }) => ({
    mode: "url",
    message: typeof message === "string" ? message : error.message,
    url,
  }));
  try {
    for (const params of questions) checkAnswerable(METHOD, params, capabilities);
  } catch {
    const pages = questions.map(({ url, message }) => `${url} (${message})`).join(", ");
    throw new ExaiError(
      "MISSING_CAPABILITY",
      `this needs a person to open ${pages} first, and this client does not offer elicitation by url; open it by hand ` +
        "and send the request again",
      { details: { requiredCapabilities: { elicitation: { url: {} } } } },
    );
  }
  return Object.fromEntries(questions.map((params, i) => [`q${i + 1}`, { method: METHOD, params }]));
}

/** What has become of the pages that a person was to open. */
type Opened = { is: "all" } | { is: "refused"; result: Result } | { is: "missing"; questions: JsonObject };

/**
 * What `responses` say of the `questions` before a call is made again.
 *
 * @throws {ExaiError} `INVALID_PARAMS` when one of them is invalid; `CANCELLED` when a page was refused and `method` has
 * no result that says so
 */
export function openedOf(questions: JsonObject, responses: JsonObject, method: string): Opened {
  const missing = Object.entries(questions).filter(([key]) => ownEntry(responses, key) === undefined);
  const given = Object.keys(questions).filter((key) => ownEntry(responses, key) !== undefined);
  const answers = given.map((key) => checkedAnswer(METHOD, key, responses[key]));
  if (answers.some(({ result }) => result?.action !== "accept")) {
    const why = "not done: it needs a page to be opened first, and that was declined";
    if (method !== "tools/call") throw new ExaiError("CANCELLED", why);
    return { is: "refused", result: { result: textResult(why, { isError: true }) } };
  }
  return missing.length === 0 ? { is: "all" } : { is: "missing", questions: Object.fromEntries(missing) };
}
