import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { type Call, compose, derive, type Policy, type Target } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { type Implementation, LATEST_REVISION } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { type Entry, gather, LISTS, nameEntries } from "./catalog.ts";

export interface RouterOptions {
  servers: () => readonly Server[];
  serverInfo: Implementation;
  instructions?: string;
  /** What stands in front of every call that does work, outermost first: metrics, time-out, permits. */
  policies: readonly Policy[];
  /** How long one server may take for a list before it is left out, in milliseconds. */
  listDeadlineMs: number;
}

/** The merged catalog as one target: every MCP method a client may send, led to the server it belongs to. */
export class Router {
  readonly #options: RouterOptions;
  readonly #work: Target;
  /** Where each tool leads, as last listed; asked anew for a name it does not hold. */
  #tools = new Map<string, Entry>();

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#work = compose((call) => this.#callTool(call), options.policies);
  }

  /** Handles one request of any session. */
  readonly target: Target = (call) => {
    switch (call.method) {
      case "initialize":
        return Promise.resolve(this.#initialize(call));
      case "tools/list":
        return this.#listTools(call);
      case "tools/call":
        return this.#work(call);
      case "logging/setLevel":
        return Promise.resolve({ result: {} });
      default:
        throw new ExaiError("METHOD_NOT_FOUND", `this server has no method ${call.method}`);
    }
  };

  #initialize(call: Call): Result {
    const { serverInfo, instructions } = this.#options;
    const result: JsonObject = {
      protocolVersion: call.caller.revision ?? LATEST_REVISION,
      capabilities: { tools: { listChanged: true }, logging: {} },
      serverInfo,
    };
    if (instructions) result.instructions = instructions;
    return { result };
  }

  async #listTools(call: Call): Promise<Result> {
    const tools = await this.#refreshTools(call);
    return { result: { tools: Array.from(tools, ([name, entry]) => ({ ...entry.own, name })) } };
  }

  async #refreshTools(call: Call): Promise<Map<string, Entry>> {
    const { servers, listDeadlineMs } = this.#options;
    const entries = await gather(call, LISTS.tools, { servers: servers(), deadlineMs: listDeadlineMs });
    return this.#tools = nameEntries(entries);
  }

  async #callTool(call: Call): Promise<Result> {
    const name = call.params.name;
    if (typeof name !== "string") throw new ExaiError("INVALID_PARAMS", "name must be the name of a tool");
    const entry = this.#tools.get(name) ?? (await this.#refreshTools(call)).get(name);
    if (!entry) {
      throw new ExaiError(
        "TOOL_NOT_FOUND",
        `there is no tool ${JSON.stringify(name)}; tools/list names them all`,
      );
    }
    const params = entry.own.name === name ? call.params : { ...call.params, name: entry.own.name };
    return await entry.server.target(derive(call, { params }));
  }
}
