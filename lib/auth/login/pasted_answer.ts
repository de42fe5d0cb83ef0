import { ExaiError } from "../../base/errors.ts";

const EXPECTED =
  "paste the whole address of the page that the browser ended at, also where it shows an error: it begins " +
  "with http://127.0.0.1 and holds code= and state=";

/**
 * The parameters of an answer that a person has copied from the address bar: the whole address, or its query.
 *
 * @throws {ExaiError} `INVALID_PARAMS` with what to paste instead
 */
export function pastedAnswer(text: string): URLSearchParams {
  const trimmed = text.trim().replace(/^["'<]|["'>]$/g, "");
  const query = trimmed.includes("?") ? trimmed.slice(trimmed.indexOf("?") + 1) : trimmed;
  const params = new URLSearchParams(query.replace(/#.*$/, ""));
  if (params.has("state") && (params.has("code") || params.has("error"))) return params;
  // It is not repeated: a part of it may be a code.
  throw new ExaiError("INVALID_PARAMS", `this is not the answer of a sign-in; ${EXPECTED}`);
}
