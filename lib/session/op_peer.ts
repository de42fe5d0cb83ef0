import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { type Json, type JsonObject, rawJson } from "../base/json.ts";
import type { Target } from "../call/call.ts";
import { allPages } from "../call/pages.ts";
import { type OpError, toOpError, toRpcError } from "../wire/codes.ts";
import { type CallToolOp, type OpReply, type OpRequest, parseOp } from "../wire/ops.ts";
import { rawResult, resultMember } from "../wire/raw_message.ts";
import { type Params, RawObject, rawObject, valueOf } from "../wire/raw_object.ts";
import { readRequestId, type RequestId, type Result } from "../wire/rpc.ts";
import type { CallRequest } from "./active_calls.ts";
import { callBudgetExceeded, MIN_CHARGED_BYTES } from "./charged.ts";
import { encode } from "./encode.ts";
import type { Session } from "./session.ts";

/** What EXAI ops need of the daemon. */
export interface OpHooks {
  target: Target;
  health(): Promise<JsonObject>;
  /** Replaces the daemon's token; false when `current` is not the one in force. */
  rotateToken(current: string, next: string): Promise<boolean>;
}

/** Speaks the EXAI ops with the client of one session (docs/protocol.md). */
export class OpPeer {
  readonly #session: Session;
  readonly #hooks: OpHooks;
  #nextListId = 0;

  constructor(session: Session, hooks: OpHooks) {
    this.#session = session;
    this.#hooks = hooks;
  }

  /** Handles one frame with an `op`. Never throws: an invalid one is answered with an error. */
  async receive(frame: RawObject, size = 0): Promise<void> {
    const { budget } = this.#session;
    const bytes = size < MIN_CHARGED_BYTES ? 0 : size;
    const idText = frame.textOf("request_id");
    if (!budget.tryTakeCall(bytes, this.#session)) return this.#fail(callBudgetExceeded(), idText);
    try {
      const request = parseOp(headOf(frame, idText));
      this.#session.touch();
      // Calls, which are the most frequent, skip the promise of #handle.
      await (request.op === "call_tool" ? this.#callTool(request, frame) : this.#handle(request));
    } catch (thrown) {
      this.#fail(thrown, idText);
    } finally {
      budget.giveBackCall(bytes, this.#session);
    }
  }

  #fail(thrown: unknown, idText: string | undefined): void {
    try {
      this.reject(thrown, idText);
    } catch (fault) {
      logHandlerError("an op of a client", fault);
    }
  }

  /**
   * Answers a frame with an `error` op.
   *
   * @param idText the request id of the frame, as JSON
   */
  reject(thrown: unknown, idText?: string): void {
    const error = toOpError(toRpcError(thrown));
    const hasId = idText !== undefined && /^["\d-]/.test(idText);
    this.#send({ op: "error", ...error, ...(hasId ? { request_id: asSent(idText) } : {}) });
  }

  #send(reply: OpReply): void {
    this.#sendText(() => JSON.stringify(reply), (error) => ({ op: "error", ...error }));
  }

  #sendText(write: () => string, refuse: (error: OpError) => OpReply): void {
    const text = encode(
      write,
      this.#session.maxFrameBytes,
      (error) => JSON.stringify(refuse(toOpError(toRpcError(error)))),
    );
    this.#session.output.sendTransient(text);
  }

  async #handle(request: Exclude<OpRequest, CallToolOp>): Promise<void> {
    switch (request.op) {
      case "hello":
        throw new ExaiError("INVALID_REQUEST", "this connection has said hello already; its session goes on");
      case "challenge":
      case "request":
        throw new ExaiError("INVALID_REQUEST", `${request.op} is said in front of a hello, or in its place`);
      case "list_tools":
        return this.#send({ op: "list_tools_res", tools: await this.#listTools() });
      case "cancel":
        return this.#cancel(request.request_id);
      case "received":
        this.#session.output.acknowledgeMessages(request.posts ?? 0);
        return this.#session.output.acknowledgeResponses(request.answers);
      case "health":
        return this.#send({ op: "health_res", ok: true, health: await this.#hooks.health() });
      case "rotate_token":
        return await this.#rotateToken(request);
    }
  }

  async #listTools(): Promise<JsonObject[]> {
    const ask = (params: JsonObject) =>
      this.#run({ id: this.#nextListId++, method: "tools/list", params, space: "own" });
    try {
      return (await allPages(ask, { method: "tools/list", field: "tools" })).entries;
    } catch (thrown) {
      throw new ExaiError("INTERNAL", messageOf(thrown));
    }
  }

  async #callTool(op: CallToolOp, frame: RawObject): Promise<void> {
    const { request_id: id, timeout_ms: timeoutMs } = op;
    const idText = frame.textOf("request_id")!;
    const args = op.arguments ? frame.textOf("arguments") : "{}";
    // The token is in its place already, so that a server's own is put there without reading the arguments.
    const meta = `{"progressToken":${idText}}`;
    const params = rawObject(`{"name":${frame.textOf("name")},"arguments":${args},"_meta":${meta}}`)!;
    this.#session.callCount++;
    const result = await this.#run({
      id,
      method: "tools/call",
      params,
      space: "op",
      progressToken: id,
      timeoutMs,
      notify: (method, params) => this.#progress(idText, method, params),
    });
    this.#sendText(
      () => callReply(idText, result),
      (error) => ({ op: "call_tool_res", request_id: asSent(idText), error }),
    );
  }

  #run(request: Omit<CallRequest, "notify" | "ask"> & Partial<CallRequest>): Promise<Result> {
    return this.#session.calls.run(
      {
        notify: () => {},
        ask: () =>
          Promise.reject(new ExaiError("METHOD_NOT_FOUND", "a client of EXAI ops cannot be asked; use MCP")),
        ...request,
      },
      this.#session,
      this.#hooks.target,
    );
  }

  #progress(idText: string, method: string, params: Params): void {
    if (method !== "notifications/progress") return;
    const { progress, total, message } = valueOf(params) as {
      progress: number;
      total?: number;
      message?: string;
    };
    const exact = (name: string, value: number | undefined) =>
      params instanceof RawObject && typeof value === "number" ? asSent(params.textOf(name)!) : value;
    this.#send({
      op: "progress",
      request_id: asSent(idText),
      progress: exact("progress", progress),
      total: exact("total", total),
      message,
    });
  }

  // Unanswered: the call's own reply says how it ended.
  #cancel(id: RequestId): void {
    this.#session.calls.cancel(id, new ExaiError("CANCELLED", "the client cancelled the call"), "op");
  }

  async #rotateToken(request: Extract<OpRequest, { op: "rotate_token" }>): Promise<void> {
    const ok = await this.#hooks.rotateToken(request.old, request.new);
    this.#send(ok ? { op: "rotate_token_res", ok } : { op: "rotate_token_res", ok, error: "unauthorized" });
  }
}

/** A frame with its request id as it was sent, and with its arguments, which are passed on as they came, left empty. */
function headOf(frame: RawObject, idText: string | undefined): JsonObject {
  const isCall = frame.textOf("arguments")?.startsWith("{");
  const head = isCall ? frame.with("arguments", {}).value : frame.value;
  const id = idText === undefined ? undefined : readRequestId(idText);
  return id === undefined ? head : { ...head, request_id: id as Json };
}

/** An id or a number that is written as it came. */
function asSent(text: string): Json {
  return rawJson(text);
}

/** The reply to a call. A result that is passed on keeps its text. */
function callReply(idText: string, result: Result): string {
  const head = `{"op":"call_tool_res","request_id":${idText}`;
  if (result.error) return `${head},"error":${JSON.stringify(toOpError(result.error))}}`;
  const body = rawResult(result)?.body;
  const textOf = (name: string) => body ? body.textOf(name) : JSON.stringify(result.result[name]);
  const content = textOf("content") ?? "null";
  const structured = textOf("structuredContent");
  return `${head},"outputs":${content === "null" ? "[]" : content}` +
    `${resultMember(result, "isError") ? ',"is_error":true' : ""}` +
    `${structured === undefined ? "" : `,"structured":${structured}`}}`;
}
