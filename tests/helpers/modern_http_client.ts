import type { Json, JsonObject } from "../../lib/base/json.ts";
import { requestHeaders } from "../../lib/wire/headers.ts";
import { modernRequest, type Said } from "./modern.ts";

/** What a client declares that asks for its tasks itself. */
export const FOLLOWS_TASKS: JsonObject = { extensions: { "io.modelcontextprotocol/tasks": {} } };

/** A client of the modern era over HTTP: a request, and its answer. */
export class ModernHttpClient {
  readonly #url: string;
  readonly #said: Said;
  readonly #headers: Record<string, string>;
  #lastId = 0;

  /** @param http the address of the daemon, `http://host:port/` */
  constructor(http: string, said: Said = {}, headers: Record<string, string> = {}, path = "/mcp") {
    this.#url = new URL(path, http).href;
    this.#said = said;
    this.#headers = headers;
  }

  /** The answer to a request: what comes before it is left out. */
  async ask(method: string, params: JsonObject = {}): Promise<JsonObject> {
    const response = await this.#post(method, params);
    return messagesIn(await response.text()).at(-1)!;
  }

  /** Listens; until it is disposed. */
  async listen(params: JsonObject): Promise<Listening> {
    const controller = new AbortController();
    const { body } = await this.#post("subscriptions/listen", params, controller.signal);
    return new Listening(body!, controller);
  }

  async #post(method: string, params: JsonObject, signal?: AbortSignal): Promise<Response> {
    const request = modernRequest(++this.#lastId, method, params, this.#said);
    return await fetch(this.#url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...requestHeaders(request as never),
        ...this.#headers,
      },
      body: JSON.stringify(request),
      signal,
    });
  }

  async result(method: string, params: JsonObject = {}): Promise<JsonObject> {
    const { result, error } = await this.ask(method, params);
    if (error) throw new Error(JSON.stringify(error));
    return result as JsonObject;
  }

  call(name: string, args: JsonObject = {}): Promise<JsonObject> {
    return this.result("tools/call", { name, arguments: args });
  }

  /** The task once its status is `status`. */
  async task(taskId: Json | undefined, status: string): Promise<JsonObject> {
    for (;;) {
      const task = await this.result("tasks/get", { taskId });
      if (task.status === status) return task;
    }
  }
}

/** What a listen is told. */
class Listening implements Disposable {
  readonly #controller: AbortController;
  readonly #chunks: AsyncIterator<string>;
  #text = "";

  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>, controller: AbortController) {
    this.#controller = controller;
    this.#chunks = body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  }

  /** All it was told, once that `isEnough`. */
  async next(isEnough: (messages: JsonObject[]) => boolean): Promise<JsonObject[]> {
    for (;;) {
      const whole = this.#text.slice(0, this.#text.lastIndexOf("\n\n") + 1);
      const messages = messagesIn(whole);
      if (whole !== "" && isEnough(messages)) return messages;
      const { value, done } = await this.#chunks.next();
      if (done) throw new Error(`the listen has ended after ${this.#text}`);
      this.#text += value;
    }
  }

  [Symbol.dispose](): void {
    this.#controller.abort();
  }
}

/** The messages in a body: one as JSON, or those of a stream of events. */
function messagesIn(body: string): JsonObject[] {
  if (body.startsWith("{")) return [JSON.parse(body)];
  const data = body.split("\n").filter((line) => line.startsWith("data:"));
  return data.map((line) => JSON.parse(line.slice("data:".length)));
}
