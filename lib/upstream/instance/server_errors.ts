import { ExaiError, messageOf } from "../../base/errors.ts";
import { isRawJson, type Json, type JsonObject } from "../../base/json.ts";
import { redact } from "../../base/log.ts";
import { overCapacityFor } from "../../base/exhaustion.ts";
import { URL_ELICITATION_REQUIRED } from "../../wire/era_errors.ts";
import { exactError } from "../../wire/raw_message.ts";
import type { RpcError } from "../../wire/rpc.ts";
import { ProcessStoppedError } from "../next_process.ts";
import { HttpStatusError, ResponseCutError, SessionLostError } from "../../remote/http_errors.ts";

/** Creates the errors of calls that failed with the connection to one server. */
export class ServerErrors {
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  /** The error of a call that was running when the server ended; `isAlone`: no call of another session was. */
  interrupted(reason: ExaiError, { isAlone = false } = {}): ExaiError {
    return new ExaiError(reason.code, `${reason.message}; the call was under way and may have run`, {
      cause: reason,
      details: { server: this.#server, outcome: "unknown", ...(isAlone ? { alone: true } : {}) },
    });
  }

  /** The error of a call that was not sent, because the server has lost our session or has ended. */
  notRun(reason: ExaiError): ExaiError {
    if (reason instanceof ProcessStoppedError) return reason;
    return new ExaiError(reason.code, reason.message, {
      cause: reason,
      details: { ...reason.details, outcome: "not_run" },
    });
  }

  /** The error for a message that could not be sent or answered: the server's fault, or this machine's lack of handles. */
  of(thrown: unknown): ExaiError {
    // What is wrong with signing in says whose server it is.
    if (thrown instanceof ExaiError && thrown.details?.account !== undefined) return thrown;
    const mayHaveRun = thrown instanceof ResponseCutError ? "; the call was under way and may have run" : "";
    return overCapacityFor(`server "${this.#server}"`, thrown, { server: this.#server }) ??
      this.unavailable(`${messageOf(thrown)}${mayHaveRun}`, thrown);
  }

  /** The error of what was not sent, because the daemon stops the server. */
  stopped(): ProcessStoppedError {
    return new ProcessStoppedError(this.#server);
  }

  unavailable(why: string, cause?: unknown): ExaiError {
    // Set by servers behind a URL.
    const { status = refusalStatus(cause), retryAfterMs } = (cause ?? {}) as {
      status?: number;
      retryAfterMs?: number;
    };
    // A server may repeat an API key in its refusal.
    return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${this.#server}": ${redact(why)}`, {
      cause,
      retryAfterMs,
      details: { server: this.#server, ...(status === undefined ? {} : { status }), ...outcomeOf(cause) },
    });
  }
}

/**
 * An error that a server answers with, without the secrets that it may have been given; undefined where there are none in
 * it. The data of a URL elicitation stays as it is: its addresses are opened by a person.
 */
export function errorWithoutSecrets(failure: { error: RpcError }): { error: RpcError } | undefined {
  const { code, message, ...rest } = exactError(failure);
  const clean = {
    ...(code === URL_ELICITATION_REQUIRED ? rest : redactTexts(rest as JsonObject) as typeof rest),
    code,
    message: redact(message),
  };
  const isSame = JSON.stringify(clean) === JSON.stringify({ ...rest, code, message });
  return isSame ? undefined : { error: clean };
}

/** `value` with each of its texts redacted. */
function redactTexts(value: Json): Json {
  if (typeof value === "string") return redact(value);
  if (typeof value !== "object" || value === null || isRawJson(value)) return value;
  if (Array.isArray(value)) return value.map(redactTexts);
  const members = Object.entries(value).map(([name, part]) => [redact(name), part && redactTexts(part)]);
  return Object.fromEntries(members);
}

/** Whether a call that failed with `cause` has run, and whether the call itself was at fault. */
function outcomeOf(cause: unknown): { outcome?: "unknown" | "not_run"; fault?: "caller" } {
  if (cause instanceof SessionLostError) return { outcome: "not_run" };
  if (cause instanceof HttpStatusError && cause.isAboutMessage) return { fault: "caller" };
  return cause instanceof ResponseCutError ? { outcome: "unknown" } : {};
}

/** The error of a message that itself cannot be sent; undefined when the connection is at fault. */
export function messageError(thrown: unknown, server: string): ExaiError | undefined {
  if (thrown instanceof ExaiError) return thrown.code === "UPSTREAM_UNAVAILABLE" ? undefined : thrown;
  // JSON.stringify: nested too deeply for the stack, or longer than a string can be.
  if (!(thrown instanceof RangeError)) return undefined;
  return new ExaiError(
    "INVALID_PARAMS",
    `the arguments cannot be sent to server "${server}": ${thrown.message}; send less, or less deeply nested`,
  );
}

/** The HTTP status a message was refused with: from `code`, or from the text where the MCP SDK has no code for it. */
export function refusalStatus(cause: unknown): number | undefined {
  if (!(cause instanceof Error)) return undefined;
  const { code } = cause as { code?: unknown };
  if (typeof code === "number" && code >= 400) return code;
  const [, status] = /\(HTTP (4\d\d)\)/.exec(cause.message) ?? [];
  return status === undefined ? undefined : Number(status);
}
