import { StdoutReader } from "../../lib/process/stdout_reader.ts";
import { StdioPeer } from "../../lib/transport/stdio.ts";
import { messageText, responseTo, type RpcMessage } from "../../lib/wire/rpc.ts";
import { isAnswer, readServerMessage } from "../../lib/wire/server_message.ts";
import { isObject, type Json } from "../../lib/base/json.ts";
import { parseLenient } from "../../lib/wire/lenient.ts";
import { type Door, Expected, type OpenDoor, parse, until, Violation } from "./door.ts";
import type { Random } from "./frames.ts";

const encoder = new TextEncoder();
const MAX_LINE_BYTES = 1024 * 1024;

/** The shim's stdin, whose every request is answered. */
export const STDIN_DOOR: Door = { name: "stdin", share: 0.05, open: () => Promise.resolve(new StdinDoor()) };

/** What a mounted server writes to its stdout. */
export const STDOUT_DOOR: Door = {
  name: "stdout",
  share: 0.05,
  open: () => Promise.resolve(new StdoutDoor()),
};

class StdinDoor implements OpenDoor {
  async batch(frames: readonly string[], random: Random): Promise<void> {
    const expected = new Expected({ opsToo: false });
    const reading = Promise.withResolvers<void>();
    let take: (chunk: Uint8Array) => unknown = () => {};
    let written = "";
    const decoder = new TextDecoder();
    const peer = new StdioPeer({
      input: { readAll: (given) => (take = given, reading.promise) },
      output: {
        write(data) {
          written += decoder.decode(data, { stream: true });
          return Promise.resolve(data.length);
        },
      },
    }, {
      onMessage(message) {
        if (message.kind !== "request") return;
        queueMicrotask(() => peer.sendText(messageText(responseTo(message.id, { result: {} }))));
      },
      onEnd: () => {},
      revision: () => "2025-03-26",
    });
    await peer.start();
    for (const line of linesOf(frames)) {
      const value = parse(line);
      // This client's revision has batches.
      for (const item of Array.isArray(value) ? value : [value]) expected.sent(item);
    }
    for (const chunk of chunksOf(frames, random)) await take(chunk);
    reading.resolve();
    await until(() => peer.queuedChars === 0);
    await peer.flushed();
    for (const line of written.split("\n")) {
      if (line === "") continue;
      const answer = parse(line);
      if (!isObject(answer)) throw new Violation(`stdout held what is no message: ${line}`);
      expected.got(answer.id);
    }
    expected.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

class StdoutDoor implements OpenDoor {
  async batch(frames: readonly string[], random: Random): Promise<void> {
    let messages = 0;
    let refused = 0;
    const inbox = new StdoutReader({
      server: "fuzz",
      maxLineBytes: MAX_LINE_BYTES,
      onMessage: (message) => isForNoJson(message) ? refused++ : messages++,
      onRefused: () => {},
      onError: () => {},
      onNoise: () => {},
    });
    let expected = 0;
    let unparsable = 0;
    let cleanable = 0;
    for (const line of linesOf(frames)) {
      let value: Json | undefined;
      try {
        value = parseLenient(line).value as Json;
      } catch {
        unparsable++;
        // deno-lint-ignore no-control-regex -- what a terminal puts around a line may be taken off
        if (/[\0\x1b\uFEFF\uFFFD]/.test(line)) cleanable++;
      }
      for (const item of Array.isArray(value) ? value : [value]) {
        if (!isObject(item) || (item.jsonrpc === undefined && !isAnswer(item))) continue;
        if (typeof readServerMessage(item, "fuzz") !== "string") expected++;
      }
    }
    for (const chunk of chunksOf(frames, random)) await inbox.take(chunk);
    inbox.end();
    if (messages < expected || messages > expected + cleanable) {
      throw new Violation(`${expected} messages went in and ${messages} came out`);
    }
    if (refused > unparsable) {
      throw new Violation(`${unparsable} lines were no JSON and ${refused} were answered`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Whether a message is what the inbox says in place of an answer that is no JSON. */
function isForNoJson(message: RpcMessage): boolean {
  return "error" in message && /: it is not JSON$/.test(message.error?.message ?? "");
}

/** The lines that the frames make when each is written with a newline. */
function linesOf(frames: readonly string[]): string[] {
  return frames.flatMap((frame) => frame.toWellFormed().split("\n"));
}

/** The frames as bytes, cut anywhere. */
function* chunksOf(frames: readonly string[], random: Random): Iterable<Uint8Array> {
  const bytes = encoder.encode(frames.join("\n") + "\n");
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + Math.floor(random() ** 4 * 64 * 1024);
    yield bytes.slice(at, end);
    at = end;
  }
}
