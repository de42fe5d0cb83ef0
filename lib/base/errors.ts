/** Stable error codes that clients may switch on. `lib/wire/codes.ts` maps each to the wire. */
export const ERROR_CODES = [
  "PARSE_ERROR",
  "INVALID_REQUEST",
  "INVALID_PARAMS",
  "METHOD_NOT_FOUND",
  "UNKNOWN_OP",
  "TOOL_NOT_FOUND",
  "HEADER_MISMATCH",
  "MISSING_CAPABILITY",
  "UNSUPPORTED_REVISION",
  "RESOURCE_NOT_FOUND",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "OVER_CAPACITY",
  "TIMEOUT",
  "CANCELLED",
  "TOO_LARGE",
  "UPSTREAM_UNAVAILABLE",
  "LOGIN_REQUIRED",
  "OUTCOME_UNKNOWN",
  "DAEMON_UNAVAILABLE",
  "SHUTTING_DOWN",
  "CONFIG",
  "INTERNAL",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ExaiErrorOptions {
  cause?: unknown;
  /** How long the caller should wait before it tries again, in milliseconds. */
  retryAfterMs?: number;
  /** Further facts for the caller, safe to send over the wire. */
  details?: Record<string, unknown>;
}

/** An error with a message for the user of the client: what was wrong and what to do. */
export class ExaiError extends Error {
  override name = "ExaiError";
  readonly code: ErrorCode;
  readonly retryAfterMs?: number;
  readonly details?: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: ExaiErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }

  /** `thrown` itself if it is an {@linkcode ExaiError}, otherwise wrapped as `INTERNAL`. */
  static from(thrown: unknown): ExaiError {
    if (thrown instanceof ExaiError) return thrown;
    return new ExaiError("INTERNAL", messageOf(thrown), { cause: thrown });
  }
}

/** The command line makes no sense: an unknown command or flag, a word too many, a value of the wrong kind. */
export class UsageError extends ExaiError {
  constructor(message: string, options: ExaiErrorOptions = {}) {
    super("INVALID_PARAMS", message, options);
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  try {
    return String(thrown);
  } catch {
    return "something that cannot be put into words was thrown";
  }
}

/** What reads the standard output has ended, as `head` does: a command ends quietly, for nobody sees the rest. */
export class OutputClosed extends Error {}
