import type { JsonObject } from "../../lib/base/json.ts";
import type { Call } from "../../lib/call/call.ts";
import { attachExai, type AttachHooks, type HelloContext } from "../../lib/session/hello.ts";
import { type RegistryOptions, SessionRegistry } from "../../lib/session/registry.ts";
import type { ChannelEnd, FrameChannel } from "../../lib/transport/channel.ts";
import { valueOf } from "../../lib/wire/raw_object.ts";
import type { Result } from "../../lib/wire/rpc.ts";

/** A connection in memory, seen from the client's end. */
export class MemoryChannel implements FrameChannel {
  queuedBytes = 0;
  bytesIn = 0;
  bytesOut = 0;
  onframe?: (text: string) => void;
  onbytes?: (text: string) => void;
  onbadframe?: (reason: string) => void;
  onclose?: (end: ChannelEnd) => void;
  /** Code and reason, if the daemon has closed it. */
  closed: [number, string] | undefined;
  readonly frames: string[] = [];

  send(data: string | Uint8Array): void {
    this.bytesOut += data.length;
    this.frames.push(typeof data === "string" ? data : new TextDecoder().decode(data).trim());
  }

  close(code: number, reason: string): void {
    this.closed = [code, reason];
  }

  /** The client sends a frame. */
  say(frame: unknown): void {
    const text = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.bytesIn += text.length;
    this.onframe?.(text);
  }

  /** The messages that have come since the last time. */
  take(): JsonObject[] {
    return this.frames.splice(0).flatMap((frame) => frame.split("\n")).map((line) => JSON.parse(line));
  }
}

/** What a daemon does for its connections, and what it was asked to. */
export function daemonHooks(parts: Partial<AttachHooks> = {}, options: Partial<RegistryOptions> = {}) {
  const registry = new SessionRegistry({
    resumeWindowMs: 1000,
    idleMs: 0,
    maxFrameBytes: 10_000,
    ...options,
  });
  const calls: Call[] = [];
  const notified: unknown[] = [];
  /** Answers a call; the same for each until another is put in its place. */
  const daemon = {
    answer: (_call: Call): Promise<Result> | Result => ({ result: { content: [] } }),
  };
  const hooks: AttachHooks = {
    registry,
    helloTimeoutMs: 5000,
    daemon: { version: "9", pid: 42 },
    limits: { max_bytes: 10_000, session_max_inflight: 3, call_timeout_ms: 7 },
    daemonId: "this-daemon",
    authenticate: () => true,
    challenge: ({ endpoint, clientNonce }) => ({
      answer: { nonce: "n", door: endpoint, proofs: [clientNonce] },
      tokenOf: (proof) => `token of ${proof}`,
    }),
    command: () => Promise.resolve(new Response("answer")),
    target: async (call) => {
      calls.push(call);
      return await daemon.answer(call);
    },
    health: () => Promise.resolve({ status: "ok" }),
    rotateToken: () => Promise.resolve(true),
    onNotification: ({ id }, method, params) => notified.push([id, method, valueOf(params)]),
    ...parts,
  };
  /** A new connection to the listener. */
  const connect = (context?: HelloContext) => {
    const channel = new MemoryChannel();
    attachExai(channel, hooks, context);
    return channel;
  };
  /** One that has said hello, its acknowledgement, and what followed. */
  const hello = (more: JsonObject = {}): [MemoryChannel, JsonObject, ...JsonObject[]] => {
    const channel = connect();
    channel.say({ op: "hello", ...more });
    return [channel, ...channel.take() as [JsonObject, ...JsonObject[]]];
  };
  return { hooks, registry, calls, notified, daemon, connect, hello };
}

/** Lets everything run that waits for no timer. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
