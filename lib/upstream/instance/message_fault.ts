import { ExaiError } from "../../base/errors.ts";

/** What is wrong with one message that could not be sent; undefined when it is the connection that is not well. */
export function messageFault(thrown: unknown, server: string): ExaiError | undefined {
  if (thrown instanceof ExaiError) return thrown.code === "UPSTREAM_UNAVAILABLE" ? undefined : thrown;
  // JSON.stringify: nested deeper than the stack is high, or longer than a string can be.
  if (!(thrown instanceof RangeError)) return undefined;
  return new ExaiError(
    "INVALID_PARAMS",
    `the arguments cannot be sent to server "${server}": ${thrown.message}; send less, or less deeply nested`,
  );
}

/** The HTTP status a message was refused with; the SDK has it in `code`, or in the text alone. */
export function refusalStatus(cause: unknown): number | undefined {
  if (!(cause instanceof Error)) return undefined;
  const { code } = cause as { code?: unknown };
  if (typeof code === "number" && code >= 400) return code;
  const [, status] = /\(HTTP (4\d\d)\)/.exec(cause.message) ?? [];
  return status === undefined ? undefined : Number(status);
}
