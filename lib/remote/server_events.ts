import { createParser } from "eventsource-parser";
import { isYieldDue, yieldToEventLoop } from "../base/event_loop.ts";

/** One Server-Sent Event. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string | undefined;
}

interface EventsOptions {
  /** Called with the reconnection time the server asks for. */
  onRetry?(ms: number): void;
  /**
   * Ends the stream. The signal of its request is not enough: once a body is wrapped, the runtime may collect
   * the link between the two, and the connection would stay open for as long as the server likes.
   */
  signal?: AbortSignal;
}

/** Yields the events of `body`. Ends when the stream does; throws when it is cut. */
export async function* eventsOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { onRetry, signal }: EventsOptions = {},
): AsyncGenerator<ServerEvent, void> {
  let ready: ServerEvent[] = [];
  const parser = createParser({
    onEvent: ({ event = "message", data, id }) => ready.push({ event, data, id }),
    onRetry: onRetry,
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
 * Returns a function that makes every line of a text in parts end with LF. The parser holds back a line that
 * ends with CR until it sees whether LF follows, so the last event of a server that writes CR would never
 * come.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lineEndUnifier } from "./server_events.ts";
 *
 * const unify = lineEndUnifier();
 * assertEquals(["a\r", "\nb\r\n"].map(unify), ["a\n", "b\n"]);
 * ```
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
