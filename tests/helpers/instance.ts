import type { JsonObject } from "../../lib/base/json.ts";
import { askOnce, type AskOptions, type Call, type Caller } from "../../lib/call/call.ts";
import { Instance } from "../../lib/upstream/instance/instance.ts";
import type { InstanceOptions } from "../../lib/upstream/instance/instance_options.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import { valueOf } from "../../lib/wire/raw_object.ts";
import type { Result, RpcMessage, RpcRequest } from "../../lib/wire/rpc.ts";
import { call } from "./call.ts";

/** The server side of an upstream, played by a test: what it received, and what it sends. */
export class Upstream implements UpstreamTransport {
  onmessage?: (message: RpcMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onlost?: (why: string) => void;
  onresumed?: () => void;
  readonly pid: number | undefined = 4711;
  readonly listening: string | undefined = "open";
  readonly sent: RpcMessage[] = [];
  revision: string | undefined;
  isClosed = false;
  /** What it can do, as it says to `initialize`. */
  capabilities: JsonObject = { tools: {}, logging: {}, resources: { subscribe: true } };
  /** Answers requests at once; undefined: not at all. */
  answer: (request: RpcRequest) => Result | undefined = () => undefined;
  /** Thrown in place of sending. */
  fault: unknown;
  start: () => Promise<void> = () => Promise.resolve();
  describeEnd?: () => string;

  send(message: RpcMessage): Promise<void> {
    if (this.fault !== undefined) return Promise.reject(this.fault);
    if (this.isClosed) return Promise.reject(new Error("it is being stopped"));
    this.sent.push(message);
    if ("method" in message && "id" in message) this.#respond(message);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  setProtocolVersion(revision: string): void {
    this.revision = revision;
  }

  /** Says something, as the upstream. */
  say(message: object): void {
    this.onmessage!({ jsonrpc: "2.0", ...message } as RpcMessage);
  }

  /** What it was sent of `method` last. */
  last(method: string): RpcRequest {
    return this.sent.findLast((message) => "method" in message && message.method === method) as RpcRequest;
  }

  /** What it was answered to its request `id`. */
  answered(id: unknown): Result | undefined {
    return this.sent.find((message) => !("method" in message) && message.id === id) as Result | undefined;
  }

  #respond(request: RpcRequest): void {
    const answer = request.method === "initialize"
      ? {
        result: {
          protocolVersion: "2025-11-25",
          capabilities: this.capabilities,
          serverInfo: { name: "it", version: "1" },
        },
      }
      : this.answer(request);
    if (answer) this.say({ id: request.id, ...answer });
  }
}

/** A window that records notifications and requests, and answers as the test says. */
export class Window {
  readonly heard: { method: string; params: JsonObject | undefined }[] = [];
  readonly asked: { method: string; params: JsonObject; by: "call" | "session"; options?: AskOptions }[] = [];
  answer: (method: string, params: JsonObject) => Promise<Result> = () =>
    Promise.resolve({ result: { action: "accept" } });
  readonly caller: Caller;

  constructor(id: string, capabilities: JsonObject = {}, more: Partial<Caller> = {}) {
    this.caller = {
      ...call().caller,
      id,
      capabilities,
      notify: (method, params) => void this.heard.push({ method, params: params && valueOf(params) }),
      ask: (method, params, options) =>
        this.#ask({ method, params: valueOf(params), by: "session", options }),
      ...more,
    };
  }

  call(parts: Partial<Call> = {}): Call {
    return call({
      caller: this.caller,
      notify: (method, params) => void this.heard.push({ method, params: valueOf(params) }),
      ask: (method, params, options) => this.#ask({ method, params: valueOf(params), by: "call", options }),
      ...parts,
    });
  }

  #ask(question: Window["asked"][number]): Promise<Result> {
    return askOnce(question.options, () => {
      this.asked.push(question);
      return this.answer(question.method, question.params);
    });
  }
}

/** A running instance of an {@linkcode Upstream}, with what it logs. */
export async function instanceOf(
  options: Partial<InstanceOptions> & { upstream?: Upstream } = {},
): Promise<{ instance: Instance; upstream: Upstream; logged: string[] }> {
  const { upstream = new Upstream(), ...more } = options;
  const logged: string[] = [];
  const instance = await Instance.start(upstream, {
    name: "it",
    clientInfo: { name: "exai", version: "1" },
    capabilities: { elicitation: {}, sampling: {} },
    roots: undefined,
    startTimeoutMs: 1000,
    era: { is: "configured", era: "legacy" },
    refusalAdvice: "call again",
    settleMs: 0,
    log: (line) => void logged.push(line),
    onListChanged: () => {},
    ...more,
  });
  return { instance, upstream, logged };
}

/** Resolves when all pending work is done. */
export const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
