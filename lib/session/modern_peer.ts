import { ExaiError } from "../base/errors.ts";
import type { Caller, Target } from "../call/call.ts";
import { LISTS } from "../call/server.ts";
import type { CallTrace } from "../call/trace.ts";
import type { CallContextOfTry, RequestPlace, StartedCall } from "../round_trips/request.ts";
import type { RoundTrips } from "../round_trips/round_trips.ts";
import { thrownForEra } from "../wire/era_errors.ts";
import { discoverResult, modernCodec, type NeutralRequest } from "../wire/modern_codec.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import { type Implementation, type InitializeResult, type LogLevel, progressTokenOf } from "../wire/mcp.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { Session } from "./session.ts";
import type { WatchTasks } from "./honoured_listen.ts";
import { ListenRequests } from "./listen_requests.ts";
import { paramsForRequest } from "./modern_notifications.ts";
import type { ModernTenant } from "./modern_tenant.ts";
import type { ModernTenants } from "./modern_tenants.ts";

interface ModernPeerOptions {
  target: Target;
  roundTrips: RoundTrips;
  serverInfo: Implementation;
  /** Tells listens of tasks. Default: there are none. */
  watchTasks?: WatchTasks;
}

/** A call that begins: for a request, or one of the daemon's own. */
interface CallToStart extends CallContextOfTry {
  method: string;
  params: Params;
  token?: ReturnType<typeof progressTokenOf>;
  logLevel?: LogLevel;
}

const LIST_METHODS: ReadonlySet<string> = new Set(Object.values(LISTS).map(({ method }) => method));

const nothing = () => {};
const noQuestions = () =>
  Promise.reject(
    new ExaiError("METHOD_NOT_FOUND", "this client can be asked only in answer to its requests"),
  );

/** Where a request came from. */
interface ModernPlace extends RequestPlace {
  /** Called before the request of `caller` is run: throws an `ExaiError` where its door refuses it. */
  admit?(caller: Caller): Promise<void>;
}

/** A request, with what it says of its client. */
interface ModernRequest extends NeutralRequest {
  request: RawRequest;
  tenant: ModernTenant;
  place: ModernPlace;
  /** Aborted when the client has withdrawn the request. */
  signal: AbortSignal;
}

/** Answers the requests of the modern era of one session, over any transport. */
export class ModernPeer {
  readonly #session: Session;
  readonly #tenants: ModernTenants;
  readonly #options: ModernPeerOptions;
  readonly #listens: ListenRequests;
  #nextId = 1;

  constructor(session: Session, tenants: ModernTenants, options: ModernPeerOptions) {
    this.#session = session;
    this.#tenants = tenants;
    this.#options = options;
    this.#listens = new ListenRequests({
      listens: tenants.listens,
      call: (tenant, method, params, trace) => this.#call(tenant, method, params, { trace }),
      watchTasks: options.watchTasks,
    });
  }

  /**
   * The answer to a request that `isModern`, as its client gets it; that of `subscriptions/listen` comes when it ends.
   * Never rejects.
   *
   * @param signal aborted when the client has withdrawn the request
   */
  async answer(request: RawRequest, place: ModernPlace, signal: AbortSignal): Promise<Result> {
    try {
      const { method, body } = request;
      const decoded = modernCodec.decodeRequest({ method, body: body! });
      const { claim } = decoded;
      const tenant = this.#tenants.of(claim);
      const answer = await this.#used(tenant, this.#run({ ...decoded, request, tenant, place, signal }));
      const { serverInfo } = this.#options;
      return modernCodec.encodeAnswer(answer, { method, serverInfo, capabilities: claim.capabilities });
    } catch (thrown) {
      return { error: thrownForEra(thrown, "modern") };
    }
  }

  async #run({ request, claim, params, answers, tenant, place, signal }: ModernRequest): Promise<Result> {
    const { method } = request;
    if (place.admit) await place.admit(tenant);
    if (method === "subscriptions/listen") {
      const isRestored = this.#session.modern.earlier.delete(request.id);
      return await this.#listens.listen({ request, tenant, place, signal, isRestored });
    }
    if (method === "server/discover") {
      const { result, error } = await this.#call(tenant, "initialize", {}, { signal });
      return error ? { error } : { result: discoverResult(result as InitializeResult) };
    }
    const token = progressTokenOf(params);
    if (method === "tools/call") this.#session.callCount++;
    const { logLevel } = claim;
    return await this.#options.roundTrips.run({
      caller: tenant,
      method,
      params,
      answers,
      place: this.#placeFor({ token: token?.text, logLevel }, place),
      signal,
      start: (context) => {
        if (context.trace) context.trace.requestId = request.id;
        return this.#start(tenant, { ...context, method, params, token, logLevel });
      },
    });
  }

  /** A call may outlast the request it began with: each request is told what it wants itself. */
  #placeFor(wanted: Parameters<typeof paramsForRequest>[0], place: RequestPlace): RequestPlace {
    return {
      markBegun: (options) => place.markBegun?.(options),
      hold: () => place.hold?.(),
      notify: (method, params) => {
        const shown = paramsForRequest(wanted, method, params);
        if (shown) place.notify(method, shown);
      },
    };
  }

  /** Makes a call of the daemon's on behalf of `tenant`. */
  async #call(
    tenant: ModernTenant,
    method: string,
    params: Params,
    { signal, trace }: { signal?: AbortSignal; trace?: CallTrace },
  ): Promise<Result> {
    const call = { method, params, notify: nothing, ask: noQuestions, answers: undefined, trace };
    const { result, cancel } = this.#start(tenant, call);
    const onAbort = () => cancel(ExaiError.from(signal?.reason));
    signal?.addEventListener("abort", onAbort, { once: true });
    return await result.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  #start(
    tenant: ModernTenant,
    { method, params, notify, markBegun, ask, answers, parking, trace, token, logLevel }: CallToStart,
  ): StartedCall {
    const id = this.#nextId++;
    if (LIST_METHODS.has(method)) tenant.listed.add(method);
    const result = this.#session.calls.run(
      {
        id,
        space: "modern",
        method,
        params,
        progressToken: token?.value,
        logLevel,
        answers,
        parking,
        trace,
        begin: isIdempotent(method) ? undefined : markBegun,
        notify,
        ask,
      },
      tenant,
      this.#options.target,
    );
    return {
      result: this.#used(tenant, result),
      cancel: (reason) => void this.#session.calls.cancel(id, reason, "modern"),
    };
  }

  /** A tenant that is in use is not given up. */
  async #used(tenant: ModernTenant, work: Promise<Result>): Promise<Result> {
    tenant.uses++;
    try {
      return await work;
    } finally {
      tenant.uses--;
    }
  }
}
