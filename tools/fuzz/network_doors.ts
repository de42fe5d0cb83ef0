import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { checkEnvelope } from "../../lib/wire/rpc.ts";
import { type Door, Expected, isId, type OpenDoor, parse, until, Violation } from "./door.ts";
import { pick, type Random } from "./frames.ts";
import { HOSTILE_TEXTS } from "./texts.ts";
import { WholeDaemon, type WholeDaemonOptions } from "./whole_daemon.ts";

/** A whole daemon through a real WebSocket. */
export const SOCKET_DOOR: Door = {
  name: "websocket",
  share: 0.02,
  // The last to fill is the record of calls' table of names, with ten new ones in a thousand frames; it holds a thousand.
  fillFrames: 100_000,
  open: (onfault) =>
    openDaemon({ onfault }, (daemon) => ({ batch: (frames) => overSocket(daemon.url, frames) })),
};

/** A whole daemon through Streamable HTTP, one request for each frame, several at a time. */
export const HTTP_DOOR: Door = {
  name: "http",
  share: 0.01,
  open: (onfault) =>
    openDaemon({ onfault }, (daemon) => ({
      batch: (frames, random) => new HttpBatch(daemon.url, random).run(frames),
    })),
};

/** A door that leads to a whole daemon, with a bystander who calls during each batch. */
export async function openDaemon(
  options: WholeDaemonOptions,
  make: (daemon: WholeDaemon) => Pick<OpenDoor, "batch">,
): Promise<OpenDoor> {
  const daemon = await WholeDaemon.open(options);
  const { batch } = make(daemon);
  return {
    async batch(frames, random) {
      daemon.bystander.call();
      await batch(frames, random);
      await daemon.bystander.check();
    },
    inspect: () => daemon.inspect(),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

async function overSocket(url: string, frames: readonly string[]): Promise<void> {
  const socket = new WebSocket(url);
  const expected = new Expected({ opsToo: true });
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let end: string | undefined;
  socket.onopen = () => opened.resolve();
  socket.onclose = ({ code, reason }) => {
    end = `${code} ${reason}`;
    opened.reject(new Violation(`not let in: ${end}`));
    closed.resolve();
  };
  socket.onmessage = ({ data }) => {
    const message = parse(data) as JsonObject | undefined;
    if (String(message?.id).startsWith("bystander")) end ??= "it got the answer to a bystander's call";
    if (message?.jsonrpc !== undefined && message.method === undefined) expected.got(message.id);
  };
  await opened.promise;
  const send = (text: string) => {
    // What goes over a socket is well-formed; what was not is by then.
    expected.sent(parse(text.toWellFormed()));
    socket.send(text);
  };
  send(JSON.stringify({ op: "hello", client: "fuzz" }));
  for (const frame of frames) send(frame);
  send(JSON.stringify({ jsonrpc: "2.0", id: "the last ping", method: "ping" }));
  await until(() => expected.isMet || end !== undefined);
  if (end !== undefined) throw new Violation(`the connection was ended: ${end}`);
  expected.check();
  socket.close();
  await closed.promise;
}

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "fuzz", version: "1" },
};
/** Requests on their way at once: with one at a time the daemon waits for the client most of the time. */
const AT_ONCE = 24;
const ANSWER_MS = 15_000;
const STRANGE_SESSION = 0.02;

/** One session over HTTP. */
class HttpBatch {
  readonly #url: URL;
  readonly #random: Random;
  /** Ids of requests that a cancellation names: their streams end without an answer. */
  readonly #cancelled = new Set<Json>();
  #session = "";

  constructor(url: string, random: Random) {
    this.#url = new URL("/mcp", url.replace(/^ws/, "http"));
    this.#random = random;
  }

  async run(frames: readonly string[]): Promise<void> {
    const params = { ...INITIALIZE };
    const first = await this.#post(
      JSON.stringify({ jsonrpc: "2.0", id: "first", method: "initialize", params }),
    );
    this.#session = first.session;
    const queue = frames.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const frame of queue) await this.#try(frame.toWellFormed());
    }));
    const { text } = await this.#post(JSON.stringify({ jsonrpc: "2.0", id: "last", method: "ping" }));
    if (!text.includes('"last"')) throw new Violation(`a ping had no answer but ${text.slice(0, 200)}`);
    const headers = { "mcp-session-id": this.#session };
    await (await fetch(this.#url, { method: "DELETE", headers })).body?.cancel();
  }

  async #try(frame: string): Promise<void> {
    const value = parse(frame);
    this.#noteCancellation(value);
    const isStrange = this.#random() < STRANGE_SESSION;
    const session = isStrange ? headerText(pick(HOSTILE_TEXTS, this.#random)) : this.#session;
    const { status, text, answers } = await this.#post(frame, session);
    if (status >= 500) throw new Violation(`${status} to ${frame}: ${text.slice(0, 200)}`);
    if (isStrange || !isObject(value) || typeof checkEnvelope(value) === "string") return;
    if (!isId(value.id) || typeof value.method !== "string") return;
    const own = answers.filter((answer) => isObject(answer) && answer.id === value.id).length;
    if (own > 1) throw new Violation(`${own} answers to ${frame}`);
    if (own === 0 && status === 200 && !this.#cancelled.has(value.id)) {
      throw new Violation(`no answer to ${frame}, but ${JSON.stringify(text.slice(0, 200))}`);
    }
  }

  #noteCancellation(value: Json | undefined): void {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (!isObject(item) || item.method !== "notifications/cancelled" || !isObject(item.params)) continue;
      if (item.params.requestId !== undefined) this.#cancelled.add(item.params.requestId);
    }
  }

  async #post(body: string, session = this.#session) {
    const response = await fetch(this.#url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2025-11-25",
        ...(session === "" ? {} : { "mcp-session-id": session }),
      },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await response.text().catch((thrown) => {
      throw new Violation(`the answer to ${body.slice(0, 300)} does not end: ${thrown.message}`);
    });
    const answers = response.headers.get("content-type")?.startsWith("text/event-stream")
      ? text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => parse(line.slice(6)))
      : [parse(text)].flat();
    return { status: response.status, text, answers, session: response.headers.get("mcp-session-id") ?? "" };
  }
}

/** What of `text` can stand in a header at all. */
function headerText(text: string): string {
  return text.replace(/[^\t\u0020-\u007e\u0080-\u00ff]/g, "").trim() || "none";
}
