import { delay } from "@std/async/delay";
import type { JsonObject } from "../../lib/base/json.ts";
import { MIB } from "../../lib/base/units.ts";
import { type Call, type Caller, reportProgress } from "../../lib/call/call.ts";
import type { ListKind, Server } from "../../lib/call/server.ts";
import { textResult } from "../../lib/wire/mcp.ts";
import type { Result } from "../../lib/wire/rpc.ts";

type Tool = (call: Call, args: JsonObject) => Result | Promise<Result>;

/** A server of tools that behave as tools should not, and of some that let a test hold a call in its hands. */
export class OddServer implements Server {
  readonly name: string = "odd";
  /** Resolves when a call of `hold` has begun; replaced for each. */
  readonly begun: PromiseWithResolvers<Call>[] = [];
  /** Resolves with the reason a call of `hold` was aborted with. */
  readonly aborted = Promise.withResolvers<unknown>();
  /** Lets every call of `hold` finish. */
  readonly release = Promise.withResolvers<void>();
  runs = 0;
  /** Called when a session is over for good. */
  ondetach?: (caller: Caller) => void;

  readonly #tools: Record<string, Tool> = {
    throws: () => {
      throw new Error("the tool fell over");
    },
    hangs: () => new Promise<never>(() => {}),
    hold: async (call) => {
      this.runs++;
      this.begun.shift()?.resolve(call);
      call.signal.addEventListener("abort", () => this.aborted.resolve(call.signal.reason), { once: true });
      await this.release.promise;
      return { result: textResult("released") };
    },
    logs_and_holds: async (call, args) => {
      call.notify("notifications/message", { level: "info", data: "holds" });
      return await this.#tools.hold!(call, args);
    },
    large: (_call, args) => ({ result: textResult("x".repeat(Number(args.mib ?? 20) * MIB)) }),
    nothing: () => ({ result: {} }),
    undefined: () => undefined as unknown as Result,
    circular: () => {
      const loop: JsonObject = {};
      loop.self = loop;
      return { result: { content: [loop] } };
    },
    whoami: (call) => ({ result: textResult(call.caller.id) }),
    steps: async (call, args) => {
      const total = Number(args.total ?? 3);
      for (let progress = 1; progress <= total; progress++) {
        reportProgress(call, { progress, total, message: `step ${progress}` });
        await delay(0);
      }
      return { result: textResult("done") };
    },
    logs: (call) => {
      for (const level of ["debug", "info", "error"]) {
        call.notify("notifications/message", { level, data: `a line of ${level}` });
      }
      return { result: textResult("logged") };
    },
    floods: async (call) => {
      for (let i = 0; i < 64; i++) {
        call.notify("notifications/message", { level: "info", data: "x".repeat(MIB) });
        await delay(0);
      }
      this.release.resolve();
      return { result: textResult("flooded") };
    },
    asks: (call) => asks(call),
    holds_and_asks: async (call) => {
      this.begun.shift()?.resolve(call);
      await this.release.promise;
      return await asks(call);
    },
  };

  detach(caller: Caller): void {
    this.ondetach?.(caller);
  }

  list(kind: ListKind): Promise<JsonObject[]> {
    if (kind !== "tools") return Promise.resolve([]);
    return Promise.resolve(
      Object.keys(this.#tools).map((name) => ({ name, inputSchema: { type: "object" } })),
    );
  }

  readonly target = async (call: Call): Promise<Result> => {
    if (call.method === "tools/list") return { result: { tools: await this.list("tools") } };
    const tool = this.#tools[String(call.params.name)]!;
    return await tool(call, (call.params.arguments ?? {}) as JsonObject);
  };

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
  }

  /** The next call of `hold`, once it has begun. */
  nextHold(): Promise<Call> {
    const begun = Promise.withResolvers<Call>();
    this.begun.push(begun);
    return begun.promise;
  }
}

async function asks(call: Call): Promise<Result> {
  const { result, error } = await call.ask("elicitation/create", {
    message: "your name?",
    requestedSchema: { type: "object", properties: { name: { type: "string" } } },
  });
  return { result: textResult(JSON.stringify(error ?? result)) };
}
