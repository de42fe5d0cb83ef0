import { exactJson, type Json, type JsonObject } from "../base/json.ts";
import { type Call, type Caller, derive, type Policy, type Target } from "../call/call.ts";
import { sessionIdOf } from "../call/owner.ts";
import type { SaidInCall } from "../call/trace.ts";
import type { CallEvent, CallStore, ClientFacts } from "../observe/call_store.ts";
import type { RecordedExchange } from "../observe/call_record.ts";
import { redactedJson } from "../observe/redacted_json.ts";
import { KIB, MIB } from "../base/units.ts";
import { exactError, exactResult } from "../wire/raw_message.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";

/** What is kept of the notifications and questions of one call. */
const MAX_SAID = 256;

/** What clients say of themselves, and of what they can do. */
const MAX_FACTS_CHARS = 64 * KIB;

/** A list that is longer is not kept: one that is cut could not be shown again. */
const MAX_SHOWN_CHARS = 8 * MIB;

/** The requests that show a client what there is. */
const SHOWS: ReadonlySet<string> = new Set([
  "initialize",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "skills/list",
]);

/** The arguments of a tool, or the params of any other request, as they are recorded and as replays compare them. */
export function recordedRequest(
  { method, body, params }: Pick<Call, "method" | "body" | "params">,
): JsonObject {
  const exact = body ? body.exact : params;
  if (method === "tools/call") return (exact.arguments ?? {}) as JsonObject;
  // What belongs to one hop: tokens of progress, traces, what a client says of itself.
  const { _meta, ...rest } = exact;
  return rest;
}

/** The answer of a call as recorded; undefined when it has none. */
export function recordedAnswer(result: Result | undefined, maxChars: number): string | undefined {
  if (result === undefined) return undefined;
  return redactedJson(result.error ? exactError(result) : exactResult(result), maxChars);
}

/** What a client says of itself, as JSON. */
export function clientFacts({ client, era = "legacy", revision, capabilities }: Caller): string {
  const facts = { name: client?.name, version: client?.version, era, revision, capabilities };
  return redactedJson(facts satisfies ClientFacts, MAX_FACTS_CHARS);
}

/** A policy that notes what is said to the client of a call, at most `maxChars` of it, on the call's trace. */
export function recordEvents(maxChars: number): Policy {
  return (next) => (call) => {
    const { trace } = call;
    if (!trace) return next(call);
    const said: SaidInCall[] = trace.said = [];
    let charsLeft = maxChars;
    const add = (kind: SaidInCall["kind"], method: string, params: Params): SaidInCall | undefined => {
      if (said.length >= MAX_SAID || charsLeft <= 0) return undefined;
      const text = redactedJson(params instanceof RawObject ? params.exact : params, charsLeft);
      charsLeft -= text.length;
      const one: SaidInCall = { atMs: performance.now(), kind, method, params: text };
      said.push(one);
      return one;
    };
    return next(derive(call, {
      notify(method, params) {
        add("notification", method, params);
        call.notify(method, params);
      },
      async ask(method, params, options) {
        const one = add("question", method, params);
        const answer = await call.ask(method, params, options);
        if (one && charsLeft > 0) {
          one.answer = redactedJson(answer.error ? { error: answer.error } : exactResult(answer), charsLeft);
          charsLeft -= one.answer.length;
        }
        return answer;
      },
    }));
  };
}

/** What was said during the call, as JSON; undefined: nothing. */
export function recordedEvents(
  { call, durationMs }: RecordedExchange & { durationMs: number },
): string | undefined {
  const said = call.trace?.said;
  if (!said || said.length === 0) return undefined;
  const beganMs = performance.now() - durationMs;
  const events = said.map(({ atMs, kind, method, params, answer }): CallEvent => ({
    after_ms: Math.max(0, Math.round(atMs - beganMs)),
    kind,
    method,
    params: jsonOrText(params),
    ...(answer === undefined ? {} : { answer: jsonOrText(answer) }),
  }));
  return JSON.stringify(events);
}

function jsonOrText(text: string): Json {
  const value = jsonIn(text);
  return value === undefined ? text : value;
}

/** The value of a recorded text with its numbers as they came; undefined for one that was cut. */
export function jsonIn(text: string): Json | undefined {
  try {
    return exactJson(text);
  } catch {
    return undefined;
  }
}

/** `target`, of which is recorded what it shows: capabilities and lists. */
export function recordShown(target: Target, store: CallStore): Target {
  return (call) => SHOWS.has(call.method) ? showRecorded(call, { target, store }) : target(call);
}

async function showRecorded(
  call: Call,
  { target, store }: { target: Target; store: CallStore },
): Promise<Result> {
  const answered = await target(call);
  const { method, caller } = call;
  const { result } = answered;
  if (!result) return answered;
  store.addShown({ session: sessionIdOf(caller), atMs: Date.now(), method }, () => ({
    client: clientFacts(caller),
    // That of `initialize` is what its client says of itself.
    request: method === "initialize" ? "{}" : redactedJson(recordedRequest(call), MAX_FACTS_CHARS),
    answer: redactedJson(exactResult(answered), MAX_SHOWN_CHARS),
  }));
  return answered;
}
