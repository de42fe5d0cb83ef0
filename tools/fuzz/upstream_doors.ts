import { fromFileUrl } from "@std/path";
import { seeded } from "../lib/random.ts";
import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { BrokenServer, type Plan } from "./broken_server.ts";
import { type Door, parse, until, Violation } from "./door.ts";
import type { Random } from "./frames.ts";
import { openDaemon } from "./network_doors.ts";

/** A call without an answer ends after this; each batch waits so long for its last. */
const CALL_TIMEOUT_MS = 2000;
/** So many that the time is not spent with waiting. */
const BATCH_FRAMES = 4000;
const WITHOUT_ANSWER = 0.05;
const MAX_FRAMES = 12;
const AT_ONCE = 300;
/** A stream that is cut takes the answers of other calls along. */
const MAX_VAIN = 0.1;
const MIN_VAIN = 3;
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
          await callAll(daemon.url, calls).finally(() => server.plans.clear());
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
        await callAll(daemon.url, calls);
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

/** Makes all calls from one session: each must have exactly one answer, whatever the server says. */
async function callAll(url: string, calls: readonly SpoiltCall[]): Promise<void> {
  const socket = new WebSocket(url);
  const answers = new Map<Json, number>();
  const said = new Map<Json, string>();
  const closed = Promise.withResolvers<void>();
  let fault: string | undefined;
  let sendNext = () => {};
  socket.onclose = ({ code, reason }) => {
    fault ??= `the caller was cut off: ${code} ${reason}`;
    closed.resolve();
  };
  const greeted = Promise.withResolvers<void>();
  socket.onopen = () => socket.send(JSON.stringify({ op: "hello", client: "fuzz" }));
  socket.onmessage = ({ data }) => {
    const message = parse(data);
    if (!isObject(message)) {
      return void (fault ??= `the caller got what is no message: ${data.slice(0, 200)}`);
    }
    if (message.op === "hello_ack") return greeted.resolve();
    if (message.jsonrpc === undefined || message.method !== undefined) return;
    answers.set(message.id!, (answers.get(message.id!) ?? 0) + 1);
    sendNext();
    said.set(message.id!, JSON.stringify(message.error ?? message.result ?? null));
  };
  await greeted.promise;
  let sent = 0;
  sendNext = () => {
    if (sent >= calls.length) return;
    const id = sent++;
    const params = { name: "spoilt", arguments: calls[id]!.args };
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }));
  };
  for (let n = 0; n < AT_ONCE; n++) sendNext();
  const done = () => answers.size >= calls.length || fault !== undefined;
  // As long as some are answered it is only slow.
  for (let before = -1; !done() && answers.size > before;) {
    before = answers.size;
    await until(done);
  }
  if (fault !== undefined) throw new Violation(fault);
  calls.forEach(({ plan }, id) => {
    const count = answers.get(id) ?? 0;
    if (count !== 1) throw new Violation(`a call answered with ${describe(plan)} had ${count} answers`);
  });
  checkRight(calls, said);
  for (const id of answers.keys()) {
    if (typeof id !== "number" || id >= calls.length) {
      throw new Violation(`an answer to ${JSON.stringify(id)}`);
    }
  }
  fault = "over";
  socket.close();
  await closed.promise;
}

/** @throws {Violation} when more answers than chance and a busy machine explain did not arrive */
function checkRight(calls: readonly SpoiltCall[], said: ReadonlyMap<Json, string>): void {
  const plain = calls.map(({ plan }, id) => ({ plan, answer: said.get(id) ?? "" })).filter(({ plan }) =>
    isPlain(plan)
  );
  const vain = plain.filter(({ answer }) => IN_VAIN.test(answer));
  if (vain.length <= Math.max(MIN_VAIN, plain.length * MAX_VAIN)) return;
  const { plan, answer } = vain[0]!;
  const some = `${vain.length} of ${plain.length} right answers did not arrive`;
  throw new Violation(`${some}; the one among ${describe(plan)} was ${answer.slice(0, 300)}`);
}

/** Whether a client must find the right answer: it is there, it came whole, and nothing beside it looks like an answer. */
function isPlain({ frames, at, intact }: Plan): boolean {
  return at !== undefined && intact === true && frames.every((frame) => !/result|error/.test(frame));
}

function describe({ frames, at, how = "lines" }: Plan): string {
  return `${JSON.stringify(frames).slice(0, 400)} and the right answer at ${at ?? "no place"} (${how})`;
}
