import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { plainValue } from "../base/plain_values.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import { whereaboutsOf } from "../call/wait.ts";
import type { ListKind, Server } from "../call/server.ts";
import { LATEST_REVISION, textResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { AWAIT_CALL, type DetachedCalls, resultWithin } from "./detached_calls.ts";
import { progressText, secondsSince } from "./handle_result.ts";

/** The name of the server of {@linkcode AWAIT_CALL}. */
export const CALLS_SERVER = "exai_calls";

const DEFAULT_WAIT_MS = 30 * SECOND_MS;
const MAX_WAIT_MS = 10 * MINUTE_MS;

const TOOL = {
  name: AWAIT_CALL,
  title: "Wait for a call",
  description: "Waits for a call that was still running, and gives its result. Still running: call again.",
  inputSchema: {
    type: "object",
    properties: {
      handle: { type: "string", description: "from that answer" },
      wait_ms: { type: "integer", description: "less than your limit for one call" },
      cancel: { type: "boolean", description: "stop the call instead" },
    },
    required: ["handle"],
    additionalProperties: false,
  },
  annotations: { destructiveHint: false, idempotentHint: true, openWorldHint: false },
} satisfies JsonObject;

/** The server of the tool {@linkcode AWAIT_CALL}, which is offered to callers whose calls may be detached. */
export class AwaitServer implements Server {
  readonly name = CALLS_SERVER;
  readonly #calls: DetachedCalls;
  readonly #isOfferedTo: (caller: Caller) => boolean;

  constructor(calls: DetachedCalls, isOfferedTo: (caller: Caller) => boolean) {
    this.#calls = calls;
    this.#isOfferedTo = isOfferedTo;
  }

  readonly target = async (call: Call): Promise<Result> => {
    if (call.method === "tools/list") return { result: { tools: await this.list("tools", call) } };
    if (call.method !== "tools/call") {
      throw new ExaiError("METHOD_NOT_FOUND", `this server has no method ${call.method}`);
    }
    const { handle, waitMs, cancel } = readArguments((call.params.arguments ?? {}) as JsonObject);
    const found = await this.#calls.get(whereaboutsOf(call), handle);
    if (cancel) found.cancel(new ExaiError("CANCELLED", `the call was stopped by ${AWAIT_CALL}`));
    const outcome = await resultWithin(found, call, waitMs);
    if (outcome) {
      if (!call.signal.aborted) found.release?.();
      return outcome;
    }
    const text =
      `${found.tool} is still running after ${secondsSince(found.startedAtMs)}. ${
        progressText(found.progress)
      }` +
      `Call ${AWAIT_CALL} again with {"handle": "${handle}"}.`;
    return { result: textResult(text) };
  };

  list(kind: ListKind, { caller }: Pick<Call, "caller">): Promise<JsonObject[]> {
    return Promise.resolve(kind === "tools" && this.#isOfferedTo(caller) ? [TOOL] : []);
  }

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: LATEST_REVISION, capabilities: { tools: {} }, serverInfo });
  }
}

function readArguments(args: JsonObject) {
  const { handle } = args;
  const waitMs = given(args.wait_ms, "number") ?? DEFAULT_WAIT_MS;
  const cancel = given(args.cancel, "boolean") ?? false;
  if (typeof handle !== "string") {
    throw new ExaiError("INVALID_PARAMS", "handle must be the text that stands in the answer of the call");
  }
  if (!Number.isInteger(waitMs) || Number(waitMs) < 0 || Number(waitMs) > MAX_WAIT_MS) {
    throw new ExaiError("INVALID_PARAMS", `wait_ms must be a whole number from 0 to ${MAX_WAIT_MS}`);
  }
  if (typeof cancel !== "boolean") throw new ExaiError("INVALID_PARAMS", "cancel must be true or false");
  return { handle, waitMs: Number(waitMs), cancel };
}

/** What an optional argument plainly means, as EXAI's own tools take theirs; undefined if it is left out. */
function given(value: Json | undefined, type: "number" | "boolean"): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== "string") return value;
  if (value.trim() === "") return undefined;
  return plainValue(value, type) ?? value;
}
