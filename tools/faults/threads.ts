import { delay } from "@std/async/delay";
import { isObject, type JsonObject } from "../../lib/base/json.ts";
import type { Rig } from "../load/rig.ts";
import type { LoadWindow } from "../load/window.ts";
import { CommandRun } from "./command_run.ts";

/** A thread of the tool `planner` as its owner knows it. */
export interface KnownThread {
  id: string;
  /** What was written to it and confirmed, in order. */
  confirmed: string[];
  /** What was sent last and had no clear answer: it may be there or not. */
  doubtful?: string;
  /** `asked`: it may be gone. `done`: it must be. */
  deletion?: "asked" | "done";
}

/** A thread as `threads export --json` shows it. */
export interface ExportedThread {
  id: string;
  exchanges: readonly { request: { step?: string } }[];
}

/** Exchanges after which another thread is begun; there is a limit to those of one thread. */
const MAX_STEPS = 12;
const PAUSE_MS = 30;
const LAST_ANSWER_MS = 5000;

/** Keeps threads growing through a window of its own, and holds what the product shows of them against what it confirmed. */
export class ThreadKeeper implements AsyncDisposable {
  readonly #rig: Rig;
  readonly #window: LoadWindow;
  readonly #threads: KnownThread[] = [];
  readonly #random: () => number;
  readonly #growing: Promise<void>;
  /** Resolves with an answer that says nothing, for a call that is not answered at the end. */
  readonly #cut = Promise.withResolvers<JsonObject>();
  #labels = 0;
  #stopped = false;
  #checks = 0;

  constructor(rig: Rig, window: LoadWindow, random: () => number) {
    this.#rig = rig;
    this.#window = window;
    this.#random = random;
    this.#growing = this.#keepGrowing();
  }

  /** Threads and exchanges that were confirmed, and how often they were looked at. */
  get summary(): string {
    const exchanges = this.#threads.reduce((sum, { confirmed }) => sum + confirmed.length, 0);
    return `${this.#threads.length} threads with ${exchanges} exchanges, exported and compared ${this.#checks} times`;
  }

  find(id: string): KnownThread | undefined {
    return this.#threads.find((thread) => thread.id === id);
  }

  /** A thread to show or to delete, never the same: the first of them goes on, the last are those that grow. */
  any(what: "show" | "delete"): KnownThread | undefined {
    const live = this.#threads.filter(({ deletion }) => deletion === undefined);
    const half = live.length >> 1;
    const from = what === "delete" ? live.slice(0, half) : live.slice(half);
    return half === 0 ? undefined : from[Math.floor(this.#random() * from.length)];
  }

  /** What is wrong with what `threads export --json` shows, one line each. */
  async check(): Promise<string[]> {
    await using run = new CommandRun(this.#rig, ["threads", "export", "--json"]);
    const before = this.snapshot();
    const ended = await run.within();
    if (!ended) return ["threads export does not end"];
    if (!ended.succeeded) return [`threads export ${ended.how}: ${ended.stderr.trim().slice(0, 200)}`];
    return this.compare(before, ended.stdout);
  }

  /** A copy of what is known, to be compared with what is exported from now on. */
  snapshot(): KnownThread[] {
    return structuredClone(this.#threads);
  }

  /** Compares what was exported after `before` was taken. */
  compare(before: readonly KnownThread[], text: string): string[] {
    this.#checks++;
    let exported: ExportedThread[];
    try {
      exported = JSON.parse(text);
    } catch {
      return [`threads export gave what is no JSON: ${text.slice(0, 200)}`];
    }
    return judgeThreads({ before, after: this.#threads }, exported);
  }

  /** Waits until what grows has been answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    const timer = setTimeout(() => this.#cut.resolve({}), LAST_ANSWER_MS);
    await this.#growing;
    clearTimeout(timer);
  }

  async #keepGrowing(): Promise<void> {
    let thread: KnownThread | undefined;
    while (!this.#stopped) {
      thread = await this.#grow(thread);
      await delay(PAUSE_MS);
    }
  }

  /** One more step; gives the thread to go on with, undefined when that is to be a new one. */
  async #grow(thread: KnownThread | undefined): Promise<KnownThread | undefined> {
    const step = `step ${this.#labels++}`;
    if (thread) thread.doubtful = step;
    const n = (thread?.confirmed.length ?? 0) + 1;
    const args = { step, step_number: n, total_steps: 50, next_step_required: true };
    const id = await this.#call({ ...args, ...(thread ? { continuation_id: thread.id } : {}) });
    if (this.#stopped && id === undefined) return undefined;
    // What became of a step without a clear answer is not known, and so not where its thread goes on.
    if (id === undefined) return undefined;
    if (thread) thread.confirmed.push(step);
    else this.#threads.push(thread = { id, confirmed: [step] });
    delete thread.doubtful;
    const goesOn = n < MAX_STEPS && this.#random() > 0.1 && thread.deletion === undefined;
    return goesOn ? thread : undefined;
  }

  async #call(args: JsonObject): Promise<string | undefined> {
    const asked = this.#window.ask("tools/call", { name: "planner", arguments: args });
    const { result } = await Promise.race([asked, this.#cut.promise]);
    const content = isObject(result) ? result.structuredContent : undefined;
    const offer = isObject(content) ? content.continuation_offer : undefined;
    return isObject(offer) ? String(offer.continuation_id) : undefined;
  }
}

/**
 * What is wrong with `exported`, one line each.
 *
 * @param known the threads before the export began and after it ended
 */
export function judgeThreads(
  known: { before: readonly KnownThread[]; after: readonly KnownThread[] },
  exported: readonly ExportedThread[],
): string[] {
  const shown = new Map(
    exported.map(({ id, exchanges }) => [id, exchanges.map(({ request }) => request.step)]),
  );
  const later = new Map(known.after.map((thread) => [thread.id, thread]));
  const faults: string[] = [];
  if (shown.size !== exported.length) faults.push("a thread is shown twice");
  for (const { id, confirmed, deletion } of known.before) {
    const now = later.get(id)!;
    const steps = shown.get(id);
    if (deletion === "done" && steps) faults.push(`thread ${id} was deleted and is there again`);
    if (now.deletion !== undefined) continue;
    if (!steps) faults.push(`thread ${id} of ${confirmed.length} exchanges is lost`);
    else faults.push(...judgeSteps({ ...now, confirmed }, steps, now.confirmed));
  }
  return faults;
}

function judgeSteps(
  { id, confirmed, doubtful }: KnownThread,
  steps: readonly (string | undefined)[],
  allowed: readonly string[],
): string[] {
  const faults: string[] = [];
  const count = new Map<string | undefined, number>();
  for (const step of steps) count.set(step, (count.get(step) ?? 0) + 1);
  for (const [step, times] of count) {
    if (times > 1) faults.push(`thread ${id} holds ${step} ${times} times`);
    if (step === undefined || (!allowed.includes(step) && step !== doubtful)) {
      faults.push(`thread ${id} holds ${step}, which is not its own`);
    }
  }
  const missing = confirmed.filter((step) => !count.has(step));
  if (missing.length > 0) faults.push(`thread ${id} has lost ${missing.join(", ")}`);
  const kept = steps.filter((step) => confirmed.includes(step!));
  if (missing.length === 0 && kept.some((step, i) => step !== confirmed[i])) {
    faults.push(`thread ${id} has its exchanges in another order`);
  }
  return faults;
}
