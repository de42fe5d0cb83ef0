import { withDeadline } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";
import type { NamedKind } from "./name_store.ts";
import { isQualifiedBy } from "./names.ts";

/** Unavailable servers named in one message. */
const MAX_MISSING = 5;

/** Shown as the wait of a call that waits for several servers. */
export const ALL_LISTS = "the servers' lists";

/** Why a list is missing. */
export interface MissingReason {
  /** As a phrase. */
  why: string;
  /** Whether the phrase names the server already. */
  namesServer?: boolean;
  /** The stable name of the reason, where its error has one. */
  reason?: string;
}

/** A server whose list is missing in a merged list. */
export interface Missing extends MissingReason {
  server: Server;
  /** Settles when its list arrives or fails; undefined when it is not pending. */
  coming?: Promise<unknown>;
  /** Since when the session awaits it, if it is pending, on the monotonic clock. */
  sinceMs?: number;
}

/** Shown as the wait of a call that needs the list of `server`. */
export function waitOf(server: Server, kind: ListKind, caller: Caller): string {
  return server.waitOf?.(caller) ?? `server "${server.name}" to list its ${kind}`;
}

/** The servers that `name` is of where it is a `server__name`; usually one, or none. */
export function serversNamed(servers: readonly Server[], name: string): readonly Server[] {
  return servers.filter((server) => isQualifiedBy(server.name, name));
}

/** How long a call may wait for a server to list: no longer than that may take to start, or the call at all. */
export function limitOf(server: Server, call: Call): number {
  return Math.min(server.startTimeoutMs ?? MINUTE_MS, call.timeoutMs ?? Infinity);
}

/** The reason that `thrown` gives; errors of mounted servers name their server. */
export function reasonOf(thrown: unknown): MissingReason {
  const namesServer = thrown instanceof ExaiError && thrown.details?.server !== undefined;
  const reason = thrown instanceof ExaiError ? thrown.details?.reason : undefined;
  return { why: messageOf(thrown), namesServer, reason: typeof reason === "string" ? reason : undefined };
}

/** What a server had to say about a name: whether its list may have it now, and why it has not, where that is known. */
export interface NameReport {
  server: Server;
  isNews: boolean;
  reason?: MissingReason;
}

/**
 * How waiting for a late list has ended. Unless the server is named, the time its session has awaited it already counts:
 * a server that never lists delays a name that nobody has once, and not each time.
 */
export async function outcomeOf(
  { server, coming, sinceMs }: Missing,
  call: Call,
  { isNamed }: { isNamed: boolean },
): Promise<NameReport> {
  const limitMs = limitOf(server, call);
  const waitedMs = isNamed || sinceMs === undefined ? 0 : monotonicNow() - sinceMs;
  const timeoutMs = Math.max(0, limitMs - waitedMs);
  try {
    await withDeadline(coming!, { timeoutMs });
    return { server, isNews: true, reason: { why: "its list arrived, but no longer has this name" } };
  } catch (thrown) {
    const isLate = thrown instanceof DOMException && thrown.name === "TimeoutError";
    const why = `its list was waited for ${limitMs / SECOND_MS} s and has not come`;
    return { server, isNews: false, reason: isLate ? { why } : reasonOf(thrown) };
  }
}

/** The error for a name of the configured server that `trouble` says is not mounted. */
export function unmountedServer(
  kind: NamedKind,
  name: string,
  { trouble, alike = [] }: { trouble: ServerTrouble; alike?: readonly string[] },
): ExaiError {
  const why = `the ${what(kind, name)} is one of a server that is not mounted: ${describeTrouble(trouble)}`;
  const others = alike.length === 0 ? "" : `; ${alikeAre(alike)}`;
  return new ExaiError("UPSTREAM_UNAVAILABLE", `${why}${others}`, { details: { server: trouble.server } });
}

/**
 * The error for an unknown name, which lists the servers that could not be asked.
 *
 * @param options `alike`: the names under which servers offer one of this name
 */
export function unknownName(
  kind: NamedKind,
  name: string,
  { missing, advice, alike }: { missing: readonly Missing[]; advice: string; alike: readonly string[] },
): ExaiError {
  const code = kind === "tools" ? "TOOL_NOT_FOUND" : "INVALID_PARAMS";
  if (alike.length > 0) {
    return new ExaiError(code, `there is no ${what(kind, name)}; ${alikeAre(alike)}; ${advice}`);
  }
  if (missing.length === 0) return new ExaiError(code, `there is no ${what(kind, name)}; ${advice}`);
  const reasons = missing.slice(0, MAX_MISSING).map(({ server, why, namesServer }) =>
    namesServer ? why : `server "${server.name}": ${why}`
  );
  if (missing.length > MAX_MISSING) reasons.push(`and ${missing.length - MAX_MISSING} more servers`);
  return new ExaiError(
    code,
    `no server that answers has the ${what(kind, name)}, and these could not be asked for theirs: ${
      reasons.join("; ")
    }`,
    {
      details: {
        missing: missing.slice(0, MAX_MISSING).map(({ server, reason }) => ({ server: server.name, reason })),
      },
    },
  );
}

function what(kind: NamedKind, name: string): string {
  return `${kind === "tools" ? "tool" : "prompt"} ${quoteName(name)}`;
}

function alikeAre(names: readonly string[]): string {
  return names.length === 1
    ? `another server has one of this name: it is ${names[0]} now`
    : `several servers have one: it is ${names.join(" or ")} now`;
}
