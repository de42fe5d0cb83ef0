import { fromFileUrl } from "@std/path";
import { seeded } from "../lib/random.ts";
import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { BrokenServer, type Plan } from "./broken_server.ts";
import { type Door, parse, Violation } from "./door.ts";
import type { Random } from "./frames.ts";
import { openDaemon } from "./network_doors.ts";

/** No call of a batch lasts so long, however slow the machine: one that ends by this limit was forgotten. */
const CALL_TIMEOUT_MS = 120_000;
/** A call whose server gives no answer ends by its own limit. */
const NO_ANSWER_TIMEOUT_MS = 2000;
/**
 * What has not moved for so long, and for so many turns of the event loop, hangs: daemon, client and server behind a URL
 * share the loop, so a machine that gives them no time counts as no turns.
 */
const QUIET_MS = 3000;
const QUIET_TURNS = 300;
/** A process has its own share of the machine. */
const PROCESS_QUIET_MS = 20_000;
/** So many that the time is not spent with waiting. */
const BATCH_FRAMES = 4000;
const WITHOUT_ANSWER = 0.05;
const MAX_FRAMES = 12;
const AT_ONCE = 300;
/** Codes of a call whose answer did not arrive. Another answer may come from a frame that is one, by its id. */
const IN_VAIN = /TIMEOUT|UNAVAILABLE|OUTCOME_UNKNOWN/;

const urlDoor = (name: string, kind: "http" | "sse"): Door => ({
  name,
  share: 0.01,
  batchFrames: BATCH_FRAMES,
  async open(onfault) {
    const server = new BrokenServer();
    const url = server.url + (kind === "http" ? "/mcp" : "/sse");
    const spoilt = { type: kind, url, callTimeoutMs: CALL_TIMEOUT_MS };
    const door = await openDaemon({ onfault, servers: { spoilt } }, (daemon) => {
      let lastPlan = 0;
      return {
        async batch(frames, random) {
          const plans = plansOf(frames, random);
          const numbered = plans.map((plan) => [++lastPlan, plan] as const);
          for (const [n, plan] of numbered) server.plans.set(n, plan);
          const calls = numbered.map(([n, plan]) => ({ plan, args: { plan: n } }));
          const judged = { mustEnd: kind === "http", moved: () => server.sentCount, quietMs: QUIET_MS };
          await callAll(daemon.url, calls, judged).finally(() => server.plans.clear());
        },
      };
    });
    return {
      ...door,
      async [Symbol.asyncDispose]() {
        await door[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
});

/** A mounted server behind a URL, Streamable HTTP: events, bodies, compression and framing. */
export const UPSTREAM_HTTP_DOOR = urlDoor("upstream-http", "http");

/** A mounted server behind a URL, the older transport: all answers on one stream of events. */
export const UPSTREAM_SSE_DOOR = urlDoor("upstream-sse", "sse");

/** A mounted server that is a process. */
export const UPSTREAM_STDIO_DOOR: Door = {
  name: "upstream-stdio",
  share: 0.01,
  batchFrames: BATCH_FRAMES,
  open(onfault) {
    const program = fromFileUrl(new URL("spoilt_server.ts", import.meta.url));
    const cache = Deno.env.get("DENO_DIR");
    const spoilt = {
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", program],
      env: cache ? { DENO_DIR: cache } : {},
      share: "machine",
      callTimeoutMs: CALL_TIMEOUT_MS,
    };
    return openDaemon({ onfault, servers: { spoilt } }, (daemon) => ({
      async batch(frames, random) {
        const calls = plansOf(frames, random).map((plan) => ({
          plan: { ...plan, intact: true },
          args: { frames: [...plan.frames], at: plan.at ?? null },
        }));
        await callAll(daemon.url, calls, { mustEnd: true, moved: () => 0, quietMs: PROCESS_QUIET_MS });
      },
    }));
  },
};

/** The frames in handfuls, each for one call. */
function plansOf(frames: readonly string[], random: Random): Plan[] {
  const plans: Plan[] = [];
  for (let from = 0; from < frames.length;) {
    const some = frames.slice(from, from + 1 + Math.floor(random() * MAX_FRAMES));
    from += some.length;
    const at = random() < WITHOUT_ANSWER ? undefined : Math.floor(random() * (some.length + 1));
    // Of its own: in which order calls arrive is not the same each time.
    plans.push({ frames: some, at, random: seeded(random() * 2 ** 32) });
  }
  return plans;
}

interface SpoiltCall {
  plan: Plan;
  args: JsonObject;
}

interface Judged {
  /** Whether every call ends, the right answer or not; on a stream that all share, one that is not answered waits. */
  mustEnd: boolean;
  /** Something that rises while the server has work. */
  moved(): number;
  quietMs: number;
}

/** Makes all calls from one session: each must have exactly one answer, whatever the server says. */
async function callAll(url: string, calls: readonly SpoiltCall[], judged: Judged): Promise<void> {
  const caller = await SpoiltCaller.join(url, calls);
  await untilQuiet(() => caller.isDone, () => caller.answerCount + judged.moved(), judged.quietMs);
  caller.check(judged);
  await caller.leave();
}

/** Waits until `isDone`, or until nothing has moved for so long that nothing will. */
async function untilQuiet(isDone: () => boolean, moved: () => number, quietMs: number): Promise<void> {
  for (let before = -1; !isDone() && moved() !== before;) {
    before = moved();
    const endMs = performance.now() + quietMs;
    for (let turns = 0; turns < QUIET_TURNS || performance.now() < endMs; turns++) {
      if (isDone() || moved() !== before) break;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Makes the calls, a bounded number at once, and keeps their answers. */
class SpoiltCaller {
  readonly #socket: WebSocket;
  readonly #calls: readonly SpoiltCall[];
  readonly #answers = new Map<Json, string[]>();
  readonly #closed = Promise.withResolvers<void>();
  #sent = 0;
  #fault: string | undefined;

  private constructor(socket: WebSocket, calls: readonly SpoiltCall[]) {
    this.#socket = socket;
    this.#calls = calls;
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => {
      this.#fault ??= `the caller was cut off: ${code} ${reason}`;
      this.#closed.resolve();
    };
    for (let n = 0; n < AT_ONCE; n++) this.#sendNext();
  }

  static async join(url: string, calls: readonly SpoiltCall[]): Promise<SpoiltCaller> {
    const socket = new WebSocket(url);
    const greeted = Promise.withResolvers<void>();
    socket.onopen = () => socket.send(JSON.stringify({ op: "hello", client: "fuzz" }));
    socket.onclose = ({ code }) => greeted.reject(new Violation(`the caller was not let in: ${code}`));
    socket.onmessage = () => greeted.resolve();
    await greeted.promise;
    return new SpoiltCaller(socket, calls);
  }

  get answerCount(): number {
    return this.#answers.size;
  }

  get isDone(): boolean {
    return this.#answers.size >= this.#calls.length || this.#fault !== undefined;
  }

  /** @throws {Violation} */
  check({ mustEnd }: Judged): void {
    if (this.#fault !== undefined) throw new Violation(this.#fault);
    for (const [id, { plan }] of this.#calls.entries()) {
      const answers = this.#answers.get(id) ?? [];
      const isRight = isPlain(plan);
      const mayWait = !mustEnd && !isRight && plan.at !== undefined;
      if (answers.length > 1 || (answers.length === 0 && !mayWait)) {
        throw new Violation(`a call answered with ${describe(plan)} had ${answers.length} answers`);
      }
      if (isRight && IN_VAIN.test(answers[0]!)) {
        const answer = answers[0]!.slice(0, 300);
        throw new Violation(`a right answer did not arrive; the one among ${describe(plan)} was ${answer}`);
      }
    }
    for (const id of this.#answers.keys()) {
      if (typeof id === "number" && id < this.#calls.length) continue;
      throw new Violation(`an answer to ${JSON.stringify(id)}`);
    }
  }

  async leave(): Promise<void> {
    this.#fault = "over";
    this.#socket.close();
    await this.#closed.promise;
  }

  #take(data: string): void {
    const message = parse(data);
    if (!isObject(message)) {
      return void (this.#fault ??= `the caller got what is no message: ${data.slice(0, 200)}`);
    }
    if (message.op !== "call_tool_res" && message.op !== "error") return;
    const id = message.request_id!;
    const before = this.#answers.get(id);
    if (before) return void before.push(data);
    const call = this.#calls[Number(id)];
    if (call) call.plan.isAnswered = true;
    this.#answers.set(id, [JSON.stringify(message.error ?? message.result ?? message.message ?? null)]);
    this.#sendNext();
  }

  #sendNext(): void {
    if (this.#sent >= this.#calls.length) return;
    const id = this.#sent++;
    const { plan, args } = this.#calls[id]!;
    const limit = plan.at === undefined ? { timeout_ms: NO_ANSWER_TIMEOUT_MS } : {};
    const call = { op: "call_tool", request_id: id, name: "spoilt", arguments: args, ...limit };
    this.#socket.send(JSON.stringify(call));
  }
}

/** Whether a client must find the right answer: it is there, it came whole, and nothing beside it looks like an answer. */
function isPlain({ frames, at, intact }: Plan): boolean {
  return at !== undefined && intact === true && frames.every((frame) => !/result|error/.test(frame));
}

function describe({ frames, at, how = "lines" }: Plan): string {
  return `${JSON.stringify(frames).slice(0, 400)} and the right answer at ${at ?? "no place"} (${how})`;
}
