import type { FrameChannel } from "../transport/channel.ts";

const NUDGE = JSON.stringify({ op: "nudge" });
const NUDGE_DELAY_MS = 1;

/**
 * Works around Nagle's algorithm, which Deno's WebSocket client leaves on: the client's TCP holds a small message back
 * until the one before it is acknowledged. An acknowledgement travels with any frame sent, alone only after 40 ms or
 * more (delayed ACK, RFC 1122, 4.2.3.2). So a frame that gets no immediate answer is answered with a `nudge` op.
 *
 * @returns a function to call with each frame received
 */
export function createNudger(channel: FrameChannel): () => void {
  let bytesOutBefore = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const nudge = () => {
    timer = undefined;
    if (channel.bytesOut === bytesOutBefore) channel.send(NUDGE);
  };
  return () => {
    bytesOutBefore = channel.bytesOut;
    timer ??= setTimeout(nudge, NUDGE_DELAY_MS);
  };
}
