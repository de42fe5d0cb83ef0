import { delay } from "@std/async/delay";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Call } from "../../lib/call/call.ts";
import type { ListKind, Server } from "../../lib/call/server.ts";
import { textResult } from "../../lib/wire/mcp.ts";
import type { Result } from "../../lib/wire/rpc.ts";

/** A server whose one tool records each of its runs under the number it was called with. */
export class CountingServer implements Server {
  readonly name = "counting";
  readonly runs = new Map<number, number>();

  readonly target = async (call: Call): Promise<Result> => {
    const { n, bytes = 0 } = call.params.arguments as JsonObject & { n: number; bytes?: number };
    this.runs.set(n, (this.runs.get(n) ?? 0) + 1);
    await delay(n % 4);
    return { result: textResult(`${n} ${"x".repeat(bytes)}`) };
  };

  list(kind: ListKind) {
    const tools = [{ name: "count", inputSchema: { type: "object" } }];
    return Promise.resolve(kind === "tools" ? tools : []);
  }

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
  }
}
