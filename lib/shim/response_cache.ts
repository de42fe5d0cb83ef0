import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import { type PeekedResponse, responseBody } from "../wire/peek.ts";
import { isIdempotentTool } from "../wire/idempotency.ts";

/** Requests whose answers are kept, so that they can be given while the daemon is away. */
const LIST_METHODS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

const MAX_CACHED_CHARS = 4 * MIB;

/** A list request as its method and parameters make it out; progress tokens and the like play no part. */
interface ListQuery {
  method: string;
  params: JsonObject;
}

/** The last answers to the client's list requests, as text: parsed only if the daemon goes away. */
export class ResponseCache {
  readonly #bodies = new Map<string, string>();
  #chars = 0;

  /** Keeps the answer to `request`, if it is a list. */
  note(
    request: { method: string; text: string },
    answer: { text: string; response: PeekedResponse },
  ): void {
    if (!LIST_METHODS.includes(request.method)) return;
    this.put(queryOf(request), responseBody(answer.text, answer.response));
  }

  /** Keeps `body` for `query`. A new first page makes the other pages of its list useless. */
  put(query: ListQuery, body: string): void {
    if (query.params.cursor === undefined) {
      for (const kept of this.queries()) if (kept.method === query.method) this.#drop(keyOf(kept));
    }
    const key = keyOf(query);
    this.#drop(key);
    if (this.#chars + body.length > MAX_CACHED_CHARS) return;
    this.#bodies.set(key, body);
    this.#chars += body.length;
  }

  /** The kept answer to a request, without its id. */
  find(request: { method: string; text: string }): string | undefined {
    return LIST_METHODS.includes(request.method) ? this.get(queryOf(request)) : undefined;
  }

  get(query: ListQuery): string | undefined {
    return this.#bodies.get(keyOf(query));
  }

  /** What is kept. */
  queries(): ListQuery[] {
    return [...this.#bodies.keys()].map((key) => {
      const [method, params] = JSON.parse(key);
      return { method, params };
    });
  }

  /** Whether the daemon's list says that calling the tool `name` again does no harm. */
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
