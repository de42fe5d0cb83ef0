/** How many calls run on something, or wait for it. */
export class CallCount {
  #size = 0;
  #none: PromiseWithResolvers<void> | undefined;

  get size(): number {
    return this.#size;
  }

  begin(): void {
    this.#size++;
  }

  end(): void {
    if (--this.#size > 0) return;
    this.#none?.resolve();
    this.#none = undefined;
  }

  /** Resolves when there is none, now or later. */
  none(): Promise<void> {
    return this.#size === 0 ? Promise.resolve() : (this.#none ??= Promise.withResolvers()).promise;
  }
}
