import type { JsonObject } from "../../lib/base/json.ts";
import { attachExai, type AttachHooks } from "../../lib/session/hello.ts";
import type { LogLevel } from "../../lib/wire/mcp.ts";
import { MemoryChannel, turn } from "./channel.ts";
import { Notices, PER_PLACE } from "./notices.ts";
import { type Sent, taskBegunBy } from "./sent.ts";
import { isTask, type Mode, type ModelServer } from "./server.ts";
import { TASK_TTL_MS } from "./tasks.ts";

/** The ids of a model run are small. */
type RequestId = string | number;

export interface WindowOptions {
  name: string;
  workspace: string;
  canBeAsked: boolean;
  /** Whether its person takes time to answer what is asked. */
  isSlow: boolean;
  /** Whether it and the daemon tell each other what has arrived, so that nothing is lost when the connection is cut. */
  receipts: boolean;
}

/** A message that may have to be sent again; `id`: of a request. */
interface Outgoing {
  text: string;
  id?: RequestId;
}

/** The daemon is told of so many messages at once. */
const RECEIPT_MESSAGES = 4;

/** What may be asked about one task. */
export type TaskVerb = "get" | "result" | "cancel";

/** A question that waits for the person. */
interface Question {
  id: RequestId;
  sent: Sent;
  answer: string;
}

/** Names of windows, wherever they stand in a message. */
const WINDOW_NAME = /\bw\d+\b/g;

/** One editor window with what it has sent, what it was told, and every breach of what it was promised. */
export class ModelWindow {
  readonly name: string;
  readonly canBeAsked: boolean;
  readonly isSlow: boolean;
  readonly receipts: boolean;
  workspace: string;
  state: "open" | "cut" | "closed" = "cut";
  level: LogLevel | undefined;
  readonly sent: Sent[] = [];
  readonly faults: string[] = [];
  /** Resources it is subscribed to, as far as it knows. */
  readonly subscribed = new Set<string>();
  /** Those it wanted to give up and was told that it could not. */
  readonly unsure = new Set<string>();
  /** What it was told of servers' own accord. */
  readonly notices: Notices = new Notices(this);
  /** What it was asked and has not answered. */
  questions: Question[] = [];
  readonly #hooks: AttachHooks;
  readonly #byId = new Map<RequestId, Sent>();
  readonly #asked = new Set<RequestId>();
  #channel: MemoryChannel | undefined;
  #session: { id: string; token: string } | undefined;
  /** Sent on this connection, of which the daemon may tell how many have arrived. */
  #out: Outgoing[] = [];
  /** How many messages of the session the daemon had when the first of them went out. */
  #outFrom = 0;
  /** What could not be sent, or has to be sent again. */
  #unsent: Outgoing[] = [];
  /** Requests and notifications it has had in all, and answers on this connection. */
  #posts = 0;
  #answers = 0;
  #count = 0;

  constructor(options: WindowOptions, hooks: AttachHooks) {
    this.name = options.name;
    this.workspace = options.workspace;
    this.canBeAsked = options.canBeAsked;
    this.isSlow = options.isSlow;
    this.receipts = options.receipts;
    this.#hooks = hooks;
    this.notices.toolsMayDiffer(PER_PLACE);
  }

  /** Requests that have no answer yet and are owed one. */
  get pending(): Sent[] {
    return this.sent.filter(({ answers, isCancelled }) => answers.length === 0 && !isCancelled);
  }

  /** Whether it was asked `id` at any time. */
  wasAsked(id: RequestId): boolean {
    return this.#asked.has(id);
  }

  /** Whether an update of `server` may be for it: it is subscribed, or about to be or not to be. */
  mayHearOf({ uri }: ModelServer): boolean {
    if (this.subscribed.has(uri) || this.unsure.has(uri)) return true;
    return this.sent.some(({ method, tag, answers }) =>
      method.startsWith("resources/") && tag === uri && answers.length === 0
    );
  }

  /** Connects for the first time, or comes back after a cut. */
  connect(): void {
    const channel = new MemoryChannel((text) => channel === this.#channel && this.#take(text));
    this.#channel = channel;
    this.state = "open";
    attachExai(channel, this.#hooks);
    const waiting = this.pending.map(({ id }) => id);
    const { receipts } = this;
    const had = receipts ? { posts: this.#posts } : {};
    const resume = this.#session ? { token: this.#session.token, waiting, ...had } : true;
    const session_id = this.#session?.id;
    channel.deliver(JSON.stringify({ op: "hello", session_id, client: this.name, resume, receipts }));
    if (!this.#session) this.faults.push(`${this.name} was not let in`);
    if (waiting.length === 0 && this.sent.length === 0) this.#introduce();
  }

  get isStalled(): boolean {
    return this.#channel!.isStalled;
  }

  /** Its connection lets nothing through for now; what is on its way may be lost only where both ends keep account. */
  stall(): void {
    if (this.receipts) this.#channel!.stall();
  }

  flow(): void {
    this.#channel!.flow();
  }

  cut(passing: { up: number; down: number }): void {
    this.state = "cut";
    for (const sent of this.pending) sent.isWhole = false;
    this.#channel!.cut(passing);
  }

  close(): void {
    if (this.state === "cut") this.connect();
    this.state = "closed";
    this.#channel!.leave();
    for (const sent of this.pending) sent.isCancelled = true;
  }

  /** Sends a request. Ids go 1, "1", 2, "2": a number and a text are two ids. */
  request(method: string, params: JsonObject, about: Partial<Sent> = {}): Sent {
    const number = Math.floor(this.#count / 2) + 1;
    const id = this.#count++ % 2 === 0 ? number : String(number);
    const frame = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const sent: Sent = {
      ...{ id, frame, method, server: undefined, mode: undefined, tag: "" },
      ...{
        sentAtMs: performance.now(),
        answeredAtMs: 0,
        isCancelled: false,
        isCutOff: false,
        answers: [],
        isWhole: true,
        progress: [],
        wanted: this.level ?? "all",
        taskId: undefined,
      },
      ...about,
    };
    this.sent.push(sent);
    this.#byId.set(id, sent);
    this.#send({ text: frame, id });
    return sent;
  }

  call(server: ModelServer, mode: Mode): Sent {
    const tag = `${this.name}-${this.sent.length}`;
    const args = { who: this.name, tag, where: this.workspace, mode };
    // Every other call is of the tool that is only there where the window works.
    const [everywhere, here] = server.toolsIn(this.placeAt(server));
    const name = this.sent.length % 2 === 0 ? everywhere! : here!;
    const params: JsonObject = { name, arguments: args, _meta: { progressToken: `token of ${tag}` } };
    if (isTask(mode)) params.task = { ttl: TASK_TTL_MS };
    return this.request("tools/call", params, { server, mode, tag });
  }

  /** The requests that have begun its tasks. */
  get begun(): Sent[] {
    return this.sent.filter((sent) => taskBegunBy(sent) !== undefined);
  }

  /** Asks about a task, be it its own or not. */
  aboutTask(verb: TaskVerb, taskId: string): Sent {
    const server = this.begun.find((sent) => taskBegunBy(sent) === taskId)?.server;
    return this.request(`tasks/${verb}`, { taskId }, { server, taskId });
  }

  /** Which of the places of `server` it works in. */
  placeAt(server: ModelServer): string {
    return server.placeIn(this.workspace);
  }

  cancel(sent: Sent): void {
    sent.isCancelled = true;
    this.notify("notifications/cancelled", {
      requestId: sent.id as string | number,
      reason: "no longer wanted",
    });
  }

  setLevel(level: LogLevel): void {
    this.level = level;
    for (const sent of this.pending) sent.wanted = undefined;
    this.request("logging/setLevel", { level });
  }

  subscribe(server: ModelServer): void {
    if (this.subscribed.has(server.uri)) return;
    // A window may be given a process of its own once.
    this.notices.processMayDiffer(server);
    this.request("resources/subscribe", { uri: server.uri }, { server, tag: server.uri });
  }

  unsubscribe(server: ModelServer): void {
    this.subscribed.delete(server.uri);
    this.request("resources/unsubscribe", { uri: server.uri }, { server, tag: server.uri });
  }

  /** Works in another directory from now on. */
  moveTo(workspace: string, servers: readonly ModelServer[]): void {
    this.workspace = workspace;
    this.notices.toolsMayDiffer(PER_PLACE);
    for (const server of servers) if (this.mayHearOf(server)) this.notices.processMayDiffer(server);
    this.notify("notifications/roots/list_changed", {});
  }

  notify(method: string, params: JsonObject): void {
    this.#send({ text: JSON.stringify({ jsonrpc: "2.0", method, params }) });
  }

  #introduce(): void {
    const asked = this.canBeAsked ? { elicitation: {}, sampling: {} } : {};
    const capabilities = { roots: { listChanged: true }, ...asked };
    const clientInfo = { name: this.name, version: "1" };
    this.request("initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo });
    this.notify("notifications/initialized", {});
  }

  #take(text: string): void {
    for (const name of new Set(text.match(WINDOW_NAME))) {
      if (name !== this.name) this.faults.push(`${this.name} was sent what is of ${name}: ${text}`);
    }
    const message = JSON.parse(text) as JsonObject & { id?: RequestId; method?: string; params?: JsonObject };
    if (message.op === undefined) this.#noteArrival(message);
    if (message.op === "hello_ack") this.#enter(message);
    else if (message.op !== undefined) this.faults.push(`${this.name} was sent ${text}`);
    else if (message.method === undefined) this.#takeAnswer(message);
    else if (message.id === undefined) this.#takeNotification(message.method, message.params ?? {});
    else this.#takeQuestion(message.id, message.method, message.params ?? {});
  }

  #enter(ack: JsonObject): void {
    if (this.#session && ack.session_id !== this.#session.id) {
      this.faults.push(`${this.name} came back and lost its session`);
    }
    this.#session = { id: String(ack.session_id), token: String(ack.resume_token) };
    if (this.receipts && ack.posts !== this.#posts) {
      this.faults.push(`${this.name} has had ${this.#posts} messages and is sent those after ${ack.posts}`);
    }
    this.#answers = 0;
    // What the daemon has never seen was on its way when the connection was cut.
    const unseen = (ack.unseen ?? []) as RequestId[];
    const received = Number(ack.received ?? 0);
    const again = [...this.#out.splice(0).slice(received - this.#outFrom), ...this.#unsent]
      .filter(({ id }) => id === undefined || unseen.includes(id));
    this.#outFrom = received;
    const rest = unseen.filter((id) => !again.some((one) => one.id === id));
    this.#unsent = [...again, ...rest.map((id) => ({ text: this.#byId.get(id)!.frame, id }))];
    void turn().then(() => this.#channel!.isOpen && this.#unsent.splice(0).forEach((one) => this.#send(one)));
  }

  #send(one: Outgoing): void {
    if (!this.#channel!.isOpen) return void this.#unsent.push(one);
    if (this.receipts) this.#out.push(one);
    this.#channel!.deliver(one.text);
  }

  /** Tells the daemon now and then how many messages have arrived. */
  #noteArrival(message: JsonObject): void {
    if (message.method === undefined) this.#answers++;
    else if (message.method !== "notifications/progress") this.#posts++;
    if (!this.receipts || (this.#answers + this.#posts) % RECEIPT_MESSAGES !== 0) return;
    const receipt = JSON.stringify({ op: "received", answers: this.#answers, posts: this.#posts });
    const channel = this.#channel!;
    void turn().then(() => channel.deliver(receipt));
  }

  #takeAnswer(answer: JsonObject): void {
    const sent = this.#byId.get(answer.id as RequestId);
    if (!sent) {
      return void this.faults.push(
        `${this.name} was answered what it did not ask: ${JSON.stringify(answer)}`,
      );
    }
    sent.answers.push(answer);
    sent.answeredAtMs = performance.now();
    if (sent.method === "resources/subscribe" && answer.error === undefined) this.subscribed.add(sent.tag);
    if (sent.method === "resources/unsubscribe" && answer.error !== undefined) this.unsure.add(sent.tag);
  }

  #takeNotification(method: string, params: JsonObject): void {
    this.notices.take(method, params);
    if (method !== "notifications/cancelled") return;
    this.questions = this.questions.filter(({ id }) => id !== params.requestId);
  }

  #takeQuestion(id: RequestId, method: string, params: JsonObject): void {
    if (this.#asked.has(id)) this.faults.push(`${this.name} was asked ${id} twice`);
    this.#asked.add(id);
    const result = this.#resultOf(method, params);
    if (!result) this.faults.push(`${this.name} was asked ${method}, which it does not offer`);
    const reply = result ? { result } : { error: { code: -32601, message: "not offered" } };
    const answer = JSON.stringify({ jsonrpc: "2.0", id, ...reply });
    const sent = this.sent.find(({ tag }) => tag !== "" && JSON.stringify(params).includes(`"${tag}"`));
    if (sent && this.isSlow) this.questions.push({ id, sent, answer });
    else void turn().then(() => this.#reply(answer));
  }

  /** The person answers all that was asked. */
  answerQuestions(): void {
    for (const { answer } of this.questions.splice(0)) this.#reply(answer);
  }

  #reply(text: string): void {
    this.#send({ text });
  }

  #resultOf(method: string, params: JsonObject): JsonObject | undefined {
    if (method === "ping") return {};
    if (method === "roots/list") return { roots: [{ uri: `file://${this.workspace}` }] };
    if (!this.canBeAsked) return undefined;
    if (method === "elicitation/create") return { action: "accept", content: { name: params.message! } };
    if (method !== "sampling/createMessage") return undefined;
    const [{ content }] = params.messages as [{ content: JsonObject }];
    return { model: "model", role: "assistant", content };
  }
}
