import { beginningOf } from "../../base/http_response.ts";
import { parseJson } from "../../base/json.ts";
import { KIB } from "../../base/units.ts";
import { EventLines } from "./event_lines.ts";

/** The part of a web page that is read. */
const MAX_PAGE_BYTES = 64 * KIB;

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
  readonly #lines = new EventLines();

  private constructor(response: Response, kind: { page?: string; isWhole?: boolean }) {
    const { page, isWhole = false } = kind;
    this.page = page;
    this.isWhole = isWhole;
    this.response = isWhole || page !== undefined ? response : this.#tidied(response);
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
    if (!isDocument) {
      return new EventBody(new Response(null), {
        page: await beginningOf(new Response(body), MAX_PAGE_BYTES).text(),
      });
    }
    const text = await new Response(body).text();
    return new EventBody(new Response(toEvents(text), { headers }), { isWhole: true });
  }

  /** Whether the end of the events was marked. */
  get hasEnded(): boolean {
    return this.isWhole || this.#lines.hasEnded;
  }

  #tidied(response: Response): Response {
    if (response.body === null) return response;
    const decoder = new TextDecoder();
    const encoder = new TextEncoder();
    const tidy = new TransformStream<Bytes, Bytes>({
      transform: (chunk, controller) => {
        const text = this.#lines.add(decoder.decode(chunk, { stream: true }));
        if (text !== "") controller.enqueue(encoder.encode(text));
        // Some servers leave the connection open.
        if (this.#lines.hasEnded) controller.terminate();
      },
      flush: (controller) => controller.enqueue(encoder.encode(this.#lines.end())),
    });
    return new Response(response.body.pipeThrough(tidy), { headers: response.headers });
  }
}

/** One document as one event; lines of JSON, or a list of events, as an event each. */
function toEvents(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const isLines = lines.length > 1 &&
    lines.every((line) => line.startsWith("{") && line.trimEnd().endsWith("}"));
  const events = isLines ? lines : listed(text) ?? [text.replace(/[\r\n]+/g, " ")];
  return events.map((event) => `data: ${event.trim()}\n\n`).join("");
}

/** The objects of a list, as Gemini sends its events where it is not asked for a stream of them. */
function listed(text: string): string[] | undefined {
  if (!text.trimStart().startsWith("[")) return undefined;
  const events = parseJson(text);
  return Array.isArray(events) ? events.map((event) => JSON.stringify(event)) : undefined;
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
