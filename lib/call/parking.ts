/**
 * Whether a call waits for a client that has no request open for it: the client was asked by the answer to its request,
 * and answers with another one (MCP basic/patterns/mrtr). Until then the call's time stands still.
 */
export class Parking {
  /** Made for the first: few calls are ever parked, and each has a parking. */
  #watchers: Set<(isParked: boolean) => void> | undefined;
  readonly #onHurry: () => void;
  #sinceMs: number | undefined;
  #pausedMs = 0;
  #isHurried = false;

  /** @param onHurry called when others begin to wait for what the call holds, and each time it is parked after that */
  constructor(onHurry: () => void = () => {}) {
    this.#onHurry = onHurry;
  }

  get isParked(): boolean {
    return this.#sinceMs !== undefined;
  }

  /** Whether others wait for what the call holds, or have waited for it. */
  get isHurried(): boolean {
    return this.#isHurried;
  }

  /** How long it was parked so far, in milliseconds. */
  get pausedMs(): number {
    return this.#sinceMs === undefined ? this.#pausedMs : this.#pausedMs + performance.now() - this.#sinceMs;
  }

  /** How long it has been parked now, in milliseconds; 0: it is not. */
  get parkedForMs(): number {
    return this.#sinceMs === undefined ? 0 : performance.now() - this.#sinceMs;
  }

  /** The client has been asked. */
  park(): void {
    if (this.isParked) return;
    this.#sinceMs = performance.now();
    if (this.#isHurried) this.#onHurry();
    this.#tell(true);
  }

  /** The client has come back, or is waited for no longer. */
  resume(): void {
    if (!this.isParked) return;
    this.#pausedMs = this.pausedMs;
    this.#sinceMs = undefined;
    this.#tell(false);
  }

  /** Calls `watcher` at each change, until the returned object is disposed. */
  watch(watcher: (isParked: boolean) => void): Disposable {
    const watchers = this.#watchers ??= new Set();
    watchers.add(watcher);
    return { [Symbol.dispose]: () => void watchers.delete(watcher) };
  }

  /** Others wait for what the call holds: its client is waited for no longer than they can be asked to wait. */
  hurry(): void {
    if (this.#isHurried) return;
    this.#isHurried = true;
    this.#onHurry();
  }

  #tell(isParked: boolean): void {
    for (const watcher of [...this.#watchers ?? []]) watcher(isParked);
  }
}
