/**
 * One connection that carries frames of text, and of bytes if its client asked for that: the part of a WebSocket the
 * session room needs. `send` never throws and never blocks; a peer that does not read is disconnected (close code 4009).
 */
export interface FrameChannel {
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code: number, reason: string): void;
  /** Bytes queued that the peer has not read. */
  readonly queuedBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  onframe?: (text: string) => void;
  /** Takes the text of a frame of bytes; without it such a frame cannot be a message. */
  onbytes?: (text: string) => void;
  /** Called for a frame that cannot be a message: binary data. */
  onbadframe?: (reason: string) => void;
  /** Called once. `wasClean` is false when the connection was cut without a close frame. */
  onclose?: (end: ChannelEnd) => void;
}

export interface ChannelEnd {
  code: number;
  wasClean: boolean;
}

/** Decides on a pending connection when its hello arrives. */
export interface HelloAdmission {
  /** Called for a valid token, or where none is required. False: a limit is reached and the connection was closed. */
  tryAdmit(): boolean;
  /** Called for a valid hello: the connection is established. */
  admitted(): void;
  /** Called for a wrong token. True: the client may be sent the reason; false: the connection was closed. */
  mayReportRejection(): boolean;
}
