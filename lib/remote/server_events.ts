import { createParser } from "eventsource-parser";
import { isYieldDue, yieldToEventLoop } from "../base/event_loop.ts";

/** One event of a stream of Server-Sent Events. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string | undefined;
}

interface EventsOptions {
  /** The server says how long to wait before the stream is opened again. */
  onretry?(ms: number): void;
  /**
   * Ends the stream. The signal of its request alone does not do that for certain: once a body was wrapped the runtime may
   * collect what leads from the one to the other, and the connection would stay open for as long as its server likes.
   */
  signal?: AbortSignal;
}

/** The events of `body`, as they come. Ends when the stream does; throws when it is cut. */
export async function* eventsOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { onretry, signal }: EventsOptions = {},
): AsyncGenerator<ServerEvent, void> {
  let ready: ServerEvent[] = [];
  const parser = createParser({
    onEvent: ({ event = "message", data, id }) => ready.push({ event, data, id }),
    onRetry: onretry,
  });
  const unify = lineEndUnifier();
  for await (const text of body.pipeThrough(new TextDecoderStream(), { signal })) {
    parser.feed(unify(text));
    if (ready.length === 0) continue;
    const events = ready;
    ready = [];
    for (const event of events) {
      yield event;
      if (isYieldDue(event.data.length)) await yieldToEventLoop();
    }
  }
}

/**
 * Makes every line end with LF. The parser holds back a line that ends with CR until it sees whether LF follows, so the
 * last event of a server that writes CR would never come.
 */
export function lineEndUnifier(): (text: string) => string {
  let isAfterReturn = false;
  return (text) => {
    if (text === "" || (!isAfterReturn && !text.includes("\r"))) return text;
    const rest = isAfterReturn && text.startsWith("\n") ? text.slice(1) : text;
    isAfterReturn = text.endsWith("\r");
    return rest.replace(/\r\n?/g, "\n");
  };
}
