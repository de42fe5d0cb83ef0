import { ExaiError } from "../../../base/errors.ts";
import type { JsonObject } from "../../../base/json.ts";
import { visible } from "../../../base/visible.ts";
import { CODES, toRpcError } from "../../../wire/codes.ts";
import { errorOfModernServer, lackedCapabilities } from "../../../wire/era_errors.ts";
import { resultMember } from "../../../wire/raw_message.ts";
import type { Result, RpcError } from "../../../wire/rpc.ts";

/** Longest `resultType` shown in a message, in characters. */
const MAX_TYPE_CHARS = 80;

interface AnswerContext {
  method: string;
  /** The server's name. */
  server: string;
  /** Those of the caller. */
  capabilities: JsonObject;
}

/**
 * What a server has answered, as its caller may be told it: errors about this hop are given another meaning or made the
 * daemon's own, and results of an unknown type are errors (MCP basic, ResultType).
 */
export function answerOfHop(answer: Result, context: AnswerContext): Result {
  if (answer.error) {
    const error = errorOfHop(answer.error, context);
    return error === answer.error ? answer : { error };
  }
  const type = resultMember(answer, "resultType");
  if (type === undefined || type === "complete" || type === "input_required") return answer;
  // Tasks are declared with every request, and may be begun for these alone (SEP-2663, supported methods).
  if (type === "task" && context.method === "tools/call") return answer;
  const shown = visible(JSON.stringify(type), MAX_TYPE_CHARS);
  return failure(
    "INTERNAL",
    `server "${context.server}" gave a result of the type ${shown}, which it may not give`,
  );
}

function errorOfHop(error: RpcError, { method, server, capabilities }: AnswerContext): RpcError {
  switch (error.code) {
    case CODES.MISSING_CAPABILITY.rpc: {
      const lacking = lackedCapabilities(error.data, capabilities);
      if (lacking) {
        return failure("MISSING_CAPABILITY", error.message, { requiredCapabilities: lacking, server }).error!;
      }
      const why =
        `server "${server}" says that its client lacks a capability which it was told: ${error.message}`;
      return failure("INTERNAL", why).error!;
    }
    case CODES.HEADER_MISMATCH.rpc:
      return failure("INTERNAL", `server "${server}" refused the headers of a request: ${error.message}`)
        .error!;
    default:
      return errorOfModernServer(error, method);
  }
}

function failure(code: "INTERNAL" | "MISSING_CAPABILITY", why: string, details?: JsonObject): Result {
  return { error: toRpcError(new ExaiError(code, why, { details })) };
}
