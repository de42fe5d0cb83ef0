// @ts-types="@modelcontextprotocol/sdk/shared/uriTemplate"
import { UriTemplate } from "@modelcontextprotocol/sdk/shared/uriTemplate.js";
import { resolvedWithin, withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { type Call, derive } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { beginWait, waitingFor } from "../call/wait.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result, RpcError } from "../wire/rpc.ts";
import type { Catalog, CatalogOptions } from "./catalog.ts";

/** Runs a call on the server that was found. */
type RunOnServer = (server: Server, call: Call) => Promise<Result>;

/** Finds the server a resource belongs to, by the lists it stands in or the template it fits. */
export class ResourceFinder {
  readonly #catalog: Catalog;
  readonly #options: CatalogOptions;

  constructor(catalog: Catalog, options: CatalogOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  /**
   * Runs a call about the resource `uri` on its server. Several servers may list it or have a template it fits: each is
   * asked in turn until one knows it. A server may also know resources it does not list, as those a tool's result links
   * to: one that stands nowhere is looked for on the servers that have resources, those first that list others of its
   * scheme. A scheme that is one server's own is asked of nobody else. Reading changes nothing and is tried in turn; a subscription is left with each that may mean. A server's
   * own error is passed on, unless another server knows the resource. One that does not answer holds up no other.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`
   */
  async lead(call: Call, run: RunOnServer, uri = call.params.uri): Promise<Result> {
    if (typeof uri !== "string") throw new ExaiError("INVALID_PARAMS", "uri must be a text");
    using tries = new Tries(run, call, this.#options.deadlineMs);
    return await this.#lead(call, tries, uri);
  }

  async #lead(call: Call, tries: Tries, uri: string): Promise<Result> {
    const scheme = schemeOf(uri);
    const owner = this.#options.servers().find(({ ownScheme }) => ownScheme === scheme);
    if (owner) {
      await tries.one(owner);
      return tries.outcome(uri);
    }
    const listed = await this.#catalog.find("resources", uri, call);
    // Nobody else is meant by what one server lists, whatever becomes of it there.
    if (listed && (await tries.one(listed.server) || tries.fault)) return tries.outcome(uri);
    const fitting = [
      ...await this.#catalog.offering("resources", (key) => key === uri, call),
      ...await this.#catalog.offering("templates", (key) => key === uri || fits(key, uri), call),
    ];
    if (await tries.some(fitting)) return tries.outcome(uri);
    if (tries.fault) return tries.outcome(uri);
    const { likely, others } = await this.#candidates(uri, call);
    const isAlone = likely.length + others.length === 1;
    if (await tries.some(likely)) return tries.outcome(uri);
    // What a server says that was only guessed at is worth nothing beside others.
    if (!(call.method.endsWith("subscribe") && likely.length > 0)) {
      await tries.some(others, { isGuess: !isAlone });
    }
    return tries.outcome(uri);
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
      const described = server.describe(call.caller, call.signal);
      const asked = withDeadline(described, { timeoutMs: this.#options.deadlineMs });
      const wait = () => server.waitOf?.(call.caller) ?? `server "${server.name}" to say what it offers`;
      return isObject((await waitingFor(call, wait, asked)).capabilities.resources);
    } catch {
      return false;
    }
  }
}

function schemeOf(uri: string): string {
  return uri.slice(0, uri.indexOf(":") + 1).toLowerCase();
}

/** One call, tried on one server after the other. */
class Tries implements Disposable {
  /** The first error of a server that is about more than that it does not know the resource. */
  fault: RpcError | undefined;
  readonly #run: RunOnServer;
  readonly #call: Call;
  readonly #isSubscription: boolean;
  /** How long one server may take before others are asked beside it, in milliseconds. */
  readonly #deadlineMs: number;
  readonly #ended = new AbortController();
  readonly #tried = new Set<Server>();
  /** Servers that have not answered yet. */
  readonly #open = new Set<Server>();
  #good: Result | undefined;
  #notFound: RpcError | undefined;
  /** What was thrown for {@linkcode fault}, whose code it has. */
  #thrown: unknown;

  constructor(run: RunOnServer, call: Call, deadlineMs: number) {
    this.#run = run;
    this.#isSubscription = call.method.endsWith("subscribe");
    this.#deadlineMs = deadlineMs;
    // A subscription that comes late is one all the same.
    const signal = this.#isSubscription ? call.signal : AbortSignal.any([call.signal, this.#ended.signal]);
    this.#call = derive(call, { signal });
  }

  /** Takes back what is still asked: the call has its answer. */
  [Symbol.dispose](): void {
    this.#ended.abort(new ExaiError("CANCELLED", "another server has answered"));
  }

  /**
   * Whether one of `servers` takes the call; a subscription is tried on all at once, anything else on each that comes
   * next when the one before has refused it, or is late.
   */
  async some(servers: readonly Server[], options: { isGuess?: boolean } = {}): Promise<boolean> {
    const begun: Promise<boolean>[] = [];
    const begin = (server: Server) => {
      const tried = this.one(server, options);
      tried.catch(() => {});
      begun.push(tried);
      return tried;
    };
    if (this.#isSubscription) {
      for (const server of servers) begin(server);
      await resolvedWithin(Promise.all(begun), this.#deadlineMs);
    } else {
      for (const server of servers) {
        const tried = begin(server);
        const taken = await resolvedWithin(Promise.race([tried, untilOne(begun)]), this.#deadlineMs);
        if (taken) return true;
      }
    }
    const wait = () => `${Array.from(this.#open, ({ name }) => `server "${name}"`).join(", ")} to answer`;
    using _wait = this.#open.size > 0 ? beginWait(this.#call, wait) : undefined;
    return await untilOne(begun);
  }

  /** Whether `server` takes the call. One bad server does not fail the others, unless the caller has given up. */
  async one(server: Server, { isGuess = false } = {}): Promise<boolean> {
    if (this.#tried.has(server)) return false;
    this.#tried.add(server);
    this.#open.add(server);
    let result: Result;
    try {
      result = await this.#run(server, this.#call);
    } catch (thrown) {
      if (this.#call.signal.aborted) throw thrown;
      result = { error: toRpcError(thrown) };
      if (!isNotFound(result.error) && !isGuess && !this.fault) this.#thrown = thrown;
    } finally {
      this.#open.delete(server);
    }
    const { error } = result;
    if (error === undefined) this.#good ??= result;
    else if (isNotFound(error)) this.#notFound ??= isGuess ? undefined : error;
    else if (!isGuess) this.fault ??= error;
    return error === undefined;
  }

  /** @throws {ExaiError} what a server threw; `RESOURCE_NOT_FOUND` when none said anything better */
  outcome(uri: string): Result {
    if (this.#good) return this.#good;
    if (this.#thrown !== undefined) throw this.#thrown;
    const error = this.fault ?? this.#notFound;
    if (error) return { error };
    throw new ExaiError(
      "RESOURCE_NOT_FOUND",
      `there is no resource ${quoteName(uri)}; resources/list names them`,
      {
        details: { uri },
      },
    );
  }
}

/** Resolves with true once one of `tries` does, with false once none will. */
function untilOne(tries: readonly Promise<boolean>[]): Promise<boolean> {
  const wins = tries.map((tried) => tried.then((taken) => taken || Promise.reject(REFUSED)));
  return Promise.any(wins).catch(({ errors }: AggregateError) => {
    const thrown = errors.find((error) => error !== REFUSED);
    if (thrown !== undefined) throw thrown;
    return false;
  });
}

const REFUSED = Symbol("refused");

/** As servers say that they do not know a resource: by MCP's own code, or as a parameter that makes no sense. */
function isNotFound({ code }: RpcError): boolean {
  return code === -32002 || code === -32602;
}

function fits(template: string, uri: string): boolean {
  try {
    return new UriTemplate(template).match(uri) !== null;
  } catch {
    return false;
  }
}
