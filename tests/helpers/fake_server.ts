import { assertRejects } from "@std/assert";
import { ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Call, Caller } from "../../lib/call/call.ts";
import type { ListKind, Server } from "../../lib/call/server.ts";
import { Router, type RouterOptions } from "../../lib/router/router.ts";
import { type InitializeResult, textResult } from "../../lib/wire/mcp.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { call } from "./call.ts";

/** A server in the catalog that answers at once and keeps what it was asked. */
export class FakeServer implements Server {
  readonly calls: Call[] = [];
  readonly lists: Partial<Record<ListKind, readonly JsonObject[]>> = {};
  startTimeoutMs: number | undefined = undefined;
  capabilities: JsonObject = { tools: {}, resources: {} };
  refresh: Server["refresh"] = undefined;
  logLevelChanged: Server["logLevelChanged"] = undefined;
  notify: Server["notify"] = undefined;
  detach: Server["detach"] = undefined;
  /** What it answers; its name and the method unless said otherwise. */
  answer: (call: Call) => Result | Promise<Result> = ({ method }) => {
    return { result: textResult(`${this.name} ${method}`) };
  };

  constructor(readonly name: string, lists: Partial<Record<ListKind, readonly JsonObject[]>> = {}) {
    this.lists = lists;
  }

  readonly target = async (call: Call): Promise<Result> => {
    this.calls.push(call);
    return await this.answer(call);
  };

  list(kind: ListKind, _call: Call): Promise<readonly JsonObject[]> {
    return Promise.resolve(this.lists[kind] ?? []);
  }

  describe(_caller: Caller, _signal: AbortSignal): Promise<InitializeResult> {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: "2024-11-05", capabilities: this.capabilities, serverInfo });
  }

  /** The methods it was called by since the last time. */
  takeMethods(): string[] {
    return this.calls.splice(0).map(({ method }) => method);
  }
}

/** Tools of these names. */
export const toolsOf = (...names: string[]): JsonObject[] =>
  names.map((name) => ({ name, inputSchema: { type: "object" } }));

/** No test waits so long. */
export const NEVER_MS = 2 ** 31 - 1;

/** A router of `servers` without policies. */
export function routerOf(servers: readonly Server[], options: Partial<RouterOptions> = {}): Router {
  return new Router({
    servers: () => servers,
    serverInfo: { name: "exai", version: "1" },
    policies: [],
    policiesFor: () => [],
    queryPoliciesFor: () => [],
    listDeadlineMs: NEVER_MS,
    ...options,
  });
}

/** The caller of every call that names none; another one where some of its parts are replaced. */
export function callerOf(parts?: Partial<Caller>): Caller {
  return parts ? { ...call().caller, ...parts } : call().caller;
}

/** Calls `method` on `router`. */
export async function ask(
  router: Router,
  method: string,
  params: JsonObject = {},
  parts: Partial<Call> = {},
): Promise<JsonObject> {
  const { result, error } = await router.target(call({ method, params, ...parts }));
  if (error) throw new Error(error.message);
  return result;
}

/** The code and message `work` fails with. */
export async function failure(work: Promise<unknown>): Promise<[string, string]> {
  const { code, message } = await assertRejects(() => work, ExaiError);
  return [code, message];
}
