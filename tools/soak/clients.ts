import type { JsonObject } from "../../lib/base/json.ts";
import { OpClient } from "../lib/op_client.ts";
import type { Rig } from "../load/rig.ts";
import type { Account, CounterTool } from "../load/tally.ts";

/** One client of the daemon, of whatever kind. */
export interface SoakClient {
  /** Makes one call and checks its answer. @throws when it is not the one expected */
  call(n: number): Promise<void>;
  close(): Promise<void>;
}

/** How many executions of the counter were asked for and answered. */
export interface Counted {
  counterCalls: number;
}

/** The kinds of clients, by how one comes. */
export const KINDS = { shim: openShim, ops: openOps, mcp: openMcp, http: openHttp } as const;

export type Kind = keyof typeof KINDS;

const TEXT_BYTES = 200;
let labels = 0;

interface ToolCall {
  name: string;
  args: JsonObject;
  /** What the answer must begin with. */
  expected: string;
}

// Every other call goes to a tool of the daemon's own, the others to the mounted server.
function toolCall(n: number, counted: Counted): ToolCall {
  if (n % 2 === 0) return { name: "version", args: {}, expected: "" };
  counted.counterCalls++;
  const label = `soak.${labels++}`;
  const name = n % 4 === 1 ? "count" : "look";
  return { name, args: { label, bytes: TEXT_BYTES }, expected: `ran ${label} ` };
}

async function openShim(rig: Rig, counted: Counted): Promise<SoakClient> {
  let fault: string | undefined;
  const account: Account = {
    begin: () => {},
    end: () => {},
    wrong: (what) => fault ??= what,
  };
  const [window] = await rig.openWindows(1, { account });
  return {
    async call(n) {
      counted.counterCalls++;
      const tool: CounterTool = n % 2 ? "count" : "look";
      const outcome = await window!.call({ tool, bytes: TEXT_BYTES });
      if (outcome !== "ran") throw new Error(`through a shim: ${outcome}`);
      if (fault !== undefined) throw new Error(`through a shim: ${fault}`);
    },
    close: () => rig.closeWindow(window!),
  };
}

async function openOps(rig: Rig, counted: Counted): Promise<SoakClient> {
  const client = await OpClient.connect(`ws://127.0.0.1:${rig.port}/`);
  await client.hello();
  return {
    async call(n) {
      const { name, args, expected } = toolCall(n, counted);
      const { outputs, error } = await client.call(name, args);
      check("by op", expected, { content: outputs, error });
    },
    close() {
      client[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

const INITIALIZE = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "exai-soak", version: "1" },
};

async function openMcp(rig: Rig, counted: Counted): Promise<SoakClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${rig.port}/mcp`, ["mcp"]);
  const waiting = new Map<number, PromiseWithResolvers<JsonObject>>();
  const opened = Promise.withResolvers<void>();
  socket.onopen = () => opened.resolve();
  socket.onclose = ({ code }) => {
    const end = new Error(`the connection ended with ${code}`);
    opened.reject(end);
    for (const { reject } of waiting.values()) reject(end);
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    waiting.get(message.id)?.resolve(message);
    waiting.delete(message.id);
  };
  await opened.promise;
  let lastId = 0;
  const ask = (method: string, params: JsonObject) => {
    const answer = Promise.withResolvers<JsonObject>();
    waiting.set(++lastId, answer);
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: lastId, method, params }));
    return answer.promise;
  };
  await ask("initialize", INITIALIZE);
  return {
    async call(n) {
      const { name, args, expected } = toolCall(n, counted);
      const { result, error } = await ask("tools/call", { name, arguments: args });
      check("over WebSocket", expected, { ...result as JsonObject, error });
    },
    close() {
      socket.onclose = null;
      socket.close();
      return Promise.resolve();
    },
  };
}

async function openHttp(rig: Rig, counted: Counted): Promise<SoakClient> {
  const url = `http://127.0.0.1:${rig.port}/mcp`;
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
  };
  const post = async (message: JsonObject) => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    const response = await fetch(url, { method: "POST", headers, body });
    const text = await response.text();
    headers["mcp-session-id"] ??= response.headers.get("mcp-session-id") ?? "";
    const data = text.startsWith("{")
      ? text
      : /^data: (.*)$/m.exec(text.slice(text.lastIndexOf("data: {")))?.[1];
    return JSON.parse(data ?? "{}") as JsonObject;
  };
  await post({ id: 0, method: "initialize", params: INITIALIZE });
  let lastId = 0;
  return {
    async call(n) {
      const { name, args, expected } = toolCall(n, counted);
      const { result, error } = await post({
        id: ++lastId,
        method: "tools/call",
        params: { name, arguments: args },
      });
      check("over HTTP", expected, { ...result as JsonObject, error });
    },
    async close() {
      await (await fetch(url, { method: "DELETE", headers })).body?.cancel();
    },
  };
}

function check(way: string, expected: string, { content, error }: JsonObject): void {
  const text = (content as JsonObject[] | undefined)?.[0]?.text;
  if (error !== undefined || typeof text !== "string" || !text.startsWith(expected)) {
    throw new Error(`${way}: expected ${expected}, got ${JSON.stringify(error ?? content).slice(0, 200)}`);
  }
}
