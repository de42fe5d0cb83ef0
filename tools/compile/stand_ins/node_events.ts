type Listener = (...args: unknown[]) => void;

/**
 * Stands in for `node:events` in the bundle of the shim, with what is used of it there. The first module of Node.js that a
 * program loads costs 2 MB and 5 ms.
 */
export class EventEmitter {
  readonly #listeners = new Map<string, Listener[]>();

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, [...this.#of(event), listener]);
    return this;
  }

  prependListener(event: string, listener: Listener): this {
    this.#listeners.set(event, [listener, ...this.#of(event)]);
    return this;
  }

  once(event: string, listener: Listener): this {
    const once: Listener = (...args) => {
      this.off(event, once);
      listener(...args);
    };
    return this.on(event, once);
  }

  off(event: string, listener: Listener): this {
    this.#listeners.set(event, this.#of(event).filter((other) => other !== listener));
    return this;
  }

  emit(event: string, ...args: unknown[]): boolean {
    const listeners = this.#of(event);
    for (const listener of listeners) listener.apply(this, args);
    return listeners.length > 0;
  }

  listenerCount(event: string): number {
    return this.#of(event).length;
  }

  #of(event: string): readonly Listener[] {
    return this.#listeners.get(event) ?? [];
  }
}
