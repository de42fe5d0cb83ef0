import { resolvedWithin } from "../../base/abort.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Provider } from "../provider.ts";

interface ListedProvidersOptions {
  /** Read each time, so the configuration may change. */
  providers: () => readonly Provider[];
  /** Finds providers that come and go, such as a local Ollama. Called at once and on each refresh. */
  discover?: (signal: AbortSignal) => Promise<readonly Provider[]>;
}

/** How long a request waits for the lists of models before it uses the previous ones. */
const LIST_WAIT_MS = 3 * SECOND_MS;

/** The configured providers and those that were found, and how old their lists of models are. */
export class ListedProviders implements Disposable {
  readonly #options: ListedProvidersOptions;
  readonly #disposal = new AbortController();
  #discovered: readonly Provider[] = [];
  #discovery: Promise<void>;
  #refresh: Promise<void> | undefined;
  #refreshedAtMs = -Infinity;
  /** Incremented by each {@linkcode invalidate}, so that a refresh of the previous providers does not count. */
  #generation = 0;

  constructor(options: ListedProvidersOptions) {
    this.#options = options;
    this.#discovery = this.#discover(this.#disposal.signal);
  }

  get all(): readonly Provider[] {
    return [...this.#options.providers(), ...this.#discovered];
  }

  /** The time since the last complete refresh, in milliseconds; Infinity if there was none. */
  get ageMs(): number {
    return performance.now() - this.#refreshedAtMs;
  }

  /** Resolves when it is known whether there are providers that nobody has configured. */
  discovered(): Promise<void> {
    return this.#discovery;
  }

  /** Refreshes lists older than `maxAgeMs`, and waits for that at most `waitMs`. Concurrent requests share a refresh. */
  async ensure(maxAgeMs: number, waitMs = LIST_WAIT_MS): Promise<void> {
    const isListed = this.#refreshedAtMs > -Infinity;
    if (isListed && this.ageMs <= maxAgeMs) return;
    this.#refresh ??= this.refresh().finally(() => this.#refresh = undefined);
    await (waitMs === Infinity ? this.#refresh : resolvedWithin(this.#refresh, waitMs));
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    const disposed = this.#disposal.signal;
    const either = signal ? AbortSignal.any([signal, disposed]) : disposed;
    const generation = this.#generation;
    this.#discovery = this.#discover(either);
    await this.#discovery;
    await Promise.all(this.all.map((provider) => provider.refresh(either)));
    if (!either.aborted && generation === this.#generation) this.#refreshedAtMs = performance.now();
  }

  /** Marks the lists as outdated after the providers have changed; they are fetched when next needed. */
  invalidate(): void {
    this.#generation++;
    this.#refresh = undefined;
    this.#refreshedAtMs = -Infinity;
  }

  /** Aborts the requests in the background. */
  [Symbol.dispose](): void {
    this.#disposal.abort();
  }

  async #discover(signal: AbortSignal): Promise<void> {
    this.#discovered = await this.#options.discover?.(signal).catch(() => []) ?? [];
  }
}
