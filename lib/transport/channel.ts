/**
 * One connection that carries text frames: what the session room needs of a WebSocket. `send` never throws and
 * never blocks; a peer that does not read is dropped instead (close code 4009).
 */
export interface FrameChannel {
  send(text: string): void;
  close(code: number, reason: string): void;
  /** Bytes queued for a peer that has not read them yet. */
  readonly queuedBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  onframe?: (text: string) => void;
  /** A frame that cannot be a message: binary data. */
  onbadframe?: (reason: string) => void;
  /** Called once. `clean` is false when the connection was cut without a close frame. */
  onclose?: (end: ChannelEnd) => void;
}

export interface ChannelEnd {
  code: number;
  wasClean: boolean;
}
