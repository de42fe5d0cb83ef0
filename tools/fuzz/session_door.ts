import { Permits } from "../../lib/admission/permits.ts";
import { admitted, freeOnAbort, withTimeout } from "../../lib/admission/policies.ts";
import { ProcessAdmission } from "../../lib/admission/process_admission.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { type Call, reportProgress } from "../../lib/call/call.ts";
import { type ListKind, LISTS, type Server } from "../../lib/call/server.ts";
import { Router } from "../../lib/router/router.ts";
import { Challenge } from "../../lib/edge/challenge.ts";
import { attachExai, type AttachHooks, attachMcp } from "../../lib/session/hello.ts";
import { SessionRegistry } from "../../lib/session/registry.ts";
import type { ChannelEnd, FrameChannel } from "../../lib/transport/channel.ts";
import { textResult } from "../../lib/wire/mcp.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { type Door, Expected, type OpenDoor, parse, until, Violation } from "./door.ts";
import type { Random } from "./frames.ts";

const MAX_FRAME_BYTES = 1024 * 1024;
const LAST_ID = "the last ping";
/** A bystander calls beside every so manyeth frame. */
const BYSTANDER_EVERY = 50;

function callOf(id: string): string {
  const params = { name: "echo", arguments: { text: id } };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
}

/** The daemon's sessions, router and policies, without sockets: nothing but the frames takes time. */
export const SESSION_DOOR: Door = {
  name: "session",
  share: 0.9,
  open: () => Promise.resolve(new SessionDoor()),
};

class SessionDoor implements OpenDoor {
  readonly #router = routerOf();
  readonly #registry = new SessionRegistry({
    resumeWindowMs: 0,
    idleMs: 0,
    maxFrameBytes: MAX_FRAME_BYTES,
    // As the daemon does: what the router keeps of a session goes with it.
    onEnd: (session) => this.#router.detach(session),
  });
  readonly #hooks: AttachHooks = hooksFor(this.#registry, this.#router);
  readonly #bystander = new MemoryChannel(() => 1, { opsToo: true });

  constructor() {
    attachExai(this.#bystander, this.#hooks);
    this.#bystander.deliver(JSON.stringify({ op: "hello", client: "bystander" }), { lines: false });
  }

  async batch(frames: readonly string[], random: Random): Promise<void> {
    const mcpOnly = random() < 0.2;
    const channel = new MemoryChannel(random, { opsToo: !mcpOnly });
    if (mcpOnly) attachMcp(channel, this.#hooks);
    else this.#greet(channel, frames, random() < 0.3);
    const lines = !mcpOnly && channel.lines;
    this.#bystander.expected.clear();
    frames.forEach((frame, n) => {
      channel.deliver(frame, { lines });
      if (n % BYSTANDER_EVERY === 0) this.#bystander.deliver(callOf(`bystander ${n}`), { lines: false });
    });
    channel.deliver(JSON.stringify({ jsonrpc: "2.0", id: LAST_ID, method: "ping" }), { lines });
    if (!await until(() => channel.expected.isMet)) channel.expected.check();
    channel.expected.check();
    await this.#checkBystander();
    if (channel.endedBy) throw new Violation(`the session was ended: ${channel.endedBy}`);
    channel.hangUp();
    if (this.#registry.size !== 1) throw new Violation(`${this.#registry.size - 1} sessions are left`);
  }

  /** Each of its calls was answered once, and nothing else came to it. */
  async #checkBystander(): Promise<void> {
    const { expected, frameCount } = this.#bystander;
    await until(() => expected.isMet);
    expected.check();
    const unasked = this.#bystander.unasked;
    if (unasked > 0) {
      throw new Violation(`${unasked} of ${frameCount} messages came to the bystander unasked`);
    }
    if (this.#bystander.endedBy) throw new Violation(`the bystander was ended: ${this.#bystander.endedBy}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#registry[Symbol.dispose]();
    return Promise.resolve();
  }

  // First, connections with a broken first frame: each is rejected or accepted, never lost.
  #greet(channel: MemoryChannel, frames: readonly string[], lines: boolean): void {
    for (const frame of frames.slice(0, 20)) {
      const stranger = new MemoryChannel(() => 1, { opsToo: true });
      attachExai(stranger, this.#hooks);
      stranger.deliver(frame, { lines: false });
      if (!stranger.endedBy && stranger.frameCount === 0) throw new Violation("a first frame had no answer");
      stranger.hangUp();
    }
    attachExai(channel, this.#hooks);
    channel.lines = lines;
    channel.deliver(JSON.stringify({ op: "hello", lines, nudge: lines }), { lines: false });
  }
}

/** The client's end and the connection in one. */
class MemoryChannel implements FrameChannel {
  onframe?: (text: string) => void;
  onbadframe?: (reason: string) => void;
  onclose?: (end: ChannelEnd) => void;
  readonly queuedBytes = 0;
  bytesIn = 0;
  bytesOut = 0;
  lines = false;
  frameCount = 0;
  /** Requests and notifications that came. */
  unasked = 0;
  endedBy: string | undefined;
  readonly expected: Expected;
  readonly #random: Random;

  constructor(random: Random, options: { opsToo: boolean }) {
    this.#random = random;
    this.expected = new Expected(options);
  }

  /** As if the client had sent `text`. */
  deliver(text: string, { lines }: { lines: boolean }): void {
    // Joined messages stand each on its line.
    const messages = lines ? text.split("\n").filter((line) => line.trim() !== "") : [text];
    for (const message of messages) this.expected.sent(parse(message));
    this.bytesIn += text.length;
    this.onframe?.(text);
  }

  send(text: string): void {
    this.bytesOut += text.length;
    for (const line of this.lines ? text.split("\n") : [text]) this.#take(line);
  }

  close(code: number, reason: string): void {
    this.endedBy = `${code} ${reason}`;
    this.hangUp(code);
  }

  hangUp(code = 1000): void {
    const { onclose } = this;
    this.onclose = undefined;
    onclose?.({ code, wasClean: true });
  }

  #take(text: string): void {
    this.frameCount++;
    const message = parse(text) as JsonObject | undefined;
    if (message === undefined) throw new Violation(`the daemon sent what is no JSON: ${text}`);
    if (message.jsonrpc === undefined) return;
    if (message.method !== undefined) this.unasked++;
    if (message.method === undefined) this.expected.got(message.id);
    else if (message.id !== undefined) this.#answer(message);
  }

  // What the daemon asks is answered, sometimes with nonsense first.
  #answer({ id }: JsonObject): void {
    const reply = (rest: JsonObject) =>
      queueMicrotask(() => this.onframe?.(JSON.stringify({ jsonrpc: "2.0", id, ...rest })));
    if (this.#random() < 0.3) reply({ result: 1 });
    if (this.#random() < 0.3) reply({ error: { code: 1, message: "no" } });
    reply({ result: { action: "decline" } });
  }
}

const TOOLS = ["echo", "throws", "steps", "asks"].map((name) => ({ name, inputSchema: { type: "object" } }));

/** A server whose tools do what makes a session work: answer, throw, report progress, ask. */
const FIXTURE: Server = {
  name: "fixture",
  describe: () =>
    Promise.resolve({
      protocolVersion: "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "fixture", version: "1" },
    }),
  list: (kind: ListKind) => Promise.resolve(kind === "tools" ? TOOLS : []),
  target: run,
};

function routerOf(): Router {
  const permits = new Permits({ perKey: 8, total: 24, queueMax: 256 });
  const admission = new ProcessAdmission({ name: "fuzz", permits, queueMax: 256 });
  return new Router({
    servers: () => [FIXTURE],
    serverInfo: { name: "fuzz", version: "1" },
    policies: [],
    policiesFor: () => [withTimeout(60_000), admitted(admission)],
    queryPoliciesFor: () => [withTimeout(60_000), freeOnAbort()],
    listDeadlineMs: 5000,
  });
}

function hooksFor(registry: SessionRegistry, router: Router): AttachHooks {
  return {
    registry,
    target: router.target,
    helloTimeoutMs: 60_000,
    daemon: { version: "1", pid: 1 },
    limits: { max_bytes: MAX_FRAME_BYTES, session_max_inflight: 8, call_timeout_ms: 60_000 },
    challenge: (asked) => new Challenge([], asked),
    command: () => Promise.resolve(Response.json({})),
    daemonId: "fuzzed",
    authenticate: () => true,
    health: () => Promise.resolve({}),
    rotateToken: () => Promise.resolve(false),
    onNotification: (session, method, params) => router.notify(session, method, params),
  };
}

async function run(call: Call): Promise<Result> {
  for (const [kind, { method, field }] of Object.entries(LISTS)) {
    if (method === call.method) {
      return { result: { [field]: await FIXTURE.list(kind as ListKind, call) as JsonObject[] } };
    }
  }
  const { name } = call.params;
  if (name === "throws") throw new Error("the tool fell over");
  if (name === "steps") {
    for (let progress = 1; progress <= 3; progress++) {
      reportProgress(call, { progress, message: "on the way" });
      await Promise.resolve();
    }
  }
  if (name === "asks") {
    await call.ask("elicitation/create", { message: "?", requestedSchema: { type: "object" } }, call);
  }
  return { result: textResult(JSON.stringify(call.params.arguments ?? null)) };
}
