// @ts-types="@modelcontextprotocol/sdk/shared/uriTemplate"
import { UriTemplate } from "@modelcontextprotocol/sdk/shared/uriTemplate.js";
import { deadline } from "@std/async/deadline";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import type { Call } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";
import type { Catalog, CatalogOptions } from "./catalog.ts";

/** Runs the call on the server that was found. */
type Run = (server: Server) => Promise<Result>;

/** Finds the server a resource belongs to, by the lists it stands in or the template it fits. */
export class ResourceFinder {
  readonly #catalog: Catalog;
  readonly #options: CatalogOptions;

  constructor(catalog: Catalog, options: CatalogOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  /**
   * Runs a call about the resource `uri` on its server. A server may know resources it does not list, as those a tool's
   * result links to: one that stands nowhere is looked for on the servers that have resources, those first that list
   * others of its scheme. Reading changes nothing and is tried in turn; a subscription is left with each that may mean.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`
   */
  async lead(call: Call, run: Run, uri = call.params.uri): Promise<Result> {
    if (typeof uri !== "string") throw new ExaiError("INVALID_PARAMS", "uri must be a text");
    const server = await this.#find(uri, call);
    if (server) return await run(server);
    const { likely, others } = await this.#candidates(uri, call);
    const attempt = (server: Server) => attempted(run(server), call.signal);
    const result = call.method.endsWith("subscribe")
      ? await firstOfAll(likely.length > 0 ? likely : others, attempt)
      : await firstInTurn([...likely, ...others], attempt);
    if (result) return result;
    throw new ExaiError("RESOURCE_NOT_FOUND", `there is no resource ${uri}; resources/list names them`, {
      details: { uri },
    });
  }

  async #find(uri: string, call: Call): Promise<Server | undefined> {
    const listed = await this.#catalog.find("resources", uri, call);
    if (listed) return listed.server;
    const exact = await this.#catalog.find("templates", uri, call);
    if (exact) return exact.server;
    for (const [template, entry] of await this.#catalog.list("templates", call)) {
      if (fits(template, uri)) return entry.server;
    }
    return undefined;
  }

  async #candidates(uri: string, call: Call): Promise<{ likely: Server[]; others: Server[] }> {
    const scheme = schemeOf(uri);
    const likely = new Set<Server>();
    for (const kind of ["resources", "templates"] as const) {
      for (const [key, { server }] of await this.#catalog.list(kind, call)) {
        if (schemeOf(key) === scheme) likely.add(server);
      }
    }
    const rest = this.#options.servers().filter((server) => !likely.has(server));
    const having = await Promise.all(rest.map((server) => this.#hasResources(server, call)));
    return { likely: [...likely], others: rest.filter((_, i) => having[i]) };
  }

  async #hasResources(server: Server, call: Call): Promise<boolean> {
    try {
      const asked = server.describe(call.caller, call.signal);
      return isObject((await deadline(asked, this.#options.deadlineMs)).capabilities.resources);
    } catch {
      return false;
    }
  }
}

function schemeOf(uri: string): string {
  return uri.slice(0, uri.indexOf(":") + 1).toLowerCase();
}

/** One bad server does not fail the others: what it throws is its answer, unless the caller has given up. */
async function attempted(running: Promise<Result>, signal: AbortSignal): Promise<Result> {
  try {
    return await running;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { error: toRpcError(thrown) };
  }
}

/** The first good result, one server after the other. */
async function firstInTurn(servers: readonly Server[], run: Run): Promise<Result | undefined> {
  for (const server of servers) {
    const result = await run(server);
    if (!result.error) return result;
  }
  return undefined;
}

/** The first good result, all servers at once. */
async function firstOfAll(servers: readonly Server[], run: Run): Promise<Result | undefined> {
  const good = servers.map(async (server) => {
    const result = await run(server);
    return result.error ? Promise.reject(result.error) : result;
  });
  return await Promise.any(good).catch(() => undefined);
}

function fits(template: string, uri: string): boolean {
  try {
    return new UriTemplate(template).match(uri) !== null;
  } catch {
    return false;
  }
}
