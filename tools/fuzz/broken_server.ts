import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { chunk, eventStream, respond } from "./broken_http.ts";
import { parse } from "./door.ts";
import type { Random } from "./frames.ts";

/** How one call is answered. */
export interface Plan {
  frames: readonly string[];
  /** Where among the frames the right answer stands; undefined: there is none. */
  at: number | undefined;
  random: Random;
  /** Set when it has been answered: whether a client can have understood the answer. */
  intact?: boolean;
  /** How it was sent. */
  how?: string;
  /** Set when its caller has an answer. */
  isAnswered?: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** How often an answer is the last of its stream. */
const CUT = 0.002;
const TOOL = { inputSchema: { type: "object" } };

/** An MCP server over HTTP, both transports, on raw connections: its calls are answered as planned, all else well. */
export class BrokenServer implements AsyncDisposable {
  readonly plans = new Map<number, Plan>();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.TcpConn>();
  /** Open streams of the older transport. */
  readonly #streams = new Map<string, EventStream>();
  readonly #done: Promise<void>;
  #lastStream = 0;
  /** Answers sent so far: while it rises, nothing hangs. */
  sentCount = 0;

  constructor() {
    this.#done = this.#run();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#done;
  }

  async #run(): Promise<void> {
    const serving: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) serving.push(this.#serve(connection));
    } catch {
      // Closed.
    }
    await Promise.all(serving);
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    this.#connections.add(connection);
    try {
      for await (const { method, path, body } of requestsOf(connection)) {
        if (method === "GET") await this.#listen(connection, path);
        else if (method === "POST") await this.#answer(connection, path, parse(body));
        else await write(connection, plain("200 OK", ""));
      }
    } catch {
      // Cut.
    }
    this.#connections.delete(connection);
    close(connection);
  }

  async #listen(connection: Deno.TcpConn, path: string): Promise<void> {
    if (!path.startsWith("/sse")) return await write(connection, plain("405 Method Not Allowed", ""));
    const name = `/sse?s=${++this.#lastStream}`;
    const stream = new EventStream(connection);
    this.#streams.set(name, stream);
    const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    await stream.write([encoder.encode(head), chunk(encoder.encode(`event: endpoint\ndata: ${name}\n\n`))]);
  }

  async #answer(connection: Deno.TcpConn, path: string, message: Json | undefined): Promise<void> {
    const stream = this.#streams.get(path);
    if (stream) await write(connection, plain("202 Accepted", ""));
    if (!isObject(message) || message.id === undefined || message.method === undefined) {
      return stream ? undefined : await write(connection, plain("202 Accepted", ""));
    }
    const args = isObject(message.params) && isObject(message.params.arguments)
      ? message.params.arguments
      : {};
    const plan = message.method === "tools/call" ? this.plans.get(Number(args.plan)) : undefined;
    this.sentCount++;
    if (!plan) {
      const text = JSON.stringify(answerTo(message));
      if (stream) return await stream.write([chunk(encoder.encode(`data: ${text}\n\n`))]);
      return await write(connection, plain("200 OK", text));
    }
    if (stream) await this.#spoil(stream, messagesOf(plan, message), plan);
    else await this.#respond(connection, messagesOf(plan, message), plan);
  }

  async #respond(connection: Deno.TcpConn, messages: readonly string[], plan: Plan): Promise<void> {
    const { random } = plan;
    const asEvents = messages.length !== 1 || random() < 0.5;
    const events = asEvents ? eventStream(messages, random) : { text: messages[0]!, intact: true };
    const response = respond(events.text, asEvents ? "text/event-stream" : "application/json", random);
    plan.intact = response.intact && events.intact;
    plan.how = `${asEvents ? "events" : "JSON"}, ${response.how}`;
    await write(connection, response.bytes);
    if (response.then === "close") close(connection);
    if (response.then === "half-close") await connection.closeWrite();
  }

  /** On the one stream of a client: broken framing would end it for all calls, so it is rare. */
  async #spoil(stream: EventStream, messages: readonly string[], plan: Plan): Promise<void> {
    const { random } = plan;
    // Ended: another call's answer would otherwise be a piece of this one.
    const { text, intact } = eventStream(messages, random);
    plan.how = "an event of the one stream";
    plan.intact = intact && !stream.isCut;
    stream.plans.add(plan);
    const whole = chunk(encoder.encode(`${text.replace(/^\ufeff/, "").toWellFormed()}\n\n`));
    await stream.write([whole]).catch((thrown) => {
      plan.intact = false;
      throw thrown;
    });
    if (random() < CUT) await stream.cut();
  }
}

/** The one stream of a client: what is written to it at once goes one after the other, whole. */
class EventStream {
  /** What was answered on it. */
  readonly plans = new Set<Plan>();
  isCut = false;
  readonly #connection: Deno.TcpConn;
  #last: Promise<void> = Promise.resolve();

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  write(parts: readonly Uint8Array[]): Promise<void> {
    const written = this.#last.then(() => write(this.#connection, parts));
    this.#last = written.catch(() => {});
    return written;
  }

  /** Breaks its framing. Whatever its client has not read by then is lost with it. */
  async cut(): Promise<void> {
    this.isCut = true;
    await this.write([encoder.encode("no chunk\r\n")]).finally(() => close(this.#connection));
    for (const plan of this.plans) if (!plan.isAnswered) plan.intact = false;
    this.plans.clear();
  }
}

function messagesOf({ frames, at }: Plan, request: JsonObject): string[] {
  const messages = [...frames];
  if (at !== undefined) messages.splice(at, 0, JSON.stringify(answerTo(request)));
  return messages;
}

/** The right answer. */
export function answerTo({ id, method }: JsonObject): JsonObject {
  const tools = [{ name: "spoilt", ...TOOL }, { name: "steady", ...TOOL }];
  const results: Record<string, JsonObject> = {
    "initialize": {
      protocolVersion: "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "broken", version: "1" },
    },
    "tools/list": { tools },
    "tools/call": { content: [{ type: "text", text: "pong" }] },
  };
  return { jsonrpc: "2.0", id: id!, result: results[String(method)] ?? {} };
}

function plain(status: string, body: string): Uint8Array[] {
  const type = body === "" ? "" : "content-type: application/json\r\n";
  return [
    encoder.encode(
      `HTTP/1.1 ${status}\r\n${type}content-length: ${encoder.encode(body).length}\r\n\r\n${body}`,
    ),
  ];
}

async function write(connection: Deno.TcpConn, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    for (let at = 0; at < part.length;) at += await connection.write(part.subarray(at));
  }
}

/** The requests that come over a connection; their bodies must have a length. */
async function* requestsOf(connection: Deno.TcpConn) {
  const buffer = new Uint8Array(64 * 1024);
  let held: Uint8Array = new Uint8Array();
  for (;;) {
    const headEnd = indexOfBlank(held);
    const head = headEnd < 0 ? "" : decoder.decode(held.subarray(0, headEnd));
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (headEnd >= 0 && held.length >= headEnd + 4 + length) {
      const [method = "", path = ""] = head.split(" ");
      const body = decoder.decode(held.subarray(headEnd + 4, headEnd + 4 + length));
      held = held.slice(headEnd + 4 + length);
      yield { method, path, body };
      continue;
    }
    const count = await connection.read(buffer);
    if (count === null) return;
    const more = new Uint8Array(held.length + count);
    more.set(held);
    more.set(buffer.subarray(0, count), held.length);
    held = more;
  }
}

function indexOfBlank(bytes: Uint8Array): number {
  for (let at = 0; at + 3 < bytes.length; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
