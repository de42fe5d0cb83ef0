import { SECOND_MS } from "../base/units.ts";

interface RateLimiterOptions {
  /** Tokens per second and key; 0: unlimited. */
  perSecond: number;
  /** Capacity of a bucket, in seconds' worth of tokens. */
  burstSeconds: number;
  /** Buckets kept; beyond that the least recently used one is dropped. */
  maxKeys: number;
  /** A monotonic clock, in milliseconds. */
  now?: () => number;
}

interface Bucket {
  tokens: number;
  updatedMs: number;
}

/**
 * A token bucket per key, in bounded memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { RateLimiter } from "./rate_limiter.ts";
 *
 * const limiter = new RateLimiter({ perSecond: 2, burstSeconds: 1, maxKeys: 100, now: () => 0 });
 * assertEquals([limiter.take("a"), limiter.take("a"), limiter.take("a")], [true, true, false]);
 * assertEquals(limiter.take("b"), true);
 * ```
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #now: () => number;
  /** The least recently used first. (A Map is enough for this: lru-cache takes 150 KB up front for 4096 keys.) */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The number of buckets. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Whether `key` has a token. */
  has(key: string): boolean {
    return this.#options.perSecond === 0 || this.#bucket(key).tokens >= 1;
  }

  /** Takes a token of `key`; false when it has none. */
  take(key: string): boolean {
    if (this.#options.perSecond === 0) return true;
    const bucket = this.#bucket(key);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #bucket(key: string): Bucket {
    const { perSecond, burstSeconds, maxKeys } = this.#options;
    const capacity = perSecond * burstSeconds;
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: capacity, updatedMs: now };
    bucket.tokens = Math.min(capacity, bucket.tokens + (now - bucket.updatedMs) * perSecond / SECOND_MS);
    bucket.updatedMs = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}

/**
 * The key that the attempts of a client are counted under: its IPv4 address; the /64 network of its IPv6 address, since
 * one machine may have any number of addresses in it; one key for all clients of the Unix socket, which only programs of
 * the daemon's user can reach.
 */
export function rateLimitKeyOf(address: Deno.Addr): string {
  if (address.transport !== "tcp" && address.transport !== "udp") return "socket";
  const { hostname } = address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname);
  if (mapped) return mapped[1]!;
  if (!hostname.includes(":")) return hostname;
  return hostname === "::1" ? hostname : networkOf(hostname);
}

/** The first 64 bits of an IPv6 address. */
function networkOf(address: string): string {
  const [head = "", tail = ""] = address.split("%")[0]!.split("::");
  const front = head.split(":").filter((part) => part !== "");
  const back = tail.split(":").filter((part) => part !== "");
  const gap = address.includes("::") ? Math.max(0, 8 - front.length - back.length) : 0;
  const groups = [...front, ...new Array<string>(gap).fill("0"), ...back];
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}
