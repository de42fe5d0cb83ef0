/** A `requestState` with which work has begun that must not run twice (MCP basic/patterns/mrtr). */
export interface UsedState {
  /** Identifies the state. */
  readonly key: string;
  /** A digest of the answers it was sent with. */
  readonly answers: string;
  /** When it is refused anyway, in milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** The states that were used, of this daemon and of those before it, which outlive the daemon. */
export interface UsedStateRecords {
  /** Names this daemon in what is recorded. */
  readonly daemon: string;
  /** Records a use: a later daemon knows of it once this returns. Never throws. */
  add(state: UsedState): void;
  /**
   * The use of a state that was given by `daemon`. Undefined: it was not used. `unknown`: it may have been, since what
   * was recorded while that daemon ran, or after it, is not all there.
   */
  find(key: string, daemon: string): Pick<UsedState, "answers"> | "unknown" | undefined;
}
