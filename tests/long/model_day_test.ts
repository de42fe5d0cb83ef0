/** A day of a user's work: every tool that asks models, in windows side by side, at providers with all their habits. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import {
  answer,
  cutAfter,
  fail,
  OpenAiServer,
  raw,
  type Recorded,
  say,
  type Script,
} from "../fixtures/openai_server.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { changedRepository } from "../helpers/git_repository.ts";
import { seeded } from "../helpers/random.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";

const WINDOWS = 8;
const CALLS_PER_WINDOW = 25;

/** The silence after which a call is answered with a handle. */
const PATIENCE_MS = 150;

/** One habit of a provider. `billed`: the model ran; `answers`: the user must be given what it wrote. */
interface Habit {
  name: string;
  weight: number;
  billed: boolean;
  answers: boolean;
  script(text: string): Script;
}

const chunk = (delta: JsonObject, more: JsonObject = {}) =>
  JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null, ...more }] });

const HABITS: readonly Habit[] = [
  { name: "well", weight: 12, billed: true, answers: true, script: (text) => say(text) },
  { name: "slow", weight: 2, billed: true, answers: true, script: slow },
  {
    name: "parts",
    weight: 1,
    billed: true,
    answers: true,
    script: (text) =>
      raw(chunk({ content: [{ type: "text", text }] }), chunk({}, { finish_reason: "stop" }), "[DONE]"),
  },
  {
    name: "no finish reason",
    weight: 1,
    billed: true,
    answers: true,
    script: (text) => raw(chunk({ content: text }), "[DONE]"),
  },
  {
    name: "unknown finish reason",
    weight: 1,
    billed: true,
    answers: true,
    script: (text) => say(text, { finishReason: "eos" }),
  },
  {
    name: "thoughts before the text",
    weight: 1,
    billed: true,
    answers: true,
    script: (text) => say(`hm, {"a": 1}\n</think>\n${text}`),
  },
  { name: "cut", weight: 2, billed: true, answers: false, script: (text) => cutAfter(text) },
  {
    name: "cut with an empty finish reason",
    weight: 1,
    billed: true,
    answers: false,
    script: (text) => raw(chunk({ content: text.slice(0, 3) }), chunk({}, { finish_reason: "" })),
  },
  {
    name: "an error within the answer",
    weight: 1,
    billed: true,
    answers: false,
    script: (text) =>
      raw(chunk({ content: text.slice(0, 3) }), '{"error":{"message":"overloaded","code":500}}'),
  },
  { name: "nothing", weight: 1, billed: true, answers: false, script: () => say("") },
  {
    name: "429",
    weight: 2,
    billed: false,
    answers: false,
    script: () => fail(429, { error: { message: "slow down" } }, { "retry-after": "0" }),
  },
  {
    name: "500",
    weight: 2,
    billed: false,
    answers: false,
    script: () => fail(500, { error: { message: "oops" } }),
  },
  {
    name: "a web page",
    weight: 1,
    billed: false,
    answers: false,
    script: () => answer("<html><title>Bad gateway</title></html>", "text/html", 502),
  },
  {
    name: "a refused parameter",
    weight: 1,
    billed: false,
    answers: false,
    script: () =>
      fail(400, {
        error: {
          message: "Unsupported parameter: 'temperature'",
          param: "temperature",
          code: "unsupported_parameter",
        },
      }),
  },
  {
    name: "a key that is refused",
    weight: 1,
    billed: false,
    answers: false,
    script: () => fail(401, { error: { message: "invalid key" } }),
  },
];

function slow(text: string): Script {
  return async (request) => {
    await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS * 3));
    return await say(text)(request);
  };
}

/** What a failed call must tell its user to do. */
const ADVICE =
  /\b(?:try|repeat|name|ask|set|check|wait|raise|lower|shorten|send|put|read|leave|correct|see|use|write|give)\b/i;

/** A provider that picks a habit for each request, and keeps what each question met with. */
class OddProvider implements AsyncDisposable {
  readonly server: OpenAiServer;
  readonly met = new Map<string, Habit[]>();
  readonly #pick: () => Habit;

  constructor(random: () => number) {
    const all = HABITS.flatMap((habit) => Array<Habit>(habit.weight).fill(habit));
    this.#pick = () => all[Math.floor(random() * all.length)]!;
    this.server = new OpenAiServer((request) => this.#answer(request));
  }

  #answer(request: Recorded): Response | Promise<Response> {
    const question = /Q\d+x/g.exec(JSON.stringify(request.body))?.[0];
    if (question === undefined) throw new Error("a request without a question");
    const habit = this.#pick();
    this.met.set(question, [...this.met.get(question) ?? [], habit]);
    return habit.script(`{"answer": "A${question}"}`)(request);
  }

  async [Symbol.asyncDispose]() {
    await this.server[Symbol.asyncDispose]();
  }
}

const lastStep = (question: string, more: JsonObject = {}) => ({
  step: question,
  step_number: 1,
  total_steps: 1,
  next_step_required: false,
  findings: "f",
  relevant_files: ["a.txt"],
  ...more,
});

/** The arguments of a call of each tool that asks `question`. */
const TOOLS: Readonly<Record<string, (question: string) => JsonObject>> = {
  chat: (prompt) => ({ prompt, files: ["a.txt"] }),
  thinkdeep: (question) => lastStep(question),
  analyze: (question) => lastStep(question),
  codereview: (question) => lastStep(question),
  secaudit: (question) => lastStep(question),
  refactor: (question) => lastStep(question),
  testgen: (question) => lastStep(question),
  debug: (question) => lastStep(question),
  precommit: (question) => lastStep(question, { path: "." }),
  consensus: (step) => ({
    step,
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    models: [{ model: "m" }],
  }),
  kimi_chat_with_tools: (content) => ({ messages: [{ role: "user", content }] }),
};

/** Calls a tool, and waits by its handle where the answer is one. */
async function callToEnd(window: RawClient, tool: string, args: JsonObject): Promise<string> {
  let reply = await window.call(tool, args);
  for (;;) {
    const text = reply.error ? JSON.stringify(reply.error) : firstText(reply);
    const handle = /is still running[\s\S]*?(call-[\w-]+)/.exec(text)?.[1];
    if (handle === undefined) return text;
    reply = await window.call("await_call", { handle, wait_ms: 10_000 });
  }
}

Deno.test("a day of 200 calls at odd providers loses no answer, bills none twice, and every failure says what to do", async () => {
  const seed = Number(Deno.env.get("DAY_SEED") ?? 1);
  await using provider = new OddProvider(seeded(seed));
  await using repository = await changedRepository();
  const { url } = provider.server;
  await using it = await testDaemon({
    settings: {
      customUrl: url,
      customModel: "m",
      kimiApiKey: "k",
      kimiUrl: url,
      detachAfterMs: PATIENCE_MS,
      findLocal: false,
    },
  });
  const tools = Object.keys(TOOLS);
  const failures: string[] = [];
  let answered = 0;
  await Promise.all(Array.from({ length: WINDOWS }, async (_, w) => {
    using client = await RawClient.hello(it.url, { cwd: repository.path });
    for (let i = 0; i < CALLS_PER_WINDOW; i++) {
      const number = w * CALLS_PER_WINDOW + i;
      const tool = tools[number % tools.length]!;
      const question = `Q${number}x`;
      const model = tool.startsWith("kimi") || tool === "consensus" ? {} : { model: "m" };
      const text = await callToEnd(client, tool, { ...TOOLS[tool]!(question), ...model });
      const met = provider.met.get(question) ?? [];
      const story = `${tool} ${question} met ${met.map(({ name }) => name).join(", ")}: ${
        text.slice(0, 600)
      }`;
      const answers = [...new Set(text.match(/AQ\d+x/g))];
      if (met.filter(({ billed }) => billed).length > 1) failures.push(`billed twice: ${story}`);
      if (answers.some((one) => one !== `A${question}`)) failures.push(`another's answer: ${story}`);
      if (met.at(-1)?.answers && answers.length === 0) failures.push(`lost: ${story}`);
      if (answers.length > 0 && met.at(-1)?.answers) answered++;
      else if (!ADVICE.test(text)) failures.push(`no advice: ${story}`);
    }
    await client.close();
  }));
  assertEquals(failures, [], `DAY_SEED=${seed}`);
  assert(answered > WINDOWS * CALLS_PER_WINDOW / 3, `only ${answered} were answered`);
  assertMatch(String(provider.met.size), /^(?:1[5-9]\d|200)$/);
});
