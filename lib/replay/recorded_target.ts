import { delay } from "@std/async/delay";
import { abortError } from "../base/abort.ts";
import { ERROR_CODES, type ErrorCode, ExaiError } from "../base/errors.ts";
import { type Json, type JsonObject, parseJson } from "../base/json.ts";
import { sortedJson } from "../base/sorted_json.ts";
import { clip, quoteName } from "../base/text.ts";
import { MIB } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { recordedRequest } from "../admin/call_bodies.ts";
import { type Call, type Target } from "../call/call.ts";
import { neededInput } from "../call/input_requests.ts";
import { CUT, redactedJson } from "../observe/redacted_json.ts";
import { toRpcError } from "../wire/codes.ts";
import { isInputRequired } from "../wire/raw_message.ts";
import { type Implementation, LATEST_REVISION } from "../wire/mcp.ts";
import { jsonId, type Result, type RpcError } from "../wire/rpc.ts";
import { CALL_TOOL, callThrough } from "../router/tool_search.ts";
import { toolOf } from "../observe/call_record.ts";
import { playableCapabilities } from "./capabilities.ts";
import type { RecordedCall, RecordedEvent, RecordedShown } from "./recorded.ts";
import type { Recording } from "./recording.ts";

/** `real`: everything takes as long as it took; 0: nothing waits. */
export type ReplaySpeed = "real" | "0";

const LISTS = /\/list$/;
const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** The longest request that is compared with recorded ones, in UTF-16 code units: as long as a message gets. */
const MAX_REQUEST_CHARS = 64 * MIB;

/** The most of a request that an error shows. */
const MAX_SHOWN_CHARS = 200;

/** Calls of which the same beginning of the request is recorded. */
interface CutCalls {
  method: string;
  tool: string;
  beginning: string;
  calls: RecordedCall[];
}

/**
 * Answers as a recorded session was answered. A call is found by its method and params, as they were recorded; of several
 * equal ones each is played once, in order. A list is repeated when it is asked for more often.
 */
export class RecordedTarget {
  readonly #recording: Recording;
  readonly #speed: ReplaySpeed;
  readonly #calls = new Map<string, RecordedCall[]>();
  readonly #cut: CutCalls[] = [];
  /** Whether a server has a tool of that name: calls through that of EXAI are recorded as those of what they call. */
  readonly #hasOwnCallTool: boolean;
  readonly #shown = new Map<string, RecordedShown[]>();

  constructor(recording: Recording, speed: ReplaySpeed) {
    this.#recording = recording;
    this.#speed = speed;
    for (const call of recording.calls) this.#add(call);
    this.#hasOwnCallTool = recording.calls.some(({ tool }) => tool === CALL_TOOL);
    for (const shown of recording.shown) append(this.#shown, keyOf(shown.method, "", shown.request), shown);
  }

  #add(call: RecordedCall): void {
    const { method, tool = "", request, requestCut } = call;
    if (requestCut === undefined) return append(this.#calls, keyOf(method, tool, request ?? {}), call);
    const beginning = requestCut.endsWith(CUT) ? requestCut.slice(0, -CUT.length) : requestCut;
    const alike = this.#cut.find((cut) =>
      cut.method === method && cut.tool === tool && cut.beginning === beginning
    );
    if (alike) alike.calls.push(call);
    else this.#cut.push({ method, tool, beginning, calls: [call] });
  }

  /** What the recorded server said of itself. */
  get serverInfo(): Implementation {
    const info = this.#initialized?.serverInfo as Implementation | undefined;
    return info ?? { name: "exai-replay", version: VERSION };
  }

  /** Answers one request. Rejects with an `ExaiError` that says what is recorded instead. */
  readonly target: Target = async (call) => {
    switch (call.method) {
      case "initialize":
        return this.#initialize(call);
      case "logging/setLevel":
        return { result: {} };
    }
    if (LISTS.test(call.method) && call.method !== "tasks/list") return this.#list(call);
    const answer = await this.#play(this.#take(call), call);
    // A client of the same era is told what the server needed, and repeats its request.
    return call.caller.era === "modern" ? answer : await this.#goOn(call, answer);
  };

  /** Asks what the server needed to complete `call`, for a client that can be asked only by requests. */
  async #goOn(call: Call, first: Result): Promise<Result> {
    let answer = first;
    while (isInputRequired(answer)) {
      const { capabilities } = call.caller;
      for (
        const { method, params } of neededInput(answer.result!, { capabilities, server: undefined }).questions
      ) {
        await call.ask(method, params);
      }
      answer = await this.#play(this.#take(call), call);
    }
    return answer;
  }

  get #initialized(): JsonObject | undefined {
    return this.#recording.shown.find(({ method }) => method === "initialize")?.result;
  }

  #initialize({ caller }: Call): Result {
    const recorded = this.#initialized;
    return {
      result: {
        ...recorded,
        protocolVersion: caller.revision ?? LATEST_REVISION,
        capabilities: playableCapabilities(recorded?.capabilities, this.#recording),
        serverInfo: this.serverInfo as unknown as Json,
      },
    };
  }

  #list(call: Call): Result {
    const shown = this.#shown.get(keyOf(call.method, "", recordedRequest(call)));
    if (!shown) {
      throw new ExaiError(
        "METHOD_NOT_FOUND",
        `${call.method} was not recorded in ${this.#name} with these params`,
      );
    }
    return { result: (shown.length > 1 ? shown.shift()! : shown[0]!).result };
  }

  /** The recorded call that `call` repeats, which is not played again. */
  #take(call: Call): RecordedCall {
    const through = this.#hasOwnCallTool || toolOf(call) !== CALL_TOOL ? call : callThrough(call);
    const tool = through.method === "tools/call" ? toolOf(through) : "";
    const text = redactedJson(recordedRequest(through), MAX_REQUEST_CHARS);
    const queue = this.#calls.get(keyOf(through.method, tool, parseJson(text) ?? text)) ??
      this.#cut.find((cut) =>
        cut.method === through.method && cut.tool === tool && text.startsWith(cut.beginning)
      )?.calls;
    const recorded = queue?.shift();
    if (recorded) return recorded;
    throw this.#unrecorded({ method: through.method, tool, text, wasPlayed: queue !== undefined });
  }

  #unrecorded(
    { method, tool, text, wasPlayed }: { method: string; tool: string; text: string; wasPlayed: boolean },
  ): ExaiError {
    const what = tool === "" ? method : `a call of ${quoteName(tool)}`;
    if (wasPlayed) {
      const why = `${what} with these params is recorded less often in ${this.#name} than it is made now`;
      return new ExaiError("INVALID_PARAMS", `${why}: ${clip(text, MAX_SHOWN_CHARS)}`);
    }
    const alike = this.#recording.calls.filter((call) =>
      call.method === method && (call.tool ?? "") === tool
    );
    const code = alike.length > 0 ? "INVALID_PARAMS" : tool === "" ? "METHOD_NOT_FOUND" : "TOOL_NOT_FOUND";
    if (alike.length === 0) return new ExaiError(code, `${what} is not recorded in ${this.#name}`);
    const shown = alike.slice(0, 3).map(({ request, requestCut }) =>
      clip(requestCut ?? JSON.stringify(request), MAX_SHOWN_CHARS)
    );
    const why = `${what} is recorded in ${this.#name}, and not with ${clip(text, MAX_SHOWN_CHARS)}`;
    return new ExaiError(code, `${why}; there is ${shown.join(", ")}`);
  }

  get #name(): string {
    return `session ${this.#recording.session}`;
  }

  async #play(recorded: RecordedCall, call: Call): Promise<Result> {
    const beganMs = performance.now();
    for (const event of recorded.events) {
      await this.#wait(beganMs + event.afterMs, call.signal);
      await say(event, call);
    }
    await this.#wait(beganMs + recorded.durationMs, call.signal);
    return answerOf(recorded);
  }

  async #wait(untilMs: number, signal: AbortSignal): Promise<void> {
    const ms = this.#speed === "real" ? untilMs - performance.now() : 0;
    if (ms > 0) await delay(ms, { signal }).catch(() => {});
    if (signal.aborted) throw abortError(signal);
  }
}

/** Says again what was said during a call. What its client answers now makes no difference. */
async function say({ kind, method, params }: RecordedEvent, call: Call): Promise<void> {
  if (kind === "question") return void await call.ask(method, params);
  if (method !== "notifications/progress") return call.notify(method, params);
  if (call.progressToken === undefined) return;
  call.notify(method, { ...params, progressToken: jsonId(call.progressToken) });
}

/** @throws {ExaiError} `CONFIG` where the answer was cut when it was recorded, or is not in the file */
function answerOf(recorded: RecordedCall): Result {
  const { id, outcome, answer, isAnswerCut, message } = recorded;
  if (isAnswerCut) {
    const how = "record it again with a larger EXAI_CALLS_BODY_MAX_BYTES";
    throw new ExaiError("CONFIG", `the answer of call ${id} was cut when it was recorded; ${how}`);
  }
  if (outcome === "ok" || outcome === "tool_error") {
    // An empty result would be taken for what the server has said.
    if (!answer) {
      throw new ExaiError(
        "CONFIG",
        `the answer of call ${id} is not in the file, or no object; export it again`,
      );
    }
    return { result: answer };
  }
  if (isError(answer)) return { error: answer as unknown as RpcError };
  const code = KNOWN_CODES.has(outcome) ? outcome as ErrorCode : "INTERNAL";
  return { error: toRpcError(new ExaiError(code, message ?? "the call failed, and why is not recorded")) };
}

/** Whether it is an error of JSON-RPC: files may have been changed by hand. */
function isError(answer: JsonObject | undefined): boolean {
  return Number.isInteger(answer?.code) && typeof answer?.message === "string";
}

/** Equal for requests that say the same, in whatever order their members are. */
function keyOf(method: string, tool: string, request: Json): string {
  return JSON.stringify([method, tool, sortedJson(request)]);
}

function append<T>(table: Map<string, T[]>, key: string, value: T): void {
  const list = table.get(key);
  if (list) list.push(value);
  else table.set(key, [value]);
}
