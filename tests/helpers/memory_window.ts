import type { ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { Bridge, type BridgeOptions, type ClientPort } from "../../lib/shim/bridge.ts";
import type { Line } from "../../lib/transport/line.ts";
import { readClientText } from "../../lib/wire/raw_reader.ts";
import { jsonId, type RequestId, type RpcMessage } from "../../lib/wire/rpc.ts";
import { MemoryDaemon } from "./memory_daemon.ts";
import { INITIALIZE } from "./shim.ts";

/** That of the machine, also while a test has a clock of its own. */
const { setTimeout: setRealTimeout } = globalThis;

/** What the daemon of a window has said that it offers. */
export const TOOLS = {
  tools: [
    { name: "reads", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } },
    { name: "acts", inputSchema: { type: "object" } },
  ],
};

const INITIALIZED = {
  protocolVersion: "2025-06-18",
  capabilities: { tools: { listChanged: true }, prompts: {} },
  serverInfo: { name: "scripted", version: "1" },
};

/** The client of a {@linkcode Bridge}, which records what it receives, in order. */
class MemoryClient implements ClientPort {
  readonly told: JsonObject[] = [];
  /** Each line that was sent as text. */
  readonly lines: string[] = [];
  /** Each line it was to read again. */
  readonly readAgain: string[] = [];
  queuedChars = 0;
  room = Promise.withResolvers<void>();

  sendText(text: string): void {
    this.lines.push(text);
    this.told.push(JSON.parse(text));
  }

  sendUtf8(line: Uint8Array): void {
    this.sendText(new TextDecoder().decode(line).trim());
  }

  read(line: Line): void {
    this.readAgain.push(line.text);
  }

  send(message: RpcMessage): void {
    this.told.push(message as unknown as JsonObject);
  }

  /** The ids of what it was refused, as they were written. */
  readonly refused: string[] = [];

  refuse(idText: string, { code, message, details, retryAfterMs }: ExaiError): void {
    this.refused.push(idText);
    this.told.push({
      id: JSON.parse(idText),
      refused: code,
      message,
      details: details as JsonObject,
      retryAfterMs,
    });
  }

  flushed(): Promise<void> {
    return this.room.promise;
  }

  /** What it was told since it was last asked. */
  take(): JsonObject[] {
    return this.told.splice(0);
  }
}

const SETTINGS: Omit<BridgeOptions, "onDemand"> = {
  advice: "Start it.",
  connectTimeoutMs: 60_000,
  resumeWindowMs: 120_000,
  shimRpcTimeoutMs: 0,
  maxQueuedBytes: 1000,
  maxFrameBytes: 5000,
  pingIntervalMs: 60_000,
  pingTimeoutMs: 60_000,
  sessionId: "",
  server: "",
  cwd: "/work",
};

/** A bridge with both its ends in this process, over whatever daemons the test gives it. */
export class MemoryWindow implements Disposable {
  readonly client = new MemoryClient();
  readonly bridge: Bridge;
  daemon = new MemoryDaemon();
  /** How often a request waited for a daemon. */
  demands = 0;

  constructor(settings: Partial<BridgeOptions> = {}) {
    const onDemand = () => void this.demands++;
    this.bridge = new Bridge(this.client, { ...SETTINGS, onDemand, ...settings });
  }

  /** One whose client has initialized and asked for the tools. */
  static async ready(settings: Partial<BridgeOptions> = {}, ack: JsonObject = {}): Promise<MemoryWindow> {
    const window = new MemoryWindow(settings);
    await window.connect(ack);
    window.ask("initialize", INITIALIZE, "i");
    await window.turn();
    window.answer(INITIALIZED);
    window.write({ method: "notifications/initialized" });
    window.ask("tools/list", {}, "t");
    await window.turn();
    window.daemon.answer({ id: "t" }, TOOLS);
    window.daemon.take();
    window.client.take();
    return window;
  }

  /** Connects to the next daemon, which welcomes with `ack`. */
  async connect(ack: JsonObject = {}): Promise<MemoryDaemon> {
    this.daemon = new MemoryDaemon();
    this.bridge.onConnect(this.daemon.link(ack));
    await this.turn();
    return this.daemon;
  }

  /** Connects to a daemon that has not met the client, and lets it meet it; what it was sent then of the client's. */
  async meet(ack: JsonObject = {}): Promise<JsonObject[]> {
    const daemon = await this.connect(ack);
    const [initialize] = daemon.take();
    daemon.answer(initialize!, INITIALIZED);
    await this.turn();
    return daemon.take().filter(({ id, method }) => {
      return !String(id).startsWith("exai-shim-") && method !== "notifications/initialized";
    });
  }

  /** Cuts the connection. */
  cut(code?: number, reason?: string): void {
    this.bridge.onDisconnect({ code: code ?? 1006, reason: reason ?? "" });
  }

  /** The client writes a message; what it holds besides is its own. */
  write(message: JsonObject, bytes?: number): void {
    this.writeText(JSON.stringify({ jsonrpc: "2.0", ...message }), bytes);
  }

  /** The client writes the message `text`. */
  writeText(text: string, bytes?: number): void {
    const reading = readClientText(text);
    if (reading.kind !== "message") throw new Error(text);
    this.bridge.handleMessage(reading.message, { text, bytes: bytes ?? text.length });
  }

  ask(method: string, params: JsonObject = {}, id: RequestId = 1, bytes?: number): void {
    this.write({ id: jsonId(id), method, params }, bytes);
  }

  call(name: string, id: RequestId = 1, bytes?: number): void {
    this.ask("tools/call", { name }, id, bytes);
  }

  /** The daemon answers the last request. */
  answer(result: JsonObject = {}): void {
    this.daemon.answer(this.daemon.take().findLast(({ id, method }) => method && id !== undefined)!, result);
  }

  /** Lets what is under way within this process go on. */
  turn(): Promise<void> {
    return new Promise((resolve) => setRealTimeout(resolve, 0));
  }

  [Symbol.dispose](): void {
    // Takes their timers along.
    this.bridge.failAll();
    this.cut();
  }
}
