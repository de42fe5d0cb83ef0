// @ts-types="@modelcontextprotocol/sdk/shared/uriTemplate"
import { UriTemplate } from "@modelcontextprotocol/sdk/shared/uriTemplate.js";
import { resolvedWithin, withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, textOf } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { ownUri } from "../call/scoped_uris.ts";
import { type Call, derive, paramOf } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { beginWait, waitingFor } from "../call/wait.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result, RpcError } from "../wire/rpc.ts";
import type { Catalog, CatalogOptions } from "./catalog.ts";
import { withPublicResources } from "./scoped_results.ts";

/** Runs a call on the server that was found. */
type RunOnServer = (server: Server, call: Call) => Promise<Result>;

/** Finds the server of a resource, by the lists that contain it or the template it matches. */
export class ResourceFinder {
  readonly #catalog: Catalog;
  readonly #options: CatalogOptions;

  constructor(catalog: Catalog, options: CatalogOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  /**
   * Runs a call about the resource `uri` on its server. Servers that list it, or have a template it matches, are tried in
   * turn until one has it. Servers may have resources they do not list, as those that a tool's result links to: an
   * unlisted one is looked for on all servers with resources, first on those that list others of its scheme. The scheme
   * of {@linkcode Server.ownScheme} is requested from that server alone. A subscription is sent to all candidates at
   * once. The error of a server is returned, unless another server has the resource; a slow server does not delay others.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`
   */
  async lead(call: Call, run: RunOnServer, uri = paramOf(call, "uri")): Promise<Result> {
    if (typeof uri !== "string") throw new ExaiError("INVALID_PARAMS", "uri must be a text");
    using attempts = new Attempts(run, call, answerMsOf(this.#options));
    return await this.#run(call, attempts, uri);
  }

  async #run(call: Call, attempts: Attempts, uri: string): Promise<Result> {
    const scheme = schemeOf(uri);
    const scoped = ownUri(uri);
    const owner = this.#options.servers().find(({ name, ownScheme }) =>
      ownScheme === scheme || name === scoped?.server
    );
    if (owner) {
      await attempts.one(owner);
      return attempts.outcome(uri);
    }
    const listed = await this.#catalog.find("resources", uri, call);
    // A listed resource is requested from no other server, also if it fails.
    if (listed && (await attempts.one(listed.server) || attempts.fault)) return attempts.outcome(uri);
    const fitting = [
      ...await this.#catalog.offering("resources", (key) => key === uri, call),
      ...await this.#catalog.offering("templates", (key) => key === uri || fits(key, uri), call),
    ];
    if (await attempts.some(fitting)) return attempts.outcome(uri);
    if (attempts.fault) return attempts.outcome(uri);
    const { likely, others } = await this.#candidates(uri, call);
    const isAlone = likely.length + others.length === 1;
    if (await attempts.some(likely)) return attempts.outcome(uri);
    // Errors of servers that are only a guess are ignored.
    if (!(call.method.endsWith("subscribe") && likely.length > 0)) {
      await attempts.some(others, { isGuess: !isAlone });
    }
    return attempts.outcome(uri);
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
      const asked = withDeadline(described, { timeoutMs: answerMsOf(this.#options) });
      const wait = () => server.waitOf?.(call.caller) ?? `server "${server.name}" to say what it offers`;
      return isObject((await waitingFor(call, wait, asked)).capabilities.resources);
    } catch {
      return false;
    }
  }
}

/** Runs `call` with the URI that `server` itself gave a resource, and its result with the one the client knows. */
async function runWithOwnUri(run: RunOnServer, server: Server, call: Call): Promise<Result> {
  const ref = call.method === "completion/complete" ? paramOf(call, "ref") : undefined;
  const uri = textOf(isObject(ref) ? ref.uri : paramOf(call, "uri"));
  const own = uri === undefined ? undefined : ownUri(uri);
  if (own?.server !== server.name) return await run(server, call);
  const params = isObject(ref) ? { ref: { ...ref, uri: own.uri } } : { uri: own.uri };
  const result = await run(server, derive(call, { params: { ...call.params, ...params } }));
  return result.error ? result : withPublicResources(result, server.name);
}

function answerMsOf({ answerMs, deadlineMs }: CatalogOptions): number {
  return answerMs ?? deadlineMs;
}

function schemeOf(uri: string): string {
  return uri.slice(0, uri.indexOf(":") + 1).toLowerCase();
}

/** One call, tried on one server after another. */
class Attempts implements Disposable {
  /** The first error of a server other than that it does not have the resource. */
  fault: RpcError | undefined;
  readonly #run: RunOnServer;
  readonly #call: Call;
  readonly #isSubscription: boolean;
  /** How long one server may take before the next is tried as well, in milliseconds. */
  readonly #deadlineMs: number;
  readonly #ended = new AbortController();
  readonly #tried = new Set<Server>();
  /** Servers that have not answered yet. */
  readonly #pending = new Set<Server>();
  #good: Result | undefined;
  #notFound: RpcError | undefined;
  /** What was thrown for {@linkcode fault}, whose code it has. */
  #thrown: unknown;

  constructor(run: RunOnServer, call: Call, deadlineMs: number) {
    this.#run = run;
    this.#isSubscription = call.method.endsWith("subscribe");
    this.#deadlineMs = deadlineMs;
    // A late subscription is still valid, and is not cancelled.
    const signal = this.#isSubscription ? call.signal : AbortSignal.any([call.signal, this.#ended.signal]);
    this.#call = derive(call, { signal });
  }

  /** Cancels the pending requests. */
  [Symbol.dispose](): void {
    this.#ended.abort(new ExaiError("CANCELLED", "another server has answered"));
  }

  /**
   * Whether one of `servers` accepts the call. A subscription is tried on all at once, another call on the next server
   * when the one before has refused it or is slow.
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
    const wait = () => `${Array.from(this.#pending, ({ name }) => `server "${name}"`).join(", ")} to answer`;
    using _wait = this.#pending.size > 0 ? beginWait(this.#call, wait) : undefined;
    return await untilOne(begun);
  }

  /** Whether `server` accepts the call. Its errors are recorded, unless the call was cancelled. */
  async one(server: Server, { isGuess = false } = {}): Promise<boolean> {
    if (this.#tried.has(server)) return false;
    this.#tried.add(server);
    this.#pending.add(server);
    let result: Result;
    try {
      result = await runWithOwnUri(this.#run, server, this.#call);
    } catch (thrown) {
      if (this.#call.signal.aborted) throw thrown;
      result = { error: toRpcError(thrown) };
      if (!isNotFound(result.error) && !isGuess && !this.fault) this.#thrown = thrown;
    } finally {
      this.#pending.delete(server);
    }
    const { error } = result;
    if (error === undefined) this.#good ??= result;
    else if (isNotFound(error)) this.#notFound ??= isGuess ? undefined : error;
    else if (!isGuess) this.fault ??= error;
    return error === undefined;
  }

  /** @throws {ExaiError} what a server threw; `RESOURCE_NOT_FOUND` when no server has the resource */
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

const REFUSED = Symbol("refused");

/** Resolves with true once one of `tries` does, with false when none does. */
function untilOne(tries: readonly Promise<boolean>[]): Promise<boolean> {
  const wins = tries.map((tried) => tried.then((taken) => taken || Promise.reject(REFUSED)));
  return Promise.any(wins).catch(({ errors }: AggregateError) => {
    const thrown = errors.find((error) => error !== REFUSED);
    if (thrown !== undefined) throw thrown;
    return false;
  });
}

/** Whether a server does not have the resource: by the code of MCP, or by "invalid params". */
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
