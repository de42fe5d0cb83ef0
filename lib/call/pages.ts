import { withDeadline } from "../base/abort.ts";
import type { JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { exactResult } from "../wire/raw_message.ts";
import type { Result } from "../wire/rpc.ts";
import { type Freshness, freshnessOf, leastFresh } from "./freshness.ts";
import { measure } from "./measure.ts";

/** Limits on one list of a peer. */
interface PageLimits {
  maxPages: number;
  maxEntries: number;
  /** Of the entries' JSON, and of the cursors, in UTF-16 code units. */
  maxChars: number;
  /** Total time for the pages after the first. */
  timeoutMs: number;
}

const LIMITS: PageLimits = {
  maxPages: 500,
  maxEntries: 10_000,
  maxChars: 16 * MIB,
  timeoutMs: 30 * SECOND_MS,
};

/** A whole list, or the part within the limits. */
interface Pages {
  /** As they were sent, not validated, with their numbers as they came: see `exactJson`. */
  entries: JsonObject[];
  /** Why the list ends before its sender says so; undefined for a whole one. */
  fault?: string;
  /** How long all pages may be kept; undefined when one does not say, as in the legacy era. */
  freshness?: Freshness;
}

/** Asks for one page. */
type AskPage = (params: JsonObject) => Promise<Result>;

/**
 * Every page of a list (MCP server/utilities/pagination), within `limits`: neither the number nor the size of the pages
 * can be trusted. Ends at a limit or at a repeated cursor, with the entries read until then. An empty string is a valid
 * cursor.
 *
 * @throws {Error} when the first page is refused, or a later one cannot be asked for
 */
export async function allPages(
  ask: AskPage,
  { method, field }: { method: string; field: string },
  limits: Partial<PageLimits> = {},
): Promise<Pages> {
  const first = await ask({});
  if (first.error) throw new Error(`${method}: ${first.error.message}`);
  const reading = new ListReading(field, { ...LIMITS, ...limits });
  let cursor = reading.take(exactResult(first));
  while (cursor !== undefined) {
    const page = await reading.inTime(ask({ cursor }));
    if (page === undefined) break;
    cursor = page.error
      ? reading.stop(`the next page was refused: ${page.error.message}`)
      : reading.take(exactResult(page));
  }
  return reading.whole;
}

/** A list that is being read. */
class ListReading {
  readonly pages: Pages = { entries: [] };
  readonly #field: string;
  readonly #limits: PageLimits;
  readonly #cursors = new Set<string>();
  readonly #begunAtMs = monotonicNow();
  readonly #freshness: (Freshness | undefined)[] = [];
  #pageCount = 0;
  #chars = 0;

  constructor(field: string, limits: PageLimits) {
    this.#field = field;
    this.#limits = limits;
  }

  /** What was read. */
  get whole(): Pages {
    return { ...this.pages, freshness: leastFresh(this.#freshness) };
  }

  /** Adds one page; returns the cursor of the next. */
  take(page: JsonObject): string | undefined {
    this.#freshness.push(freshnessOf(page));
    const { maxEntries, maxPages, maxChars } = this.#limits;
    const { [this.#field]: entries, nextCursor } = page;
    if (entries === undefined && nextCursor === undefined) return undefined;
    if (!Array.isArray(entries)) return this.stop(`${this.#field} is no array`);
    const { entries: taken } = this.pages;
    // Not spread: a page may hold more entries than a function takes arguments.
    for (const entry of entries) {
      if (taken.length >= maxEntries) return this.stop(`it has more than ${maxEntries} entries`);
      const chars = measure(entry, { maxDepth: Infinity, maxChars: maxChars - this.#chars });
      if (typeof chars === "string") return this.stop(`it holds more than ${maxChars / MIB} MiB`);
      this.#chars += chars;
      taken.push(entry as JsonObject);
    }
    if (nextCursor === undefined || nextCursor === null) return undefined;
    if (typeof nextCursor !== "string") return this.stop("nextCursor is no text");
    if (this.#cursors.has(nextCursor)) return this.stop("it gave the same cursor twice");
    this.#chars += nextCursor.length;
    this.#cursors.add(nextCursor);
    if (++this.#pageCount >= maxPages) return this.stop(`it has more than ${maxPages} pages`);
    return nextCursor;
  }

  /** The page, unless the time for the whole list ends before it arrives. */
  async inTime(asked: Promise<Result>): Promise<Result | undefined> {
    const { timeoutMs } = this.#limits;
    const remainingMs = Math.max(0, this.#begunAtMs + timeoutMs - monotonicNow());
    try {
      return await withDeadline(asked, { timeoutMs: remainingMs });
    } catch (thrown) {
      if (!(thrown instanceof DOMException && thrown.name === "TimeoutError")) throw thrown;
      asked.catch(() => {});
      this.stop(`its pages took longer than ${timeoutMs / SECOND_MS} s`);
      return undefined;
    }
  }

  /** Cuts the list here, with the reason. */
  stop(why: string): undefined {
    this.pages.fault = `the list is cut after ${this.pages.entries.length} entries: ${why}`;
  }
}
