import type { JsonObject } from "../../lib/base/json.ts";
import type { Result, RpcRequest } from "../../lib/wire/rpc.ts";
import { instanceOf, Upstream, type Window } from "./instance.ts";

const DISCOVERED = {
  result: { supportedVersions: ["2026-07-28"], capabilities: { tools: {}, logging: {}, resources: {} } },
};

/** A server of the modern era that the test plays: `answer` for all but `server/discover`. */
export async function modern(answer: (request: RpcRequest) => Result | undefined = () => undefined) {
  const upstream = new Upstream();
  upstream.answer = (request) => request.method === "server/discover" ? DISCOVERED : answer(request);
  const found: unknown[] = [];
  const it = await instanceOf({
    upstream,
    era: { is: "remembered", era: "modern" },
    onEra: (era) => void found.push(era),
  });
  return { ...it, found };
}

/** A call of `window`. */
export const callOf = (window: Window, params: JsonObject = { name: "a" }, more = {}) =>
  window.call({ method: "tools/call", params, ...more });

/** An answer that needs input. */
export const asks = (inputRequests: JsonObject | undefined, requestState?: string): Result => ({
  result: {
    resultType: "input_required",
    ...(inputRequests ? { inputRequests } : {}),
    ...(requestState === undefined ? {} : { requestState }),
  },
});

export const FORM = {
  method: "elicitation/create",
  params: { mode: "form", message: "who?", requestedSchema: {} },
};
export const DONE: Result = { result: { resultType: "complete", content: [] } };
