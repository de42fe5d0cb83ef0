import type { InboundQueue } from "../../lib/session/inbound_queue.ts";

/** Has `text` handled as a connection does: at once by `handle` while `queue` is idle, and from the queue otherwise. */
export function receive(queue: InboundQueue, handle: (text: string) => void, text: string): void {
  if (!queue.isIdle) return queue.push(text);
  handle(text);
  queue.handled(text.length);
}
