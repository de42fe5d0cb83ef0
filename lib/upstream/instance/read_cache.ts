import { monotonicNow } from "../../base/time.ts";
import { KIB, MIB } from "../../base/units.ts";
import { type Call, paramOf } from "../../call/call.ts";
import { believedTtlMs, type Freshness, freshnessHints, freshnessOf } from "../../call/freshness.ts";
import { changedResult } from "../../wire/raw_edits.ts";
import { rawResult, resultMember } from "../../wire/raw_message.ts";
import { type Params, withMember } from "../../wire/raw_object.ts";
import type { Result } from "../../wire/rpc.ts";

/** Characters kept for one server, those of the keys included: they hold the capabilities of callers. */
const MAX_CHARS = 4 * MIB;

/** About what a kept result takes beside its text and its key. */
const ENTRY_CHARS = KIB;

/** Params that a kept result does not depend on. */
const FREE = new Set(["uri", "_meta"]);

interface KeptRead {
  uri: string;
  result: Result;
  freshness: Freshness;
  chars: number;
}

/**
 * Results of `resources/read` that the server said may be kept (MCP server/utilities/caching). They are of one process,
 * and so of one authorization with its server, and are given only to callers of the same capabilities.
 */
export class ReadCache {
  /** The least recently read first. */
  readonly #kept = new Map<string, KeptRead>();
  #chars = 0;
  #changes = 0;

  /** How often something has changed: what was asked for before a change may be of before. */
  get changes(): number {
    return this.#changes;
  }

  /** The kept result for `call`, with the time that it may still be kept; undefined: the server is asked. */
  get(call: Call): Result | undefined {
    const key = keyOf(call);
    const kept = key === undefined ? undefined : this.#kept.get(key);
    if (!kept) return undefined;
    this.#kept.delete(key!);
    if (kept.freshness.untilMs <= monotonicNow()) {
      this.#chars -= kept.chars;
      return undefined;
    }
    this.#kept.set(key!, kept);
    return withTtl(kept.result, freshnessHints(kept.freshness).ttlMs);
  }

  /**
   * Keeps `result`, the answer to `call`, as long as the server allows, if nothing has changed since it was asked for;
   * returns it as the caller gets it.
   *
   * @param changes how many changes there were when it was asked for
   */
  note(call: Call, result: Result, changes = this.#changes): Result {
    if (changes === this.#changes) this.#keep(call, result);
    const given = result.error ? undefined : resultMember(result, "ttlMs");
    const ttlMs = believedTtlMs(given);
    return given === undefined || given === ttlMs ? result : withTtl(result, ttlMs);
  }

  #keep(call: Call, result: Result): void {
    if (result.error || resultMember(result, "ttlMs") === undefined) return;
    const key = keyOf(call);
    const textChars = rawResult(result)?.text.length;
    const [ttlMs, cacheScope] = ["ttlMs", "cacheScope"].map((name) => resultMember(result, name) ?? null);
    const freshness = freshnessOf({ ttlMs: ttlMs!, cacheScope: cacheScope! })!;
    const isComplete = (resultMember(result, "resultType") ?? "complete") === "complete";
    if (!isComplete || key === undefined || textChars === undefined) return;
    const chars = textChars + key.length + ENTRY_CHARS;
    if (chars > MAX_CHARS / 4 || freshness.untilMs <= monotonicNow()) return;
    this.#drop(key);
    this.#dropStale();
    this.#kept.set(key, { uri: String(paramOf(call, "uri")), result, freshness, chars });
    this.#chars += chars;
    for (const oldest of this.#kept.keys()) {
      if (this.#chars <= MAX_CHARS) break;
      this.#drop(oldest);
    }
  }

  /** The resource `uri` has changed, or one below it; undefined: any may have. */
  changed(uri?: string): void {
    this.#changes++;
    for (const [key, kept] of this.#kept) {
      if (uri === undefined || kept.uri === uri || kept.uri.startsWith(uri)) this.#drop(key);
    }
  }

  /** What is not read again would stay, and take the place of what is fresh. */
  #dropStale(): void {
    const nowMs = monotonicNow();
    for (const [key, { freshness }] of this.#kept) if (freshness.untilMs <= nowMs) this.#drop(key);
  }

  #drop(key: string): void {
    this.#chars -= this.#kept.get(key)?.chars ?? 0;
    this.#kept.delete(key);
  }
}

function withTtl(result: Result, ttlMs: number): Result {
  return changedResult(result, <P extends Params>(body: P) => withMember(body, "ttlMs", ttlMs) as P);
}

/** What the result of `call` depends on; undefined: it is not to be kept, as that of a retry. */
function keyOf(call: Call): string | undefined {
  const { method, caller, answers, body } = call;
  if (method !== "resources/read" || answers) return undefined;
  const names = body?.names ?? Object.keys(call.params);
  if (names.some((name) => !FREE.has(name))) return undefined;
  return JSON.stringify([paramOf(call, "uri") ?? null, caller.capabilities]);
}
