import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Target } from "../call/call.ts";
import { allPages } from "../call/pages.ts";
import { toOpError, toRpcError } from "../wire/codes.ts";
import type { ToolResult } from "../wire/mcp.ts";
import { type CallToolOp, type OpReply, type OpRequest, parseOp } from "../wire/ops.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import type { IdSpace } from "./active_calls.ts";
import { callBudgetExceeded, MIN_CHARGED_BYTES } from "./active_calls.ts";
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
  async receive(frame: JsonObject, size = 0): Promise<void> {
    const { budget } = this.#session;
    const bytes = size < MIN_CHARGED_BYTES ? 0 : size;
    if (!budget.tryTakeCall(bytes, this.#session)) return this.reject(callBudgetExceeded(), frame.request_id);
    try {
      const request = parseOp(frame);
      this.#session.touch();
      // Calls, which are the most frequent, skip the promise of #handle.
      await (request.op === "call_tool" ? this.#callTool(request) : this.#handle(request));
    } catch (thrown) {
      this.#fail(thrown, frame.request_id);
    } finally {
      budget.giveBackCall(bytes, this.#session);
    }
  }

  #fail(thrown: unknown, requestId: unknown): void {
    try {
      this.reject(thrown, requestId);
    } catch (fault) {
      logHandlerError("an op of a client", fault);
    }
  }

  /** Answers a frame with an `error` op. */
  reject(thrown: unknown, requestId?: unknown): void {
    const error = toOpError(toRpcError(thrown));
    const hasId = typeof requestId === "string" || typeof requestId === "number";
    this.#send({ op: "error", ...error, ...(hasId ? { request_id: requestId } : {}) });
  }

  #send(reply: OpReply): void {
    this.#session.output.sendTransient(
      encode(reply, this.#session.maxFrameBytes, (error) => errorReply(reply, error)),
    );
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
    const ask = (params: JsonObject) => this.#run(this.#nextListId++, "tools/list", params, { space: "own" });
    try {
      return (await allPages(ask, { method: "tools/list", field: "tools" })).entries;
    } catch (thrown) {
      throw new ExaiError("INTERNAL", messageOf(thrown));
    }
  }

  async #callTool(op: CallToolOp): Promise<void> {
    const id = op.request_id;
    const params = { name: op.name, arguments: (op.arguments ?? {}) as JsonObject };
    this.#session.callCount++;
    const options = { space: "op", progressToken: id, timeoutMs: op.timeout_ms } as const;
    const result = await this.#run(id, "tools/call", params, options);
    this.#send(callReply(id, result));
  }

  #run(
    id: RequestId,
    method: string,
    params: JsonObject,
    options: { space: IdSpace; progressToken?: string | number; timeoutMs?: number },
  ) {
    return this.#session.calls.run(
      {
        id,
        method,
        params,
        ...options,
        notify: (method, params) => this.#progress(id, method, params),
        ask: () =>
          Promise.reject(new ExaiError("METHOD_NOT_FOUND", "a client of EXAI ops cannot be asked; use MCP")),
      },
      this.#session,
      this.#hooks.target,
    );
  }

  #progress(id: RequestId, method: string, params: JsonObject): void {
    if (method !== "notifications/progress") return;
    const { progress, total, message } = params as { progress: number; total?: number; message?: string };
    this.#send({ op: "progress", request_id: id, progress, total, message });
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

/** The reply sent in place of one that cannot be encoded. */
function errorReply(reply: OpReply, error: ExaiError): OpReply {
  const op = toOpError(toRpcError(error));
  if (reply.op === "call_tool_res") return { op: reply.op, request_id: reply.request_id, error: op };
  return { op: "error", ...op };
}

function callReply(id: RequestId, result: Result): OpReply {
  if (result.error) return { op: "call_tool_res", request_id: id, error: toOpError(result.error) };
  const { content, isError, structuredContent } = result.result as ToolResult;
  return {
    op: "call_tool_res",
    request_id: id,
    outputs: content ?? [],
    ...(isError ? { is_error: true } : {}),
    structured: structuredContent,
  };
}
