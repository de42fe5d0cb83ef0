import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import { responseBody } from "../wire/peek.ts";
import { isIdempotentTool } from "../wire/idempotency.ts";

/** Requests whose responses are cached, to be given while there is no daemon. */
const LIST_METHODS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

const MAX_CACHED_CHARS = 4 * MIB;

/** The identity of a list request: its method and parameters without `_meta`. */
interface ListQuery {
  method: string;
  params: JsonObject;
}

/** The last responses to the client's list requests, as text that is parsed only after the daemon has ended. */
export class ResponseCache {
  readonly #bodies = new Map<string, string>();
  #chars = 0;

  /** Caches the response to `request`, if that is a list request. */
  note(
    request: { method: string; text: string },
    answer: { text: string },
  ): void {
    if (!LIST_METHODS.includes(request.method)) return;
    this.put(queryOf(request), responseBody(answer.text));
  }

  /** Caches `body` for `query`. A new first page drops the other pages of its list, whose cursors it replaces. */
  put(query: ListQuery, body: string): void {
    if (query.params.cursor === undefined) {
      for (const cached of this.queries()) if (cached.method === query.method) this.#drop(keyOf(cached));
    }
    const key = keyOf(query);
    this.#drop(key);
    if (this.#chars + body.length > MAX_CACHED_CHARS) return;
    this.#bodies.set(key, body);
    this.#chars += body.length;
  }

  /** The cached response to a request, without its id. */
  find(request: { method: string; text: string }): string | undefined {
    return LIST_METHODS.includes(request.method) ? this.get(queryOf(request)) : undefined;
  }

  get(query: ListQuery): string | undefined {
    return this.#bodies.get(keyOf(query));
  }

  /** The requests with a cached response. */
  queries(): ListQuery[] {
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

function queryOf(request: { method: string; text: string }): ListQuery {
  const params = JSON.parse(request.text).params ?? {};
  const { _meta: _, ...rest } = params;
  return { method: request.method, params: rest };
}

function keyOf({ method, params }: ListQuery): string {
  return JSON.stringify([method, params]);
}
