import { SECOND_MS } from "../base/units.ts";

interface RateLimiterOptions {
  /** What each key may take a second; 0: as much as it likes. */
  perSecond: number;
  /** Seconds' worth a key that was quiet may take at once. */
  burstSeconds: number;
  /** Keys remembered; of more of them the one asked about longest ago is forgotten. */
  maxKeys: number;
  /** Milliseconds of a clock that does not go back. */
  now?: () => number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** A token bucket for each key, in bounded memory. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #now: () => number;
  /** The one asked about longest ago first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Keys remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Whether `key` may take one more now. */
  has(key: string): boolean {
    return this.#options.perSecond === 0 || this.#bucket(key).left >= 1;
  }

  /** Takes one for `key`; false when it may not. */
  take(key: string): boolean {
    if (this.#options.perSecond === 0) return true;
    const bucket = this.#bucket(key);
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  #bucket(key: string): Bucket {
    const { perSecond, burstSeconds, maxKeys } = this.#options;
    const full = perSecond * burstSeconds;
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { left: full, atMs: now };
    bucket.left = Math.min(full, bucket.left + (now - bucket.atMs) * perSecond / SECOND_MS);
    bucket.atMs = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}
