import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../../lib/base/json.ts";
import { ArrivalQueue } from "./arrival_queue.ts";

const program = fromFileUrl(new URL("../../fixtures/piped_server.ts", import.meta.url));

/** The name of its tool and of its prompt, as JSON. */
export const OWN_NAME = '"version"';

/** A message as the server got it, and the way back: what is said goes to whoever sent it. */
export interface Arrival {
  text: string;
  say(text: string): void;
}

/**
 * A mounted server of the test's own process that reads and writes texts. It answers by itself what a daemon asks to
 * know it, and leaves everything else to the test.
 */
export interface VerbatimServer extends AsyncDisposable {
  /** Its entry in mcp.json. */
  readonly entry: JsonObject;
  /** The next message that it does not answer by itself. */
  next(signal?: AbortSignal): Promise<Arrival>;
  /** Says something that belongs to no request. */
  sayAlone(text: string): void;
}

/**
 * What `name` answers by itself. Its tool and its prompt have a name that EXAI has too, so that the merged catalog gives
 * them another. The numbers in its lists are to be kept.
 */
function answersOf(name: string): Readonly<Record<string, string>> {
  const capabilities =
    '{"tools":{},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"x-things":{}}';
  const schema =
    '{"type":"object","properties":{"n":{"type":"number","default":1.0,"maximum":9007199254740993,"minimum":-1e2}}}';
  return {
    initialize:
      `{"protocolVersion":"2025-11-25","capabilities":${capabilities},"serverInfo":{"name":"${name}","version":"1"}}`,
    ping: "{}",
    "logging/setLevel": "{}",
    "tools/list":
      `{"tools":[{"name":${OWN_NAME},"description":"of ${name}","inputSchema":${schema},"execution":{"taskSupport":"optional"}},{"name":"hidden","inputSchema":${schema}},{"name":"od d\\"\\u00e9","description":"quoted","inputSchema":${schema}}]}`,
    "prompts/list":
      `{"prompts":[{"name":${OWN_NAME},"description":"of ${name}","arguments":[{"name":"a"}],"_meta":{"n":1.0}}]}`,
    "resources/list":
      `{"resources":[{"uri":"${name}://one%20two?a=b#c","name":"one","size":9007199254740993}]}`,
    "resources/templates/list":
      `{"resourceTemplates":[{"uriTemplate":"${name}://{id}","name":"t","annotations":{"priority":1.0}}]}`,
  };
}

/** Takes in what arrives at the server `name`. */
class Intake {
  readonly #answers: Readonly<Record<string, string>>;
  readonly #arrived = new ArrivalQueue<Arrival>();

  constructor(name: string) {
    this.#answers = answersOf(name);
  }

  next(signal?: AbortSignal): Promise<Arrival> {
    return this.#arrived.next(signal);
  }

  take(arrival: Arrival): void {
    const { id, method } = JSON.parse(arrival.text) as JsonObject;
    const answer = this.#answers[String(method)];
    const begin = `{"jsonrpc":"2.0","id":${JSON.stringify(id)}`;
    if (answer !== undefined) arrival.say(`${begin},"result":${answer}}`);
    else if (method === "server/discover") {
      arrival.say(`${begin},"error":{"code":-32601,"message":"Method not found"}}`);
    } else if (method !== "notifications/initialized") this.#arrived.put(arrival);
  }
}

/** A server that is a program, named `name`. */
export function stdioServer(name: string): VerbatimServer {
  const intake = new Intake(name);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const writers: WritableStreamDefaultWriter<Uint8Array>[] = [];
  const serve = async (connection: Deno.Conn) => {
    const writer = connection.writable.getWriter();
    writers.push(writer);
    const say = (text: string) => void writer.write(new TextEncoder().encode(`${text}\n`)).catch(() => {});
    for await (const text of linesOf(connection.readable)) intake.take({ text, say });
  };
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) serving.push(serve(connection).catch(() => {}));
  })().catch(() => {});
  const { port } = listener.addr;
  return {
    entry: {
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", program, String(port)],
      share: "machine",
    },
    next: (signal) => intake.next(signal),
    sayAlone: (text) => void writers.at(-1)!.write(new TextEncoder().encode(`${text}\n`)),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(writers.map((writer) => writer.abort().catch(() => {})));
      await Promise.all(serving);
    },
  };
}

async function* linesOf(readable: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const parts: string[] = [];
  for await (const text of readable.pipeThrough(new TextDecoderStream())) {
    const [first, ...others] = text.split("\n");
    parts.push(first!);
    for (const next of others) {
      yield parts.splice(0).join("");
      parts.push(next);
    }
  }
}

/** A server behind a URL, named `name`: what it says before an answer makes that an event stream. */
export function urlServer(name: string): VerbatimServer {
  const intake = new Intake(name);
  const streams: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>[] = [];
  const ending = new AbortController();
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", signal: ending.signal, onListen: () => {} },
    async (request) => {
      if (request.method === "GET") return new Response(eventStream(streams), EVENTS);
      if (request.method !== "POST") return new Response();
      const text = await request.text();
      const isQuestion = "id" in JSON.parse(text) && "method" in JSON.parse(text);
      if (isQuestion) return await new Promise((resolve) => intake.take({ text, say: responder(resolve) }));
      intake.take({ text, say: () => {} });
      return new Response(null, { status: 202 });
    },
  );
  return {
    entry: { url: `http://127.0.0.1:${server.addr.port}/mcp` },
    next: (signal) => intake.next(signal),
    sayAlone: (text) => streams.at(-1)!.enqueue(event(text)),
    async [Symbol.asyncDispose]() {
      ending.abort();
      await server.finished;
    },
  };
}

const EVENTS = { headers: { "content-type": "text/event-stream", "mcp-session-id": "s" } };
const ANSWER = { headers: { "content-type": "application/json", "mcp-session-id": "s" } };

const event = (text: string) => new TextEncoder().encode(`event: message\ndata: ${text}\n\n`);

function eventStream(streams: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>[]) {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      streams.push(controller);
      controller.enqueue(new TextEncoder().encode(": open\n\n"));
    },
  });
}

/** Says what belongs to one request in its response. */
function responder(resolve: (response: Response) => void): Arrival["say"] {
  const streams: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>[] = [];
  return (text) => {
    const isAnswer = !("method" in JSON.parse(text));
    if (streams.length === 0 && isAnswer) return resolve(new Response(text, ANSWER));
    if (streams.length === 0) resolve(new Response(eventStream(streams), EVENTS));
    streams[0]!.enqueue(event(text));
    if (isAnswer) streams[0]!.close();
  };
}
