// @ts-types="@modelcontextprotocol/sdk/inMemory"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { basename, fromFileUrl } from "@std/path";
import type { Share } from "../../lib/config/server_config.ts";
import { isObject, type JsonObject } from "../../lib/base/json.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import { LOG_LEVELS, type LogLevel } from "../../lib/wire/mcp.ts";
import type { AdmissionFactory } from "../../lib/upstream/process_records.ts";
import { mountedServer } from "../helpers/shared_server.ts";
import { turn } from "./channel.ts";
import { ModelTasks } from "./tasks.ts";

/** The ids of a model run are small. */
type RequestId = string | number;

/** What a call of the one tool every server has makes it do. */
export const MODES = [
  "ok",
  "fail",
  "hold",
  "ask",
  "sample",
  "twice",
  "stray",
  "log",
  "progress",
  "silent",
  "task",
  "heldTask",
] as const;

export type Mode = typeof MODES[number];

export function isTask(mode: Mode): boolean {
  return mode === "task" || mode === "heldTask";
}

/** What a window says in each call: who it is, a text no other call has, where it works, what it wants to see. */
export interface CallArguments extends JsonObject {
  who: string;
  tag: string;
  where: string;
  mode: Mode;
}

export interface ModelServerOptions {
  name: string;
  share: Share;
  callTimeoutMs?: number;
  /** Calls each of its processes may run at once. */
  maxInflight?: number;
  /** Decides when calls may run on each of its processes. */
  admissionFor: AdmissionFactory;
  /** Called when the lists of a process have changed. */
  onListChanged(): void;
}

/** Two directories that are there; nothing is written to them. */
export const WORKSPACES = ["model", "helpers"].map((name) => fromFileUrl(import.meta.resolve(`../${name}`)));

/** What a directory is called in names of tools. */
export function placeOf(directory: string): string {
  return basename(directory);
}

/** What servers are taken to send by themselves, and do. */
export const USUAL_LEVEL = "info";

/** Levels of log lines, and such as windows ask for. */
export const LINE_LEVELS = ["debug", "info", "warning", "error"] as const satisfies LogLevel[];

export function isAtLeast(level: LogLevel, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);
}

export const IDLE_STOP_MS = 30;
/** How long after a call the server may speak of it; five times as long after one that was given up. */
const SETTLE_MS = 200;
/** The process of one window alone does not wait for another to come. */
const NEVER_MS = 3_600_000;
/** A server may take so many turns of the event loop to answer. */
const MAX_TURNS = 4;

/** A server as `mcp.json` would name it: its processes come and go, what it offers stays. */
export class ModelServer {
  readonly name: string;
  readonly share: Share;
  readonly callTimeoutMs: number | undefined;
  readonly uri: string;
  readonly processes: ModelProcess[] = [];
  /** How often each call was run, by its tag. */
  readonly runs = new Map<string, number>();
  /**
   * Calls in which the server can only have asked the one window that ever called that process. No request about a
   * resource, and for a list of tasks, may have come there either: it says of no window, and is a call like any other
   * to who attributes.
   */
  readonly alone = new Set<string>();
  /** The levels of the lines it has logged about each call, by its tag. */
  readonly logged = new Map<string, LogLevel[]>();
  /** The tools it has in a directory only, by that; by nothing where it works in none. */
  readonly #tools = new Map<string, string[]>();
  readonly #mount: ReturnType<typeof mountedServer>;

  constructor({ name, share, callTimeoutMs, maxInflight, admissionFor, onListChanged }: ModelServerOptions) {
    this.name = name;
    this.share = share;
    this.callTimeoutMs = callTimeoutMs;
    this.uri = `model://${name}/resource`;
    const idleStopMs = share === "session" ? NEVER_MS : IDLE_STOP_MS;
    const config = { name, title: name, share, callTimeoutMs, maxInflight, idleStopMs };
    this.#mount = mountedServer(config, (config) => {
      const [ours, theirs] = InMemoryTransport.createLinkedPair();
      this.processes.push(
        new ModelProcess(this, theirs, this.placeIn((config as { cwd?: string }).cwd ?? "nowhere")),
      );
      return Promise.resolve(ours as unknown as UpstreamTransport);
    }, { admissionFor, settleMs: SETTLE_MS, onListChanged });
  }

  get tool(): string {
    return `${this.name}_run`;
  }

  get mounted() {
    return this.#mount.mounted;
  }

  get alive(): ModelProcess[] {
    return this.processes.filter(({ isAlive }) => isAlive);
  }

  /**
   * Which of its places `directory` is. One that serves all windows is in none, and neither is the process of one
   * window: it goes on where it is when that moves.
   */
  placeIn(directory: string): string {
    return this.share === "project" ? placeOf(directory) : "";
  }

  /** What it offers in `place`: one tool is there everywhere, the others are named after the place. */
  toolsIn(place: string): string[] {
    let tools = this.#tools.get(place);
    if (!tools) this.#tools.set(place, tools = [this.tool, `${this.name}_in_${place || "all"}`]);
    return tools;
  }

  /** Its processes in `place` offer one tool more and say so. */
  addTool(place: string): void {
    const tools = this.toolsIn(place);
    tools.push(`${this.name}_extra${tools.length}_${place || "all"}`);
    for (const process of this.aliveIn(place)) process.notify("notifications/tools/list_changed");
  }

  aliveIn(place: string): ModelProcess[] {
    return this.alive.filter((process) => process.place === place);
  }

  /** Says that its resource was updated, wherever somebody subscribed to it. */
  update(): void {
    for (const process of this.alive) {
      if (process.isSubscribed) process.notify("notifications/resources/updated", { uri: this.uri });
    }
  }

  /** Every process in `place` ends at once, as if killed. That it did so before does not keep it from starting again. */
  async kill(place: string): Promise<void> {
    await Promise.all(this.aliveIn(place).map((process) => process.kill()));
    this.mounted.resetBackoff();
  }

  release(): void {
    for (const process of this.alive) process.release();
  }

  /** The process on which the call `tag` has begun a task. */
  processOf(tag: string): ModelProcess | undefined {
    return this.processes.find(({ tasks }) => tasks.find(tag));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mount[Symbol.asyncDispose]();
  }
}

/** One running server. */
export class ModelProcess {
  isAlive = true;
  wasKilled = false;
  readonly tasks = new ModelTasks((status) => this.notify("notifications/tasks/status", status));
  isSubscribed = false;
  /** Where it works. */
  readonly place: string;
  level: LogLevel | undefined;
  /** Who has called it, and from where. */
  readonly callers = new Set<string>();
  readonly places = new Set<string>();
  /** The same, since the test last looked. */
  readonly lastCallers = new Set<string>();
  readonly #server: ModelServer;
  readonly #transport: InMemoryTransport;
  /** Calls whose answers wait for a word of the test. */
  readonly #held = new Map<RequestId, string>();
  readonly #questions = new Map<RequestId, (answer: JsonObject) => void>();
  #wasAskedByOthers = false;
  #nextId = 1;
  #handled = 0;

  constructor(server: ModelServer, transport: InMemoryTransport, place: string) {
    this.#server = server;
    this.place = place;
    this.#transport = transport;
    transport.onmessage = (message) => this.#receive(message as unknown as JsonObject);
    transport.onclose = () => this.isAlive = false;
    void transport.start();
  }

  /** Answers all that was held back, also what was given up meanwhile. */
  release(): void {
    for (const [id, text] of this.#held) this.#answer(id, text);
    this.#held.clear();
    this.tasks.release();
  }

  async kill(): Promise<void> {
    this.wasKilled = true;
    await this.#transport.close();
  }

  notify(method: string, params?: JsonObject): void {
    this.#send({ method, ...(params ? { params } : {}) });
  }

  #send(message: JsonObject): void {
    // Nobody is there any more when it fails.
    this.#transport.send({ jsonrpc: "2.0", ...message } as never).catch(() => {});
  }

  #answer(id: RequestId, text: string): void {
    this.#send({ id, result: { content: [{ type: "text", text }] } });
  }

  #receive(message: JsonObject): void {
    const { id, method, params } = message as { id?: RequestId; method?: string; params?: JsonObject };
    if (method === undefined) {
      this.#questions.get(id!)?.(message);
      this.#questions.delete(id!);
    } else if (id !== undefined) void this.#handle(id, method, params ?? {});
  }

  /** What a request changes is changed in the order of requests; some answers take longer than others. */
  async #handle(id: RequestId, method: string, params: JsonObject): Promise<void> {
    const turns = this.#handled++ % MAX_TURNS;
    // When it comes, not when its turn has come: from here on the server may speak of it.
    if (method === "tools/call") this.callers.add((params.arguments as CallArguments).who);
    if (method.startsWith("tasks/")) {
      if (method === "tasks/list") this.#wasAskedByOthers = true;
      return this.#send({ id, ...await this.tasks.answer(method, params) });
    }
    const result = method === "tools/call" ? undefined : this.#resultOf(method, params);
    for (let i = 0; i <= turns; i++) await turn();
    if (result) this.#send({ id, result });
    else if (!this.#server.toolsIn(this.place).includes(String(params.name))) {
      this.#send({ id, error: { code: -32602, message: `no tool ${params.name} in ${this.place}` } });
    } else await this.#call(id, params.arguments as CallArguments, params._meta as JsonObject | undefined);
  }

  #resultOf(method: string, params: JsonObject): JsonObject {
    const { name, uri } = this.#server;
    switch (method) {
      case "initialize":
        return {
          protocolVersion: "2025-11-25",
          serverInfo: { name, version: "1" },
          capabilities: CAPABILITIES,
        };
      case "tools/list":
        return {
          tools: this.#server.toolsIn(this.place).map((name) => ({
            name,
            inputSchema: { type: "object" },
            execution: { taskSupport: "optional" },
          })),
        };
      case "resources/list":
        return { resources: [{ uri, name }] };
      case "resources/templates/list":
        return { resourceTemplates: [] };
      case "resources/subscribe":
        this.isSubscribed = this.#wasAskedByOthers = true;
        return {};
      case "resources/unsubscribe":
        this.isSubscribed = false;
        this.#wasAskedByOthers = true;
        return {};
      case "logging/setLevel":
        this.level = params.level as LogLevel;
        return {};
      default:
        return {};
    }
  }

  async #call(id: RequestId, args: CallArguments, meta: JsonObject | undefined): Promise<void> {
    const { who, tag, where, mode } = args;
    this.lastCallers.add(who);
    this.#server.runs.set(tag, (this.#server.runs.get(tag) ?? 0) + 1);
    this.places.add(where);
    switch (mode) {
      case "fail":
        return this.#send({ id, error: { code: -32050, message: `failed: ${tag}` } });
      case "hold":
      case "silent":
        this.#held.set(id, tag);
        return;
      case "task":
      case "heldTask":
        return this.#send({ id, result: this.tasks.begin(tag, { isHeld: mode === "heldTask" }) });
      case "ask":
      case "sample":
        return this.#answer(id, await this.#ask(mode, tag).finally(() => this.#noteAlone(tag)));
      case "twice":
        this.#answer(id, tag);
        return this.#answer(id, `again: ${tag}`);
      case "stray":
        this.#sayWhatBelongsToNobody(tag);
        break;
      case "log":
        this.#log(tag);
        break;
      case "progress":
        this.#tellProgress(meta?.progressToken, tag);
        break;
    }
    this.#answer(id, tag);
  }

  #noteAlone(tag: string): void {
    const isCertain = this.#server.share === "session" || !this.#wasAskedByOthers;
    if (isCertain && this.callers.size === 1) this.#server.alone.add(tag);
  }

  /** What the client has said, or that it has said nothing. */
  async #ask(mode: "ask" | "sample", tag: string): Promise<string> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<JsonObject>();
    this.#questions.set(id, resolve);
    if (mode === "ask") {
      const requestedSchema = { type: "object", properties: { name: { type: "string" } } };
      this.#send({ id, method: "elicitation/create", params: { message: tag, requestedSchema } });
    } else {
      const messages = [{ role: "user", content: { type: "text", text: tag } }];
      this.#send({ id, method: "sampling/createMessage", params: { messages, maxTokens: 5 } });
    }
    const { result } = await promise;
    if (!isObject(result) || !isObject(result.content)) return `unanswered: ${tag}`;
    return String(result.content.name ?? result.content.text);
  }

  #sayWhatBelongsToNobody(tag: string): void {
    this.#answer(987_654, tag);
    this.#answer("no such id", tag);
    this.notify("notifications/progress", { progressToken: 987_654, progress: 1, message: tag });
    this.notify("notifications/elicitation/complete", { elicitationId: tag });
    this.notify("notifications/tasks/status", { taskId: tag, status: "working" });
    this.notify("notifications/resources/updated", { uri: `model://${tag}` });
  }

  /** Says one line of each level that is wanted. */
  #log(tag: string): void {
    const levels = LINE_LEVELS.filter((level) => isAtLeast(level, this.level ?? USUAL_LEVEL));
    this.#server.logged.set(tag, levels);
    this.#noteAlone(tag);
    for (const level of levels) this.notify("notifications/message", { level, data: tag });
  }

  #tellProgress(progressToken: unknown, message: string): void {
    if (progressToken === undefined) return;
    for (const progress of [1, 2]) {
      this.notify("notifications/progress", { progressToken: progressToken as RequestId, progress, message });
    }
  }
}

const CAPABILITIES = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
};
