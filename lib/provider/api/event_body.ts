import { beginningOf } from "../../base/http_response.ts";

/** What marks the end of a stream of chat completions. */
const END_MARK = /^data: ?\[DONE\]/m;

/** A longer line is no mark. */
const MAX_MARK_CHARS = 20;

/** The part of a web page that is read. */
const MAX_PAGE_BYTES = 65_536;

/** How a stream of events begins: with a field, or a comment. */
const EVENT_START = /^(?:data|event|id|retry)?:/;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The body of a response that should be a stream of events. Servers that know no streams send one JSON document, or a
 * line of JSON for each event, whatever they call it; a wrong URL leads to a web page.
 */
export class EventBody {
  /** A response that is a stream of events. */
  readonly response: Response;
  /** The beginning of a web page or a text, which the body is instead. */
  readonly page: string | undefined;
  /** Whether it is one whole document. */
  readonly isWhole: boolean;
  #hasEnded: boolean;
  #tail = "";

  private constructor(response: Response, kind: { page?: string; isWhole?: boolean }) {
    const { page, isWhole = false } = kind;
    this.page = page;
    this.isWhole = this.#hasEnded = isWhole;
    this.response = isWhole || page !== undefined ? response : this.#watch(response);
  }

  /** Reads as much of the body of `response` as tells what it is. */
  static async read(response: Response): Promise<EventBody> {
    // The packages take a response without a body for a fault of their own.
    if (response.body === null) return new EventBody(new Response(""), {});
    const reader = response.body.getReader();
    const first: Bytes[] = [];
    let start = "";
    while (start === "") {
      const { done, value } = await reader.read();
      if (done) break;
      first.push(value);
      start = new TextDecoder().decode(value).trimStart().replace("\uFEFF", "");
    }
    const body = continued(first, reader);
    const { headers } = response;
    const isDocument = start.startsWith("{") || start.startsWith("[");
    const isEvents = EVENT_START.test(start) || /event-stream/i.test(headers.get("content-type") ?? "");
    if (start === "" || (!isDocument && isEvents)) return new EventBody(new Response(body, { headers }), {});
    if (!isDocument && start !== "") {
      return new EventBody(new Response(null), {
        page: await beginningOf(new Response(body), MAX_PAGE_BYTES).text(),
      });
    }
    const text = await new Response(body).text();
    return new EventBody(new Response(toEvents(text), { headers }), { isWhole: true });
  }

  /** Whether the end of the events was marked. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  #watch(response: Response): Response {
    if (response.body === null) return response;
    const decoder = new TextDecoder();
    const watch = new TransformStream<Bytes, Bytes>({
      transform: (chunk, controller) => {
        controller.enqueue(chunk);
        const text = this.#tail + decoder.decode(chunk, { stream: true });
        // The mark may come in two chunks, so an unfinished line is kept until it is too long for it.
        if (text.includes("[DONE]") && END_MARK.test(text)) this.#hasEnded = true;
        const line = text.slice(text.lastIndexOf("\n") + 1);
        this.#tail = line.length > MAX_MARK_CHARS ? " " : line;
      },
    });
    return new Response(response.body.pipeThrough(watch), { headers: response.headers });
  }
}

/** One document as one event, or lines of JSON as an event each. */
function toEvents(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const isLines = lines.length > 1 &&
    lines.every((line) => line.startsWith("{") && line.trimEnd().endsWith("}"));
  const events = isLines ? lines : [text.replace(/[\r\n]+/g, " ")];
  return events.map((event) => `data: ${event.trim()}\n\n`).join("");
}

/** The parts that were read, and what follows them. */
function continued(
  first: readonly Bytes[],
  reader: ReadableStreamDefaultReader<Bytes>,
): ReadableStream<Bytes> {
  const parts = [...first];
  return new ReadableStream({
    async pull(controller) {
      const part = parts.shift();
      const { done, value } = part === undefined ? await reader.read() : { done: false, value: part };
      if (done) controller.close();
      else controller.enqueue(value!);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
