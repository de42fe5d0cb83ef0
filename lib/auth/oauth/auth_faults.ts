import { messageOf } from "../../base/errors.ts";
import { redact } from "../../base/secrets.ts";
import { clip } from "../../base/text.ts";
import { visible } from "../../base/visible.ts";
import { AuthServerError } from "./auth_fetch.ts";

/** Loaded when an account is first used: it costs the start of the daemon 0.2 s. */
export const loadSdk = () => import("@modelcontextprotocol/client");

/** How much of what an authorization server says is shown. */
const MAX_SHOWN_CHARS = 300;

/** A refused token request: what it means for the tokens it was made with. */
type TokenFault =
  /** They are worth nothing any more (RFC 6749, 5.2). */
  | "grant"
  /** The client is not known any more, or its secret is wrong. */
  | "client"
  /** The request is not what the server takes; it will not be later. */
  | "request"
  /** For the moment, as far as can be told. */
  | "passing";

const FAULTS: ReadonlyMap<string, TokenFault> = new Map(Object.entries(
  {
    invalid_grant: "grant",
    invalid_client: "client",
    unauthorized_client: "client",
    unsupported_grant_type: "request",
    invalid_request: "request",
    invalid_scope: "request",
    invalid_target: "request",
    access_denied: "request",
  } as const,
));

/** What it means that a token request failed with `thrown`. */
export function tokenFault(thrown: unknown): TokenFault {
  const code = thrown instanceof Error ? (thrown as { code?: unknown }).code : undefined;
  return (typeof code === "string" ? FAULTS.get(code) : undefined) ?? "passing";
}

/**
 * What went wrong with an authorization server, in words of ours and a bounded part of its own. What it may have repeated
 * of a request is not shown: `secrets` and whatever is registered as one.
 */
export function sayWhy(thrown: unknown, secrets: readonly (string | undefined)[] = []): string {
  let text = ownWords(thrown);
  for (const secret of secrets) {
    if (secret !== undefined && secret.length > 3) {
      text = text.replaceAll(secret, "[secret]").replaceAll(encodeURIComponent(secret), "[secret]");
    }
  }
  return clip(visible(redact(text), 4 * MAX_SHOWN_CHARS), MAX_SHOWN_CHARS);
}

function ownWords(thrown: unknown): string {
  if (thrown instanceof AuthServerError) return thrown.message;
  const { name, code, kind, message, cause, error } = (thrown ?? {}) as Record<string, unknown>;
  if (name === "IssuerMismatchError" && kind === "metadata") {
    return "its metadata is of another issuer, as of a server that takes the place of another";
  }
  // What came with a response of another issuer is not shown (RFC 9207, 2.4).
  if (name === "IssuerMismatchError") {
    return "the answer is of another issuer than was asked, and is not used";
  }
  if (name === "RegistrationRejectedError") {
    return `its authorization server refused to register EXAI: ${rejection(thrown)}`;
  }
  if (code === "server_error" && /Raw body/.test(String(message))) {
    const status = /^HTTP (\d+)/.exec(String(message))?.[1];
    return `its authorization server answered with ${
      status === undefined ? "" : `HTTP status ${status} and `
    }something that is not OAuth`;
  }
  // Of oauth4webapi, whose codes are not those of OAuth: an error that was answered, or an answer that is none.
  if (code === "OAUTH_RESPONSE_BODY_ERROR") return `its authorization server answered ${error}`;
  if (cause instanceof Response) {
    return `its authorization server answered with HTTP status ${cause.status} and something that is not OAuth`;
  }
  if (typeof code === "string") return `its authorization server answered ${code}: ${message}`;
  if (name === "SyntaxError" || name === "ZodError" || name === "$ZodError") {
    return "its authorization server answered with something that is not OAuth";
  }
  return messageOf(thrown);
}

function rejection(thrown: unknown): string {
  const { status, body } = thrown as { status: number; body: string };
  try {
    const { error, error_description: why } = JSON.parse(body);
    return `${error}${why === undefined ? "" : `: ${why}`}`;
  } catch {
    return `HTTP status ${status}`;
  }
}
