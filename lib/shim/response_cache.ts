import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import { META } from "../wire/client_claim.ts";
import { responseBody } from "../wire/peek.ts";
import { isIdempotentTool } from "../wire/idempotency.ts";

/** Requests whose responses are cached, to be given while there is no daemon. */
const CACHED_METHODS = [
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
];

/** What of `_meta` decides about the answer: who asks. */
const CLAIM_NAMES = [META.revision, META.client, META.capabilities];

const MAX_CACHED_CHARS = 4 * MIB;

/** The identity of a request: its method, and its parameters with nothing in `_meta` but who asks. */
interface CachedQuery {
  method: string;
  params: JsonObject;
}

/** Whether a request says who asks (MCP basic, per-request protocol fields), and so needs no `initialize`. */
export function isClaimed({ params }: CachedQuery): boolean {
  return params._meta !== undefined;
}

/** The last responses to the client's requests for lists, and for what there is, as text that is parsed only after the daemon has ended. */
export class ResponseCache {
  readonly #bodies = new Map<string, string>();
  #chars = 0;

  /** Caches the response to `request`, if that is such a request. */
  note(
    request: { method: string; text: string },
    answer: { text: string },
  ): void {
    const query = this.queryOf(request);
    if (query) this.put(query, responseBody(answer.text));
  }

  /** Caches `body` for `query`. A new first page drops the other pages of its list, whose cursors it replaces. */
  put(query: CachedQuery, body: string): void {
    if (query.params.cursor === undefined) {
      for (const cached of this.queries()) if (isOfOneList(cached, query)) this.#drop(keyOf(cached));
    }
    const key = keyOf(query);
    this.#drop(key);
    if (this.#chars + body.length > MAX_CACHED_CHARS) return;
    this.#bodies.set(key, body);
    this.#chars += body.length;
  }

  /** The identity of `request`; undefined when such requests are not cached. */
  queryOf({ method, text }: { method: string; text: string }): CachedQuery | undefined {
    if (!CACHED_METHODS.includes(method)) return undefined;
    const { _meta, ...params } = JSON.parse(text).params ?? {};
    if (!isObject(_meta) || _meta[META.revision] === undefined) return { method, params };
    const claim = Object.fromEntries(CLAIM_NAMES.map((name) => [name, _meta[name]]));
    return { method, params: { ...params, _meta: claim } };
  }

  /** The cached response to a query, without its id. */
  get(query: CachedQuery): string | undefined {
    return this.#bodies.get(keyOf(query));
  }

  /** The requests with a cached response. */
  queries(): CachedQuery[] {
    return [...this.#bodies.keys()].map((key) => {
      const [method, params] = JSON.parse(key);
      return { method, params };
    });
  }

  /** Whether the tool `name` may be called twice, by its annotations in the cached list (MCP server/tools). */
  isSafeToRepeat(name: Json | undefined): boolean {
    for (const query of this.queries().filter(({ method }) => method === "tools/list")) {
      const tools: Json = JSON.parse(`{${this.get(query)}`).result?.tools;
      const tool = Array.isArray(tools) && tools.find((tool) => isObject(tool) && tool.name === name);
      if (tool) return isIdempotentTool(tool);
    }
    return false;
  }

  #drop(key: string): void {
    this.#chars -= this.#bodies.get(key)?.length ?? 0;
    this.#bodies.delete(key);
  }
}

function isOfOneList(a: CachedQuery, b: CachedQuery): boolean {
  return a.method === b.method && JSON.stringify(a.params._meta) === JSON.stringify(b.params._meta);
}

function keyOf({ method, params }: CachedQuery): string {
  return JSON.stringify([method, params]);
}
