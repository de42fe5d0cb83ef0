import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import type { AnswerReader } from "./answer_reader.ts";
import type { GuardedFetch } from "./guarded_fetch.ts";
import type { ApiProtocol } from "./protocol.ts";
import { asApiError, fromApiError, providerError, type ProviderErrorInfo } from "./provider_errors.ts";
import { settingsAdvice, wrongPathAdvice } from "./provider_site.ts";

/** The exchange in which something was thrown. */
interface FailureContext {
  signal: AbortSignal;
  guard: GuardedFetch;
  errorInfo: ProviderErrorInfo;
  protocol?: Pick<ApiProtocol, "readError">;
  hasOutput: boolean;
  answer?: AnswerReader;
}

/** The provider error for what an exchange with a provider threw. */
export function toProviderError(thrown: unknown, context: FailureContext): ExaiError {
  const { signal, guard, errorInfo, protocol, hasOutput, answer } = context;
  const { provider: name, site } = errorInfo;
  if (signal.aborted) return abortError(signal);
  const cause = unwrap(guard.causeOfBodyError(thrown));
  if (cause instanceof ExaiError) return cause;
  const response = protocol?.readError?.(thrown) ?? asApiError(thrown);
  if (response !== undefined) {
    const whole = guard.refused === undefined
      ? response
      : { ...guard.refused, error: guard.refused.body, message: "" };
    return fromApiError(whole, { ...errorInfo, cause: thrown }, { hasOutput, isWhole: guard.isWhole });
  }
  if (cause instanceof SyntaxError && answer && guard.isWhole) {
    return answer.truncated("it is JSON that does not end");
  }
  if (cause instanceof SyntaxError && !hasOutput) {
    return providerError("malformed", `${name} sent what is no JSON${wrongPathAdvice(site)}`, {
      ...errorInfo,
      cause,
    });
  }
  const reason = messageOf(cause);
  if (!guard.isSent) {
    const message = `${name} cannot be asked: ${reason}. ${settingsAdvice(site)}`;
    return providerError("auth", message, { ...errorInfo, cause });
  }
  if (answer) return answer.truncated(reason);
  return providerError("outage", `${name}: ${reason}`, { ...errorInfo, cause });
}

/** The packages wrap every error of their `fetch`. */
function unwrap(thrown: unknown): unknown {
  return thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
}
