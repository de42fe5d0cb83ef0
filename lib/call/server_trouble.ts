import { ExaiError } from "../base/errors.ts";

/** What is wrong with a configured server, for the person at a window or at `ps`. */
export interface ServerTrouble {
  /** The server's name; undefined: the configuration as a whole is at fault. */
  readonly server: string | undefined;
  /** As a phrase. */
  readonly cause: string;
  /** What to do, as a phrase. */
  readonly advice: string;
  /** Whether the cause names the server already. */
  readonly namesServer?: boolean;
}

/** A trouble as one sentence: what does not work, why, and what to do. */
export function describeTrouble({ server, cause, advice, namesServer }: ServerTrouble): string {
  if (namesServer) return `${cause}; ${advice}`;
  return `${server === undefined ? "mcp.json" : `server "${server}" does not work`}: ${cause}; ${advice}`;
}

/** A server that may fail. */
interface FailingServer {
  name: string;
  /** Whether it is behind a URL. */
  isRemote: boolean;
}

/** What to do about a server that fails. */
export function adviceOnFailure({ name, isRemote }: FailingServer): string {
  // It is tried again by itself, seconds apart, and has no log file.
  if (isRemote) return "check its url and headers in mcp.json, and that it is up; the next calls try again";
  return `look at logs/server-${name}.log in the state directory, put right what it says, then ` +
    "`exai-daemon reload` lets it start at once";
}

/**
 * Details of errors that say themselves what to do, or have another remedy: a server that rests, a breaker, calls that
 * crash it, the window's own situation, an account that cannot be signed in to.
 */
const SAY_WHAT_TO_DO = ["resting", "breaker", "crashes", "fault", "account"];

/** `thrown`, with what to do where a server has failed and the error does not say it. */
export function withAdvice(thrown: unknown, { name, kind }: { name: string; kind: string }): unknown {
  if (!(thrown instanceof ExaiError) || thrown.code !== "UPSTREAM_UNAVAILABLE") return thrown;
  const { message, retryAfterMs, details } = thrown;
  if (SAY_WHAT_TO_DO.some((key) => details?.[key] !== undefined)) return thrown;
  const advised = `${message}; ${adviceOnFailure({ name, isRemote: kind !== "stdio" })}`;
  return new ExaiError("UPSTREAM_UNAVAILABLE", advised, { cause: thrown, retryAfterMs, details });
}
