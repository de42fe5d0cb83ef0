import type { LoggedEvent } from "./stream_events.ts";

/** A message as an event of a stream (MCP basic/transports); `id`: where a client that was cut off may resume it. */
export function eventText(text: string, id?: string): string {
  return `event: message\n${id === undefined ? "" : `id: ${id}\n`}data: ${text}\n\n`;
}

/** Events that were kept, written as they are read. */
export function eventStream(events: readonly LoggedEvent[]): ReadableStream<Uint8Array> {
  const texts = events.values().map(({ id, message }) => eventText(message.text, id));
  return ReadableStream.from(texts).pipeThrough(new TextEncoderStream());
}

/** `stream` with `text` before it. */
export function withPrefix(text: string, stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const head = new TextEncoder().encode(text);
  const prefix = new TransformStream(
    { start: (controller) => controller.enqueue(head) },
    undefined,
    { highWaterMark: 1 },
  );
  return stream.pipeThrough(prefix);
}
