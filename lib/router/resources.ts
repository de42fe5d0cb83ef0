// @ts-types="@modelcontextprotocol/sdk/shared/uriTemplate"
import { UriTemplate } from "@modelcontextprotocol/sdk/shared/uriTemplate.js";
import { ExaiError } from "../base/errors.ts";
import type { Call } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Result } from "../wire/rpc.ts";
import type { Catalog } from "./catalog.ts";

/** Finds the server a resource belongs to, by the lists it stands in or the template it fits. */
export class ResourceFinder {
  readonly #catalog: Catalog;
  readonly #servers: () => readonly Server[];

  constructor(catalog: Catalog, servers: () => readonly Server[]) {
    this.#catalog = catalog;
    this.#servers = servers;
  }

  /**
   * Runs a call about the resource `uri` on its server. A server may know resources it does not list: for one that
   * stands nowhere, the servers that have resources are asked in turn, which does no harm as reading changes nothing.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`
   */
  async lead(call: Call, run: (server: Server) => Promise<Result>, uri = call.params.uri): Promise<Result> {
    if (typeof uri !== "string") throw new ExaiError("INVALID_PARAMS", "uri must be a text");
    const server = await this.#find(uri, call);
    if (server) return await run(server);
    for (const candidate of await this.#candidates(call)) {
      const result = await run(candidate);
      if (!result.error) return result;
    }
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

  async #candidates(call: Call): Promise<Server[]> {
    const listed = await this.#catalog.list("resources", call);
    const templates = await this.#catalog.list("templates", call);
    const having = new Set([...listed.values(), ...templates.values()].map(({ server }) => server));
    return this.#servers().filter((server) => having.has(server));
  }
}

function fits(template: string, uri: string): boolean {
  try {
    return new UriTemplate(template).match(uri) !== null;
  } catch {
    return false;
  }
}
