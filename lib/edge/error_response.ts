import { ExaiError } from "../base/errors.ts";
import type { Era } from "../wire/client_claim.ts";
import { CODES } from "../wire/codes.ts";
import { thrownForEra } from "../wire/era_errors.ts";
import { responseText } from "../wire/message_text.ts";

/** A body that is not a JSON-RPC message, with the id for the error response. */
export class InvalidMessageError extends Error {
  readonly idText: string;
  readonly error: ExaiError;

  constructor(why: string, idText = "null") {
    super(why);
    this.idText = idText;
    this.error = new ExaiError("INVALID_REQUEST", why);
  }
}

/** An HTTP response with a JSON-RPC error for anything that was thrown, with the code which it has in `era`. */
export function rpcErrorResponse(thrown: unknown, era: Era, idText = "null"): Response {
  const error = ExaiError.from(thrown);
  const body = responseText(idText, { error: thrownForEra(error, era) });
  const headers = { "content-type": "application/json" };
  return new Response(body, { status: CODES[error.code].http, headers });
}
