import { delay } from "@std/async/delay";
import { abortError } from "../../../base/abort.ts";
import { ExaiError } from "../../../base/errors.ts";
import { type JsonObject, textOf } from "../../../base/json.ts";
import { type Call, derive, type InputAnswers } from "../../../call/call.ts";
import { type InputRequest, neededInput } from "../../../call/input_requests.ts";
import { toRpcError } from "../../../wire/codes.ts";
import { exactResult, isInputRequired } from "../../../wire/raw_message.ts";
import type { Result, RpcError } from "../../../wire/rpc.ts";

/** How often a server may ask about one call, one time after the other. */
const MAX_ROUNDS = 8;

/** The pause before a request is repeated for a server that asks for nothing but that. */
const PACE_MS = 250;

interface RoundsOptions {
  /** The server's name. */
  server: string;
  /** Sends the call, with an id of its own, and the answers it has. */
  send(call: Call): Promise<Result>;
}

/**
 * Puts what a server needs to complete `call` to the call's client, and repeats the request with the answers, until it is
 * complete: for clients that can be asked only by requests (MCP basic/patterns/mrtr, client requirements).
 *
 * @param first what the server has answered, which {@linkcode isInputRequired}
 * @throws {ExaiError} the signal's reason; what asking the client throws
 */
export async function fulfil(call: Call, first: Result, { server, send }: RoundsOptions): Promise<Result> {
  let result = first;
  for (let round = 0; isInputRequired(result); round++) {
    if (round === MAX_ROUNDS) {
      return fault(
        `server "${server}" asked for input ${MAX_ROUNDS} times in a row and did not complete the call`,
      );
    }
    const answered = await answersTo(call, exactResult(result as { result: JsonObject }), server);
    if ("error" in answered) return answered;
    result = await send(derive(call, { answers: answered.answers }));
    if (!result.error && !isInputRequired(result)) completed(call, answered.elicitations);
  }
  return result;
}

type Answered = { answers: InputAnswers; elicitations: readonly string[] } | { error: RpcError };

/**
 * The client's answers to what a server needs.
 *
 * @throws {ExaiError} what asking the client throws
 */
export async function answersTo(
  call: Call,
  { inputRequests, requestState }: JsonObject,
  server: string,
): Promise<Answered> {
  let needed: ReturnType<typeof neededInput>;
  try {
    const { capabilities } = call.caller;
    needed = neededInput({ inputRequests, requestState }, { capabilities, server });
  } catch (thrown) {
    return { error: toRpcError(thrown) };
  }
  const { questions, state } = needed;
  if (questions.length === 0) {
    await delay(PACE_MS, { signal: call.signal }).catch(() => Promise.reject(abortError(call.signal)));
    return { answers: { requestState: state }, elicitations: [] };
  }
  const asked = questions.map(withElicitationId);
  const answered = await askAll(call, asked);
  if ("error" in answered) {
    const { error: { code, message, data }, method } = answered;
    return { error: { code, message: `${method} of server "${server}": ${message}`, data } };
  }
  const inputResponses = Object.fromEntries(asked.map(({ key }, i) => [key, answered.results[i]]));
  const elicitations = asked.flatMap(({ params }) => textOf(params.elicitationId) ?? []);
  return { answers: { inputResponses, requestState: state }, elicitations };
}

/** Clients of the legacy era tell elicitations by URL apart by an id, which the modern era has not got. */
function withElicitationId(question: InputRequest): InputRequest {
  if (question.params.mode !== "url") return question;
  return { ...question, params: { ...question.params, elicitationId: crypto.randomUUID() } };
}

/**
 * Asks the client everything at once. When one question fails the others are withdrawn: nobody needs their answers.
 *
 * @throws {ExaiError} what asking the client throws
 */
async function askAll(
  call: Call,
  questions: readonly InputRequest[],
): Promise<{ results: JsonObject[] } | { error: RpcError; method: string }> {
  const rest = new AbortController();
  const signal = AbortSignal.any([call.signal, rest.signal]);
  let failed: { error: RpcError; method: string } | undefined;
  try {
    const results = await Promise.all(questions.map(async (question) => {
      const answer = await ask(call, question, signal);
      if (!answer.error) return exactResult(answer);
      failed ??= { error: answer.error, method: question.method };
      throw new ExaiError("CANCELLED", answer.error.message);
    }));
    return { results };
  } catch (thrown) {
    rest.abort(new ExaiError("CANCELLED", "another question of the server has failed"));
    if (failed) return failed;
    throw thrown;
  }
}

async function ask(call: Call, { method, params }: InputRequest, signal: AbortSignal): Promise<Result> {
  // Cached by the session, and the same that decided which process it shares.
  const roots = method === "roots/list" ? await call.caller.roots() : undefined;
  return roots ? { result: { roots: [...roots] } } : await call.ask(method, params, { signal });
}

/** The server has gone on, so what the user was to do elsewhere is done. */
function completed(call: Call, elicitations: readonly string[]): void {
  for (const elicitationId of elicitations) {
    call.notify("notifications/elicitation/complete", { elicitationId });
  }
}

function fault(why: string): { error: RpcError } {
  return { error: toRpcError(new ExaiError("INTERNAL", why)) };
}
