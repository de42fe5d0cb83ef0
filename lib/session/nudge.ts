import type { FrameChannel } from "../transport/channel.ts";

/** What is sent when there is nothing else to send. */
const NUDGE = JSON.stringify({ op: "nudge" });
const QUIET_MS = 1;

/**
 * For a client whose TCP holds a small message back until the one before it is acknowledged (Nagle's algorithm, which
 * Deno's own WebSocket client leaves on): an acknowledgement travels with whatever we send, and by itself only after
 * 40 ms and more. So when a frame has no answer at once, something is sent in its place.
 *
 * @returns what to call with each frame that arrives
 */
export function createNudger(channel: FrameChannel): () => void {
  let sentBefore = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const nudge = () => {
    timer = undefined;
    if (channel.bytesOut === sentBefore) channel.send(NUDGE);
  };
  return () => {
    sentBefore = channel.bytesOut;
    timer ??= setTimeout(nudge, QUIET_MS);
  };
}
