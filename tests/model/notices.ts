import type { JsonObject } from "../../lib/base/json.ts";
import { LOG_LEVELS, type LogLevel } from "../../lib/wire/mcp.ts";
import type { RequestId } from "../../lib/wire/rpc.ts";
import { type Sent, taskBegunBy } from "./sent.ts";
import type { ModelServer } from "./server.ts";

/** What the daemon may tell a window in its own name. */
const OWN_WORDS = [/^server "s\d": the subscription to \S+ is lost: .+; subscribe again$/];

/**
 * How often a new process, or another that a window is led to, may be a reason to tell it that a resource it is
 * subscribed to may have changed: it may be subscribed there on its way and once more when it has come.
 */
const PER_PROCESS = 2;
/** A window that asks for a list again may be given the old one, and is told once more. */
const PER_CHANGE = 2;
/** What is shown first, before anything is known of a place, may be what another place shows: once for each server. */
export const PER_PLACE = 4;

/** What a notice needs to know of the window it comes to. */
export interface Addressed {
  readonly name: string;
  readonly level: LogLevel | undefined;
  readonly sent: readonly Sent[];
  /** Whether it was asked `id` at any time. */
  wasAsked(id: RequestId): boolean;
}

/**
 * What one window is told beside answers: nothing without a cause. Each has a cause that the model knows, and comes at
 * most as often as there were causes.
 */
export class Notices {
  readonly faults: string[] = [];
  /** How often it was told of an update, by URI. */
  readonly updates = new Map<string, number>();
  /** How often it was told that a list has changed, by method. */
  readonly changes = new Map<string, number>();
  /** The levels of the log lines it got, by the call they are about. */
  readonly lines = new Map<string, string[]>();
  /** Its tasks it was told are over, by the call that began them. */
  readonly #tasksOver = new Set<string>();
  /** How often it may be told something still. */
  readonly #causes = new Map<string, number>();
  readonly #window: Addressed;

  constructor(window: Addressed) {
    this.#window = window;
  }

  /** There is a reason, or several, to tell it `what`. */
  #allow(what: string, times: number): void {
    this.#causes.set(what, (this.#causes.get(what) ?? 0) + times);
  }

  updateMayCome({ uri }: ModelServer): void {
    this.#allow(uri, 1);
  }

  /** What it is subscribed to may be subscribed again, on another process. */
  processMayDiffer({ uri }: ModelServer): void {
    this.#allow(uri, PER_PROCESS);
  }

  toolsMayDiffer(times = PER_CHANGE): void {
    this.#allow("notifications/tools/list_changed", times);
  }

  take(method: string, params: JsonObject): void {
    const fault = this.#faultIn(method, params);
    if (fault) this.faults.push(`${this.#window.name} ${fault}: ${method} ${JSON.stringify(params)}`);
  }

  #faultIn(method: string, params: JsonObject): string | undefined {
    switch (method) {
      case "notifications/progress":
        return this.#progressFault(params);
      case "notifications/resources/updated":
        return this.#updateFault(String(params.uri));
      case "notifications/tools/list_changed":
        count(this.changes, method);
        return this.#spend(method) ? undefined : "was told without a cause";
      case "notifications/cancelled":
        return this.#window.wasAsked(params.requestId as RequestId) ? undefined : "was never asked that";
      case "notifications/message":
        return this.#lineFault(params);
      case "notifications/tasks/status":
        return this.#taskFault(params);
      default:
        return "was told what nobody meant for it";
    }
  }

  #spend(what: string): boolean {
    const left = this.#causes.get(what) ?? 0;
    this.#causes.set(what, left - 1);
    return left > 0;
  }

  #updateFault(uri: string): string | undefined {
    count(this.updates, uri);
    return this.#spend(uri) ? undefined : "was told without a cause";
  }

  /** Under the token of the call it is about, in order, and not once that is answered. */
  #progressFault({ progressToken, progress, message }: JsonObject): string | undefined {
    // The daemon's own word, before the server has any.
    if (String(message).startsWith("waits for another window's call")) {
      const waiting = this.#window.sent.find(({ tag }) => progressToken === `token of ${tag}`);
      if (!waiting) return "was told of a wait under a wrong token";
      return waiting.answers.length > 0 || progress !== 0 ? "was told of a wait that is over" : undefined;
    }
    const sent = this.#window.sent.find(({ tag }) => tag === message);
    if (progressToken !== `token of ${message}` || !sent) return "was sent progress under a wrong token";
    if (sent.answers.length > 0) return "was sent progress of what is over";
    if (Number(progress) <= Number(sent.progress.at(-1) ?? 0)) return "was sent progress twice";
    sent.progress.push(Number(progress));
    return undefined;
  }

  /** Of a task of its own, by the name it has for that, and once: it is over then. */
  #taskFault({ taskId, statusMessage: tag }: JsonObject): string | undefined {
    const begun = this.#window.sent.find((sent) => sent.tag === tag);
    if (!begun || this.#tasksOver.has(String(tag))) return "was told of a task without a cause";
    this.#tasksOver.add(String(tag));
    const isAnswered = begun.answers.length > 0 || begun.isCancelled;
    return isAnswered && !begun.isCancelled && taskBegunBy(begun) !== taskId
      ? "was told of its task by another name"
      : undefined;
  }

  #lineFault({ level, data, logger }: JsonObject): string | undefined {
    const wanted = this.#window.level;
    // What it wants now need not be known yet.
    const isUnsure = this.#window.sent.some(({ method, answers }) =>
      method === "logging/setLevel" && answers.length === 0
    );
    const isWanted = wanted === undefined || isUnsure ||
      LOG_LEVELS.indexOf(level as LogLevel) >= LOG_LEVELS.indexOf(wanted);
    if (!isWanted) return `wants ${wanted}`;
    const text = String(data);
    if (logger === "exai") return OWN_WORDS.some((words) => words.test(text)) ? undefined : "was told";
    const isOwn = this.#window.sent.some(({ tag, mode }) => tag === text && mode === "log");
    if (!isOwn) return "has no call of that";
    const before = this.lines.get(text) ?? [];
    if (before.includes(String(level))) return "was sent a line twice";
    this.lines.set(text, [...before, String(level)]);
    return undefined;
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
