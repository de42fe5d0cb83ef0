import { ExaiError, messageOf } from "../base/errors.ts";
import { redact } from "../base/log.ts";
import { overCapacityFor } from "../base/exhaustion.ts";
import { refusalStatus } from "./message_fault.ts";
import { HttpStatusError, ResponseCutError, SessionLostError } from "../remote/errors.ts";

/** What callers of one server are told when the connection to it fails them. */
export class Faults {
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  /** What a call is told that was under way when the server ended; `isAlone`: no other session's was. */
  cutOff(reason: ExaiError, { isAlone = false } = {}): ExaiError {
    return new ExaiError(reason.code, `${reason.message}; the call was under way and may have run`, {
      cause: reason,
      details: { server: this.#server, outcome: "unknown", ...(isAlone ? { alone: true } : {}) },
    });
  }

  /** What a call is told that is not sent any more, because the server knows the connection no more. */
  notRun(lost: ExaiError): ExaiError {
    return new ExaiError(lost.code, lost.message, {
      cause: lost,
      details: { ...lost.details, outcome: "not_run" },
    });
  }

  /** Why a message could not be sent or answered: the server's fault, unless it is this machine that lacks something. */
  of(thrown: unknown): ExaiError {
    const mayHaveRun = thrown instanceof ResponseCutError ? "; the call was under way and may have run" : "";
    return overCapacityFor(`server "${this.#server}"`, thrown) ??
      this.unavailable(`${messageOf(thrown)}${mayHaveRun}`, thrown);
  }

  unavailable(why: string, cause?: unknown): ExaiError {
    // Of a server behind a URL: how it refused, and how long it wants to be left alone.
    const { status = refusalStatus(cause), retryAfterMs } = (cause ?? {}) as {
      status?: number;
      retryAfterMs?: number;
    };
    // It may also repeat in its refusal the key it was shown.
    return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${this.#server}": ${redact(why)}`, {
      cause,
      retryAfterMs,
      details: { server: this.#server, ...(status === undefined ? {} : { status }), ...outcomeOf(cause) },
    });
  }
}

/** Whether a call that failed with `cause` has run, as far as it is known, and whether the call is what was wrong. */
function outcomeOf(cause: unknown): { outcome?: "unknown" | "not_run"; fault?: "caller" } {
  if (cause instanceof SessionLostError) return { outcome: "not_run" };
  if (cause instanceof HttpStatusError && cause.isAboutMessage) return { fault: "caller" };
  return cause instanceof ResponseCutError ? { outcome: "unknown" } : {};
}
