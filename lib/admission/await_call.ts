import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { plainValue } from "../base/plain_values.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { type Call, type Progress, reportProgress } from "../call/call.ts";
import { beginWait, whereaboutsOf } from "../call/wait.ts";
import type { ListKind, Server } from "../call/server.ts";
import { LATEST_REVISION, textResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { AWAIT_CALL, type DetachedCall, type DetachedCalls, progressText } from "./detached_calls.ts";

/** The name of the server of {@linkcode AWAIT_CALL}. */
export const CALLS_SERVER = "exai_calls";

const DEFAULT_WAIT_MS = 30 * SECOND_MS;
const MAX_WAIT_MS = 10 * MINUTE_MS;

const TOOL = {
  name: AWAIT_CALL,
  title: "Wait for a call",
  description:
    "Waits for a call that was still running when its answer was due, and gives its result. Takes the " +
    "handle from that answer. When it is still running after wait_ms it says so: call again.",
  inputSchema: {
    type: "object",
    properties: {
      handle: { type: "string", description: "The handle the answer gave" },
      wait_ms: {
        type: "integer",
        minimum: 0,
        maximum: MAX_WAIT_MS,
        default: DEFAULT_WAIT_MS,
        description: "How long to wait, in milliseconds; less than your own limit for one call",
      },
      cancel: { type: "boolean", default: false, description: "Stop the call in place of waiting for it" },
    },
    required: ["handle"],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
} satisfies JsonObject;

/** The server of the tool {@linkcode AWAIT_CALL}; in the catalog when calls may be detached. */
export class AwaitServer implements Server {
  readonly name = CALLS_SERVER;
  readonly #calls: DetachedCalls;

  constructor(calls: DetachedCalls) {
    this.#calls = calls;
  }

  readonly target = async (call: Call): Promise<Result> => {
    if (call.method === "tools/list") return { result: { tools: [TOOL] } };
    if (call.method !== "tools/call") {
      throw new ExaiError("METHOD_NOT_FOUND", `this server has no method ${call.method}`);
    }
    const { handle, waitMs, cancel } = readArguments((call.params.arguments ?? {}) as JsonObject);
    const found = await this.#calls.get(whereaboutsOf(call), handle);
    if (cancel) found.cancel(new ExaiError("CANCELLED", `the call was stopped by ${AWAIT_CALL}`));
    const outcome = await waitFor(found, call, waitMs);
    if (outcome) return outcome;
    const seconds = (Date.now() - found.startedAtMs) / SECOND_MS;
    const text =
      `${found.tool} is still running after ${seconds.toFixed(1)} s. ${progressText(found.progress)}` +
      `Call ${AWAIT_CALL} again with {"handle": "${handle}"}.`;
    return { result: textResult(text) };
  };

  list(kind: ListKind): Promise<readonly JsonObject[]> {
    return Promise.resolve(kind === "tools" ? [TOOL] : []);
  }

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: LATEST_REVISION, capabilities: { tools: {} }, serverInfo });
  }
}

/** The outcome of `found`, if it arrives within `waitMs`; its progress is reported to `call`. */
async function waitFor(found: DetachedCall, call: Call, waitMs: number): Promise<Result | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const stop = () => resolve(undefined);
  const timer = setTimeout(stop, waitMs);
  call.signal.addEventListener("abort", stop, { once: true });
  using _wait = beginWait(call, () => `the detached call of ${found.tool} to end`);
  const watch = (progress: Progress) => reportProgress(call, progress);
  if (!found.isOver) found.watchers.add(watch);
  try {
    return await Promise.race([found.outcome, late]);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", stop);
    found.watchers.delete(watch);
  }
}

function readArguments({ handle, wait_ms, cancel: givenCancel }: JsonObject) {
  const waitMs = typeof wait_ms === "string" ? plainValue(wait_ms, "number") : wait_ms ?? DEFAULT_WAIT_MS;
  const cancel = typeof givenCancel === "string" ? plainValue(givenCancel, "boolean") : givenCancel ?? false;
  if (typeof handle !== "string") {
    throw new ExaiError("INVALID_PARAMS", "handle must be the text that stands in the answer of the call");
  }
  if (!Number.isInteger(waitMs) || Number(waitMs) < 0 || Number(waitMs) > MAX_WAIT_MS) {
    throw new ExaiError("INVALID_PARAMS", `wait_ms must be a whole number from 0 to ${MAX_WAIT_MS}`);
  }
  if (typeof cancel !== "boolean") throw new ExaiError("INVALID_PARAMS", "cancel must be true or false");
  return { handle, waitMs: Number(waitMs), cancel };
}
