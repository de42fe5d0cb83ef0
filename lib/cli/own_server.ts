import type { Settings } from "../config/settings.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Server } from "../call/server.ts";
export function openOwnServer(_s: Settings, _p: StatePaths) {
  const server: Server = {
    name: "exai",
    target: (call) =>
      Promise.resolve(
        call.method === "tools/list"
          ? { result: { tools: [{ name: "version", inputSchema: { type: "object" } }] } }
          : { result: { content: [{ type: "text", text: "0.1.0" }] } },
      ),
    describe: () => Promise.reject(new Error("x")),
  };
  return { server, toolNames: ["version"], observe(_o: unknown) {}, [Symbol.dispose]() {} };
}
