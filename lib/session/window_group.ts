import { addressBytes, isLoopback } from "../base/ip_address.ts";
import type { Hello } from "../wire/ops.ts";
import { SOCKET_ENDPOINT } from "../wire/proof.ts";

/** The window of an editor or agent that several clients belong to: its own and those of its sub-agents. */
export interface WindowGroup {
  /** Equal for the clients of one window. */
  readonly key: string;
  /** For people: the process that started the clients, or the name they were given. */
  readonly label: string;
}

/**
 * The window of the client of `hello`; undefined for one that says nothing of it. Clients that one process of this
 * machine has started belong to one window, and so do those with one name in `EXAI_WINDOW`. One process may have several
 * windows all the same, so nothing of one user is shared by this alone.
 *
 * @param at on whose behalf the client connects, and the address or socket it came to
 */
function windowGroupOf(
  { window }: Pick<Hello, "window">,
  at: { principal: string; endpoint: string },
): WindowGroup | undefined {
  if (!window) return undefined;
  const { id, pid, started } = window;
  if (id) return namedWindow(id, at.principal);
  // The ids of processes on another machine mean nothing here.
  if (pid === undefined || !isHere(at.endpoint)) return undefined;
  return { key: JSON.stringify([at.principal, "process", pid, started ?? null]), label: String(pid) };
}

/** The window that clients of `principal` name `name`. */
export function namedWindow(name: string, principal: string): WindowGroup {
  return { key: JSON.stringify([principal, "name", name]), label: name };
}

/** How a client was started, as far as it is known: its window, its process on this machine, and what started that. */
interface ClientStart {
  window: WindowGroup | undefined;
  pid: number | undefined;
  parentPid: number | undefined;
}

/** What `hello` says of how its client was started. */
export function startOf(
  hello: Pick<Hello, "window" | "pid">,
  at: { principal: string; endpoint: string },
): ClientStart {
  const { pid, parentPid } = isHere(at.endpoint) ? { pid: hello.pid, parentPid: hello.window?.pid } : {};
  return { window: windowGroupOf(hello, at), pid, parentPid };
}

/** How many windows `sessions` belong to; one that belongs to none counts as a window of its own. */
export function countWindows(
  sessions: Iterable<{ readonly id: string; readonly window: WindowGroup | undefined }>,
): number {
  return new Set(Array.from(sessions, ({ id, window }) => window?.key ?? id)).size;
}

function isHere(endpoint: string): boolean {
  if (endpoint === SOCKET_ENDPOINT) return true;
  const address = addressBytes((URL.parse(endpoint)?.hostname ?? "").replaceAll(/[[\]]/g, ""));
  return address !== undefined && isLoopback(address);
}
