import type { JsonObject } from "../base/json.ts";
import type { Implementation, LogLevel } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import type { Belonging, Identity } from "./owner.ts";

/** The session on whose behalf a call runs, as far as a target may know it. */
export interface Caller {
  /** Session id. */
  readonly id: string;
  readonly client: Implementation | undefined;
  /** MCP revision negotiated with the client; undefined for a client that speaks EXAI ops only. */
  readonly revision: string | undefined;
  /** Client capabilities from `initialize`: whether it can sample, elicit, list roots. */
  readonly capabilities: JsonObject;
  /** Working directory of the window, absolute. */
  readonly cwd: string | undefined;
  readonly namedDirs: NamedDirs;
  /** To whom belongs what is kept of it now: a line of the record of calls. */
  readonly belonging: Belonging;
  /** On whose behalf it is connected; left out by callers that are no client's. */
  readonly principal?: string;
  /** Least severe level of log messages the client asked for with `logging/setLevel`. */
  readonly logLevel: LogLevel | undefined;
  /** The daemons by which it comes, of a session of another daemon or of what one has started; see `base/via.ts`. */
  readonly via?: readonly string[];
  /** The one mounted server this session sees, under its own names; undefined for the merged catalog. */
  readonly server: string | undefined;
  /** Sends the client a notification that belongs to no call; dropped when it cannot take any. */
  notify(method: string, params?: JsonObject): void;
  /** A resource it was subscribed to is not told of any more, though it has not unsubscribed. */
  subscriptionLost?(uri: string): void;
  /**
   * Asks the client something outside of any call: its roots, or what a task of its needs.
   *
   * @throws {ExaiError} `CANCELLED` or `TIMEOUT`; the client's own refusal is a `Result` with an error
   */
  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result>;
  /** The client's roots, in its order; undefined when it has none to tell. Asked for once, until they change. */
  roots(): Promise<readonly Root[] | undefined>;
  /** Who it is to those that keep something for it. May ask the client for its roots, once until they change. */
  identity(): Promise<Identity>;
}

/** Who a caller is and where it works, as far as that decides what its calls may see. */
export type Whereabouts = Pick<Caller, "cwd" | "namedDirs" | "roots" | "identity">;

/** A directory or file the client works in (MCP client/roots). */
export interface Root extends JsonObject {
  uri: string;
}

/**
 * What the directories a client names, `cwd` and its roots, are good for: `read`, our tools read there, and mounted
 * servers start there; `start`, the latter only, for clients of HTTP, whose directory no program of ours has vouched
 * for; `none`, for other users of the machine, who name the directories of the owner.
 */
export type NamedDirs = "read" | "start" | "none";

/** One request on its way to a target. */
export interface Call {
  /** MCP method, as `tools/call`. */
  readonly method: string;
  readonly params: JsonObject;
  readonly caller: Caller;
  /** Aborted when the caller cancels or vanishes, the call times out, or the daemon stops. */
  readonly signal: AbortSignal;
  /** The token the caller gave for progress; undefined when it wants none. */
  readonly progressToken: string | number | undefined;
  /** How long the caller will wait, in milliseconds, if it said so. */
  readonly timeoutMs?: number;
  /** When `signal` will abort at the latest, by `monotonicNow`, in milliseconds; set by the policy that times calls out. */
  readonly deadlineMs?: number;
  /** What those it passes note about it; undefined where nobody reads it. */
  readonly trace?: CallTrace;
  /** Says that work begins that must not be done twice; undefined where nobody asks about it afterwards. */
  begin?(): void;
  /** Sends the caller a notification that belongs to this call: progress, log messages. */
  notify(method: string, params: JsonObject): void;
  /**
   * Asks the caller's client something on behalf of this call: sampling, elicitation, roots.
   *
   * @throws {ExaiError} `CANCELLED` or `TIMEOUT`; the client's own refusal is a `Result` with an error
   */
  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result>;
}

/** What is found out about a call on its way. */
export interface CallTrace {
  /** The server it was led to; undefined while it is not known. */
  server?: string;
  /** What it waits for now, the latest last; written by `beginWait`. */
  waits?: Wait[];
  /** What else is worth knowing of it while it runs. */
  note?: string;
}

/** Something a call waits for before it can go on. */
export interface Wait {
  /** Since when, by `performance.now`, in milliseconds. */
  readonly sinceMs: number;
  /** What it waits for now, as "a permit of server "files" (7 before it)". */
  what(): string;
}

export interface AskOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Called for each progress notification the client sends about what it was asked. */
  onProgress?: (params: JsonObject) => void;
  /**
   * Set where several calls wait for the answer to one question: whoever would ask the client hands its asking over,
   * and gets the answer that all of them get. The client is asked once.
   */
  once?: (ask: () => Promise<Result>) => Promise<Result>;
}

/** Asks by `ask`, or shares the answer where the question is that of other calls, too. */
export function askOnce(options: AskOptions | undefined, ask: () => Promise<Result>): Promise<Result> {
  return options?.once ? options.once(ask) : ask();
}

/** Anything callable: an in-process tool, a mounted server, the whole merged catalog. */
export type Target = (call: Call) => Promise<Result>;

/** Wraps a target with one concern: permits, time-outs, metrics. */
export type Policy = (next: Target) => Target;

/** `target` behind `policies`, the first outermost. */
export function compose(target: Target, policies: readonly Policy[]): Target {
  return policies.reduceRight((next, policy) => policy(next), target);
}

/** `call` with some of its parts replaced; the methods keep working on the original. */
export function derive(call: Call, parts: Partial<Call>): Call {
  return {
    method: parts.method ?? call.method,
    params: parts.params ?? call.params,
    caller: parts.caller ?? call.caller,
    signal: parts.signal ?? call.signal,
    progressToken: "progressToken" in parts ? parts.progressToken : call.progressToken,
    timeoutMs: parts.timeoutMs ?? call.timeoutMs,
    deadlineMs: parts.deadlineMs ?? call.deadlineMs,
    trace: call.trace,
    begin: "begin" in parts ? parts.begin : call.begin,
    notify: parts.notify ?? call.notify.bind(call),
    ask: parts.ask ?? call.ask.bind(call),
  };
}

/** One step of a running call, for the caller to show. */
export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

/** Tells the caller how far its call has come, if it asked to know (MCP basic/utilities/progress). */
export function reportProgress(call: Call, progress: Progress): void {
  if (call.progressToken === undefined) return;
  call.notify("notifications/progress", { progressToken: call.progressToken, ...progress });
}
