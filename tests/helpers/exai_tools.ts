import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";
import { HOUR_MS } from "../../lib/base/units.ts";
import type { Call, Caller } from "../../lib/call/call.ts";
import type { Envelope } from "../../lib/tool/tool_output.ts";
import { sessionWorkspaces } from "../../lib/workspace/session_workspace.ts";
import { createExaiServer, type ExaiServer, type ExaiServerOptions } from "../../lib/tool/exai_server.ts";
import type { ToolHost } from "../../lib/tool/host.ts";
import { toRpcError } from "../../lib/wire/codes.ts";
import type { ToolResult } from "../../lib/wire/mcp.ts";
import { responseTo, type RpcRequest } from "../../lib/wire/rpc.ts";
import { FakeModels } from "./fake_models.ts";
import { ScriptedAgents } from "./scripted_agents.ts";
import { openThreads, SOMEBODY, type TestThreads } from "./threads.ts";

export const TEST_HOST: ToolHost = {
  version: "1.2.3",
  runtime: "deno 2",
  pid: 42,
  startedAtMs: Date.now(),
  revisions: ["2025-11-25", "2025-06-18"],
  health: () => ({ status: "ok" }),
  recentErrors: (_caller, maxLines) => ["first fault", "second fault"].slice(-maxLines),
  activity: (_caller, maxLines) =>
    Array.from({ length: 5000 }, (_, i) => `call ${i} of planner`).slice(-maxLines),
  providers: () => [],
};

/** What one call came to. */
export interface Outcome {
  result: ToolResult;
  answer: Envelope;
  isError: boolean;
}

export interface TestToolsOptions extends Partial<Omit<ExaiServerOptions, "threads">> {
  threads?: TestThreads;
  maxTurns?: number;
  cwd?: string;
}

/** The server `exai` with threads in memory, and how to call it without a daemon around it. */
export class TestTools implements Disposable {
  readonly server: ExaiServer;
  readonly threads: TestThreads;
  readonly #cwd: string | undefined;

  constructor(options: TestToolsOptions = {}) {
    const { maxTurns = 50, cwd, ...rest } = options;
    this.#cwd = cwd;
    this.threads = options.threads ?? openThreads({ timeoutMs: HOUR_MS, maxTurns });
    this.server = createExaiServer({
      host: TEST_HOST,
      models: new FakeModels(),
      agents: new ScriptedAgents(),
      openWorkspace: sessionWorkspaces({ allowedDirs: [], deniedDirs: [] }),
      ...rest,
      threads: this.threads.store,
    });
  }

  async call(name: string, args?: JsonObject, parts: Partial<Call> = {}): Promise<Outcome> {
    const params = args === undefined ? { name } : { name, arguments: args };
    const { result } = await this.server.target(this.#call("tools/call", params, parts));
    const toolResult = result as ToolResult;
    const answer = JSON.parse(String(toolResult.content[0]!.text)) as Envelope;
    return { result: toolResult, answer, isError: toolResult.isError === true };
  }

  /** The content of an answer that is an object. */
  async content(name: string, args: JsonObject): Promise<JsonObject> {
    const { answer, isError } = await this.call(name, args);
    if (isError || typeof answer.content === "string") throw new Error(String(answer.content));
    return answer.content;
  }

  #call(method: string, params: JsonObject, parts: Partial<Call> = {}): Call {
    const call = makeCall(method, params, parts);
    return this.#cwd === undefined ? call : { ...call, caller: { ...call.caller, cwd: this.#cwd } };
  }

  async list(): Promise<JsonObject[]> {
    const { result } = await this.server.target(makeCall("tools/list", {}));
    return result!.tools as JsonObject[];
  }

  /** The SDK's own client, talking to these tools. */
  async sdkClient(): Promise<Client & AsyncDisposable> {
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    ours.onmessage = async (message: JSONRPCMessage) => {
      if (!("method" in message && "id" in message)) return;
      const reply = await this.#answer(message as RpcRequest);
      await ours.send(reply as JSONRPCMessage);
    };
    const client = new Client({ name: "test", version: "1" });
    await client.connect(theirs);
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
  }

  async #answer(request: RpcRequest) {
    const call = this.#call(request.method, request.params ?? {});
    try {
      if (request.method !== "initialize") return responseTo(request.id, await this.server.target(call));
      return responseTo(request.id, { result: await this.server.describe(call.caller, call.signal) });
    } catch (thrown) {
      return responseTo(request.id, { error: toRpcError(thrown) });
    }
  }

  [Symbol.dispose](): void {
    this.threads[Symbol.dispose]();
  }
}

export function makeCall(method: string, params: JsonObject, parts: Partial<Call> = {}): Call {
  return {
    method,
    params,
    // The tools read nothing else of a caller.
    caller: {
      id: "session",
      namedDirs: "read",
      revision: "2025-11-25",
      capabilities: {},
      roots: () => Promise.resolve(undefined),
      identity: () => Promise.resolve(SOMEBODY),
    } as unknown as Caller,
    signal: new AbortController().signal,
    progressToken: undefined,
    notify: () => {},
    ask: () => Promise.reject(new Error("nobody to ask")),
    ...parts,
  };
}

/** The arguments of one step of a tool that works in two steps. */
export function investigationStep(number: number, more: JsonObject = {}): JsonObject {
  return {
    step: `step ${number}`,
    step_number: number,
    total_steps: 2,
    next_step_required: number === 1,
    findings: `found ${number}`,
    ...more,
  };
}
