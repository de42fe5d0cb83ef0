/** What has come and was not taken yet. */
export class ArrivalQueue<T> {
  readonly #arrived: T[] = [];
  readonly #takers = new Set<PromiseWithResolvers<T>>();

  put(one: T): void {
    const [taker] = this.#takers;
    if (!taker) return void this.#arrived.push(one);
    this.#takers.delete(taker);
    taker.resolve(one);
  }

  /** The next one; once `signal` is aborted it is left for who asks next. */
  next(signal?: AbortSignal): Promise<T> {
    const one = this.#arrived.shift();
    if (one !== undefined) return Promise.resolve(one);
    const taker = Promise.withResolvers<T>();
    this.#takers.add(taker);
    signal?.addEventListener("abort", () => this.#takers.delete(taker) && taker.reject(signal.reason));
    return taker.promise;
  }
}
