import type { Json, JsonObject } from "../base/json.ts";
import type { Era } from "../wire/client_claim.ts";
import type { Implementation, LogLevel } from "../wire/mcp.ts";
import type { Params, RawObject } from "../wire/raw_object.ts";
import { jsonId, type RequestId, type Result } from "../wire/rpc.ts";
import type { Belonging, Identity, Owner } from "./owner.ts";
import type { Parking } from "./parking.ts";
import type { ServerTrouble } from "./server_trouble.ts";
import type { CallTrace } from "./trace.ts";

/** The session on whose behalf a call runs, as far as targets may know it. */
export interface Caller {
  /** Session id; of a caller of the modern era, its own within a session. */
  readonly id: string;
  /** The session it is a part of, by id; undefined: it is one by itself. `sessionIdOf` reads it. */
  readonly session?: string;
  readonly client: Implementation | undefined;
  /** Default: `legacy`. A caller of the modern era cannot be asked anything but on behalf of one of its calls. */
  readonly era?: Era;
  /** MCP revision negotiated with the client; undefined for a client that speaks EXAI ops only. */
  readonly revision: string | undefined;
  /** Client capabilities from `initialize`: whether it can sample, elicit, list roots. */
  readonly capabilities: JsonObject;
  /** Working directory of the window, absolute. */
  readonly cwd: string | undefined;
  readonly namedDirs: NamedDirs;
  /** The owner of data stored for it now, as a line of the record of calls. */
  readonly belonging: Belonging;
  /** On whose behalf it is connected; undefined for callers that are not clients. */
  readonly principal?: string;
  /** Least severe level of log messages the client asked for with `logging/setLevel`. */
  readonly logLevel: LogLevel | undefined;
  /** The chain of daemons it is connected through, if any; see `wire/via.ts`. */
  readonly via?: readonly string[];
  /** The window of an editor that it belongs to, with the clients of the window's sub-agents; undefined: not known. */
  readonly window?: { readonly key: string };
  /** The process of this machine that started its shim; undefined: not known. */
  readonly parentPid?: number;
  /** What is wrong with what its window has set, if anything. */
  readonly notice?: ServerTrouble;
  /** The one mounted server the session sees (`/mcp/NAME`); undefined for the merged catalog. */
  readonly server: string | undefined;
  /** Sends the client a notification that belongs to no call; dropped when the client cannot receive any. */
  notify(method: string, params?: Params): void;
  /** Ends a subscription that the client has not ended itself: it gets no more updates of the resource. */
  subscriptionLost?(uri: string): void;
  /**
   * Sends the client a request that belongs to no call: for its roots, or on behalf of one of its tasks.
   *
   * @throws {ExaiError} `CANCELLED` or `TIMEOUT`; the client's own refusal is a `Result` with an error
   */
  ask(method: string, params: Params, options?: AskOptions): Promise<Result>;
  /** The client's roots, in its order; undefined when it has none. Requested once, until they change. */
  roots(): Promise<readonly Root[] | undefined>;
  /** Whether its client has no connection now on which it could get a response; it may come back. */
  readonly isAway?: boolean;
  /** Whether its client has been asked for its roots and has not answered in time. */
  readonly areRootsOverdue?: boolean;
  /** Its identity as an owner of data. May request the roots of the client, once until they change. */
  identity(): Promise<Identity>;
  /**
   * The owner of what is its client's alone, whatever other windows there are in its directory. The same once the client
   * has come back to a later daemon.
   */
  privateOwner(): Promise<Owner>;
}

/** The part of a caller that decides which files and data its calls may see. */
export type Whereabouts = Pick<Caller, "cwd" | "namedDirs" | "roots" | "identity">;

/** A directory or file the client works in (MCP client/roots). */
export interface Root extends JsonObject {
  uri: string;
}

/**
 * What the directories a client names (`cwd` and its roots) are used for. `read`: EXAI's tools read there and mounted
 * servers start there. `start`: mounted servers start there; for HTTP clients, whose directory was not verified by a
 * shim. `none`: not used; for other users of the machine, who would name directories of the daemon's user.
 */
export type NamedDirs = "read" | "start" | "none";

/** What was asked: data that never changes. A policy that changes it makes another call with {@linkcode derive}. */
interface CallData {
  /** MCP method, as `tools/call`. */
  readonly method: string;
  /** Where there is a `body`, parsed from it when first asked for. */
  readonly params: JsonObject;
  /** The params as the text they came in; undefined for those made here. What only passes them on uses this. */
  readonly body?: RawObject;
  /** The name the client knows the tool by, set by the router when it puts the server's own name into `params`. */
  readonly calledName?: string;
  /** The token the caller gave for progress; undefined when it wants none. */
  readonly progressToken: RequestId | undefined;
  /** How long the caller will wait, in milliseconds, if it said so. */
  readonly timeoutMs?: number;
  /** Least severe level of log messages its client wants about it; only of a caller of the modern era. */
  readonly logLevel?: LogLevel;
  /** What its client answers to the questions of the server, and the server's state, of an earlier try. */
  readonly answers?: InputAnswers;
}

/** The part of a repeated request that its server asked for (MCP basic/patterns/mrtr); both as the server knows them. */
export interface InputAnswers {
  readonly inputResponses?: JsonObject;
  readonly requestState?: string;
  /** The server whose state it is; undefined: not known. */
  readonly server?: string;
}

/** For whom a call runs, until when, and the way back to its caller. */
interface CallContext {
  readonly caller: Caller;
  /** Aborted when the caller cancels or its session ends, the call times out, or the daemon stops. */
  readonly signal: AbortSignal;
  /** Aborts `signal`; undefined where others depend on the signal too. */
  readonly abort?: (reason: Error) => void;
  /** When `signal` aborts at the latest, by `monotonicNow`, in milliseconds; set by the time-out policy. */
  readonly deadlineMs?: number;
  /** Set where its request may be answered before it has ended. */
  readonly early?: EarlyAnswer;
  /** Whether it waits for a client that has no request open for it; undefined where the client keeps its request open. */
  readonly parking?: Parking;
  /** What the layers note about the call, for its record; undefined where there is no record. */
  readonly trace?: CallTrace;
  /**
   * Reports that work begins which must not run twice; undefined for a call that may be repeated.
   *
   * @throws {ExaiError} when it must not begin, since it may have been done: `OUTCOME_UNKNOWN`, `OVER_CAPACITY`
   */
  begin?(options?: BeginOptions): void;
  /** Sends the caller a notification that belongs to this call: progress, log messages. */
  notify(method: string, params: Params): void;
  /**
   * Sends the caller's client a request on behalf of this call: sampling, elicitation, roots.
   *
   * @throws {ExaiError} `CANCELLED` or `TIMEOUT`; the client's own refusal is a `Result` with an error
   */
  ask(method: string, params: Params, options?: AskOptions): Promise<Result>;
}

/** The answer to a request whose call goes on. */
export interface EarlyAnswer {
  /** Whether it was given: the client cannot repeat the request, as for a question of its server. */
  readonly isGiven: boolean;
  /**
   * Gives a task, since a server has begun one for the call, or says more of that; undefined for a client that waits for
   * the result itself.
   */
  readonly giveTask?: (hints: TaskHints) => void;
}

/** What a server has said of a task of its own (SEP-2663). */
export interface TaskHints {
  /** When to ask for its state again, in milliseconds. */
  readonly pollIntervalMs?: number;
  readonly statusMessage?: string;
}

/** How soon work may begin that must not run twice. */
export interface BeginOptions {
  /** Whether nothing of it leaves the process before the turn ends, after `writeRecords`. */
  inTurn?: boolean;
}

/** One request to a target: its data and its context. */
export interface Call extends CallData, CallContext {}

export interface AskOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Called for each progress notification of the client about the request. */
  onProgress?: (params: Params) => void;
  /**
   * Set where several calls wait for the answer to the same request: sends it once, and gives all of them the answer.
   */
  once?: (ask: () => Promise<Result>) => Promise<Result>;
}

/** Sends the request by `ask`, or shares the answer of the same request of other calls. */
export function askOnce(options: AskOptions | undefined, ask: () => Promise<Result>): Promise<Result> {
  return options?.once ? options.once(ask) : ask();
}

/** Anything callable: an in-process tool, a mounted server, the whole merged catalog. */
export type Target = (call: Call) => Promise<Result>;

/** Wraps a target with one concern: permits, time-outs, metrics. The first of several is the outermost. */
export type Policy = (next: Target) => Target;

/**
 * `target` behind `policies`, the first outermost.
 *
 * @example
 * ```ts
 * import { type Call, compose, type Policy } from "./call.ts";
 * const order: string[] = [];
 * const note = (name: string): Policy => (next) => (call) => (order.push(name), next(call));
 * await compose(() => Promise.resolve({ result: {} }), [note("record"), note("time-out")])({} as Call);
 * console.assert(order.join() === "record,time-out");
 * ```
 */
export function compose(target: Target, policies: readonly Policy[]): Target {
  return policies.reduceRight((next, policy) => policy(next), target);
}

/** One of the params of a call, without parsing the others. */
export function paramOf(call: Call, name: string): Json | undefined {
  return call.body ? call.body.get(name) : call.params[name];
}

/** `call` with `name`, the server's own, for the name that its client knows. */
export function withOwnName(call: Call, name: string, calledName: string): Call {
  const { body } = call;
  return derive(call, {
    calledName,
    ...(body ? { body: body.with("name", name) } : { params: { ...call.params, name } }),
  });
}

/** A completion with `name`, the server's own, for the name in its reference. */
export function withOwnRef(call: Call, name: string): Call {
  const ref = call.body?.objectAt("ref")?.with("name", name);
  if (call.body && ref) return derive(call, { body: call.body.withText("ref", ref.text) });
  return derive(call, { params: { ...call.params, ref: { ...call.params.ref as JsonObject, name } } });
}

/** A copy of `call` with some of its parts replaced; its methods act on the original. */
export function derive(call: Call, parts: Partial<Call>): Call {
  return new DerivedCall(call, parts);
}

/** Every field of a call: one that is added to `Call` must be copied here too. */
class DerivedCall implements Call {
  readonly method: string;
  readonly body: RawObject | undefined;
  readonly calledName: string | undefined;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly abort: Call["abort"];
  readonly progressToken: RequestId | undefined;
  readonly timeoutMs: number | undefined;
  readonly logLevel: LogLevel | undefined;
  readonly answers: InputAnswers | undefined;
  readonly parking: Parking | undefined;
  readonly early: EarlyAnswer | undefined;
  readonly trace: CallTrace | undefined;
  readonly begin: Call["begin"];
  readonly notify: Call["notify"];
  readonly ask: Call["ask"];
  readonly #deadlineMs: number | undefined;
  readonly #params: () => JsonObject;

  constructor(call: Call, parts: Partial<Call>) {
    this.method = parts.method ?? call.method;
    this.body = parts.params ? undefined : parts.body ?? call.body;
    const { body } = this;
    this.#params = parts.params ? () => parts.params! : body ? () => body.value : () => call.params;
    this.calledName = parts.calledName ?? call.calledName;
    this.caller = parts.caller ?? call.caller;
    this.signal = parts.signal ?? call.signal;
    this.abort = parts.signal || "abort" in parts ? parts.abort : call.abort;
    this.progressToken = "progressToken" in parts ? parts.progressToken : call.progressToken;
    this.timeoutMs = parts.timeoutMs ?? call.timeoutMs;
    this.logLevel = parts.logLevel ?? call.logLevel;
    this.answers = "answers" in parts ? parts.answers : call.answers;
    this.parking = parts.parking ?? call.parking;
    this.#deadlineMs = parts.deadlineMs ?? (call instanceof DerivedCall ? call.#deadlineMs : call.deadlineMs);
    this.early = parts.early ?? call.early;
    this.trace = "trace" in parts ? parts.trace : call.trace;
    this.begin = "begin" in parts ? parts.begin : call.begin;
    this.notify = parts.notify ?? call.notify.bind(call);
    this.ask = parts.ask ?? call.ask.bind(call);
  }

  get params(): JsonObject {
    return this.#params();
  }

  get deadlineMs(): number | undefined {
    return this.#deadlineMs && this.#deadlineMs + (this.parking?.pausedMs ?? 0);
  }
}

/** Progress of a running call (MCP basic/utilities/progress). */
export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

/** Sends a progress notification, if the caller gave a progress token. */
export function reportProgress(call: Call, progress: Progress): void {
  if (call.progressToken === undefined) return;
  call.notify("notifications/progress", { progressToken: jsonId(call.progressToken), ...progress });
}
