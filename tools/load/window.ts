import { deadline } from "@std/async/deadline";
import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { type Command, Spawned } from "../lib/spawned.ts";
import type { Account, CounterTool, Outcome } from "./tally.ts";

const START_MS = 30_000;
const REVISION = "2025-06-18";

/** A call that waits for its answer. */
interface Waiting {
  label: string;
  /** What the answer must say. */
  text: string;
  /** The how-manyeth call of its window. */
  n: number;
  resolve(outcome: Outcome): void;
}

export interface CallOptions {
  tool: CounterTool;
  /** How long the tool works. */
  delayMs?: number;
  /** Text asked for in the answer. */
  bytes?: number;
  /** Text sent along. */
  padding?: string;
}

/** A window of an editor: a real shim, and a client that calls the counter through it and accounts for each answer. */
export class LoadWindow implements AsyncDisposable {
  readonly name: string;
  readonly #child: Spawned;
  readonly #tally: Account;
  readonly #waiting = new Map<Json, Waiting>();
  readonly #others = new Map<Json, (message: JsonObject) => void>();
  readonly #watchers: { after: number; resolve(): void }[] = [];
  /** Refusals without an id that are due: one for each id used twice. */
  #refusalsDue: string[] = [];
  #rest = "";
  #calls = 0;
  #asked = 0;
  #ended = false;

  constructor(name: string, command: Command, tally: Account) {
    this.name = name;
    this.#tally = tally;
    this.#child = new Spawned(command);
    this.#child.child.stdout.setEncoding("utf8");
    this.#child.child.stdout.on("data", (text: string) => this.#take(text));
    this.#child.exited.then((how) => {
      if (!this.#ended) tally.wrong(`the shim of ${name} ${how}${this.#child.lastWords}`);
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Calls without an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Says `initialize`. */
  async open(): Promise<void> {
    const clientInfo = { name: this.name, version: "1" };
    const params = { protocolVersion: REVISION, capabilities: {}, clientInfo };
    await deadline(this.ask("initialize", params), START_MS);
    this.#send({ method: "notifications/initialized" });
    // A client lists the tools before it calls one; only so does the shim know which may be called again.
    await deadline(this.ask("tools/list", {}), START_MS);
  }

  /** Sends a request that is not in the account of calls; resolves with the response, and never when there is none. */
  ask(method: string, params: JsonObject): Promise<JsonObject> {
    const id = `own ${this.#asked++} ${method}`;
    const { promise, resolve } = Promise.withResolvers<JsonObject>();
    this.#others.set(id, resolve);
    this.#send({ id, method, params });
    return promise;
  }

  /** Calls the counter; resolves with what the answer says, and never when there is none. */
  call(options: CallOptions): Promise<Outcome> {
    const n = this.#calls++;
    const id = n % 2 ? n : `n${n}`;
    const label = `${this.name}.${n}`;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const text = `ran ${label} ${"x".repeat(options.bytes ?? 0)}`;
    this.#waiting.set(id, { label, text, n, resolve });
    this.#post(id, label, options);
    return promise;
  }

  /** Calls with an id that is in use: a request that must be refused, and must not run. */
  callTwice(options: CallOptions): Promise<Outcome> {
    const first = this.call(options);
    const n = this.#calls - 1;
    const label = `${this.name}.${n}.again`;
    this.#refusalsDue.push(label);
    this.#post(n % 2 ? n : `n${n}`, label, options);
    return first;
  }

  /** Resolves when a call that was made after this moment has run. */
  nextGood(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watchers.push({ after: this.#calls, resolve });
    return promise;
  }

  /** Stops reading stdout, as a client that is busy or stopped does. */
  stopReading(): void {
    this.#child.child.stdout.pause();
  }

  goOnReading(): void {
    this.#child.child.stdout.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#child[Symbol.asyncDispose]();
  }

  #post(id: Json, label: string, { tool, delayMs = 0, bytes = 0, padding }: CallOptions): void {
    this.#tally.begin(label, tool);
    const args = { label, delayMs, bytes, ...(padding ? { padding } : {}) };
    this.#send({ id, method: "tools/call", params: { name: tool, arguments: args } });
  }

  #send(message: JsonObject): void {
    this.#child.child.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#takeLine(line);
  }

  #takeLine(line: string): void {
    const message = parse(line);
    if (!message) return this.#tally.wrong(`${this.name}: no message on stdout: ${line}`);
    if (message.method !== undefined) return;
    const id = message.id ?? null;
    const waiting = this.#waiting.get(id);
    if (!waiting) return this.#takeOther(id, message);
    this.#waiting.delete(id);
    const outcome = outcomeOf(message);
    if (outcome === "ran" && textOf(message) !== waiting.text) {
      this.#tally.wrong(`${waiting.label} was answered with ${textOf(message)}`);
    }
    this.#tally.end(waiting.label, outcome);
    waiting.resolve(outcome);
    if (outcome === "ran") this.#tellWatchers(waiting.n);
  }

  #takeOther(id: Json, message: JsonObject): void {
    const label = id === null ? this.#refusalsDue.shift() : undefined;
    if (label !== undefined) return this.#tally.end(label, outcomeOf(message));
    const other = this.#others.get(id);
    if (!other) {
      return this.#tally.wrong(`${this.name}: nobody waits for ${JSON.stringify(message).slice(0, 200)}`);
    }
    this.#others.delete(id);
    other(message);
  }

  #tellWatchers(n: number): void {
    for (let i = this.#watchers.length; i-- > 0;) {
      if (n >= this.#watchers[i]!.after) this.#watchers.splice(i, 1)[0]!.resolve();
    }
  }
}

function parse(line: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function outcomeOf({ error }: JsonObject): Outcome {
  if (!isObject(error)) return "ran";
  const { data } = error;
  return isObject(data) && typeof data.code === "string" ? data.code : `rpc ${error.code}`;
}

function textOf({ result }: JsonObject): string {
  return String(((result as JsonObject)?.content as JsonObject[] | undefined)?.[0]?.text);
}
