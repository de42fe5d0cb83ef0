import type { FrameChannel } from "../transport/channel.ts";
import { LineJoiner } from "../transport/line_joiner.ts";
import type { FrameSink } from "./replay_buffer.ts";

interface FrameSinkOptions {
  /** Whether several messages may go into one frame. */
  lines?: boolean;
  /** Whether a large message goes as UTF-8. */
  bytes?: boolean;
  /** Called before this side closes the connection, as when the client has resumed on another. */
  beforeClose(): void;
}

/** Where the messages of a session go while it has the connection `channel`. */
export function frameSink(
  channel: FrameChannel,
  { lines, bytes, beforeClose }: FrameSinkOptions,
): FrameSink {
  const send = (frame: string | Uint8Array<ArrayBuffer>) => channel.send(frame);
  const joiner = lines ? new LineJoiner(send, bytes ? send : undefined) : undefined;
  return {
    sendsAtTurnEnd: joiner !== undefined,
    send: joiner ? (text) => joiner.send(text) : send,
    close(code, reason) {
      beforeClose();
      joiner?.flush();
      channel.close(code, reason);
    },
  };
}
