import { ExaiError } from "../base/errors.ts";
import type { Target } from "../call/call.ts";
import type { CallContextOfTry, RequestPlace, RoundTrips, StartedCall } from "../round_trips/round_trips.ts";
import type { ClientClaim } from "../wire/client_claim.ts";
import { thrownForEra } from "../wire/era_errors.ts";
import { discoverResult, modernCodec, type NeutralRequest } from "../wire/modern_codec.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import type { Implementation, InitializeResult } from "../wire/mcp.ts";
import { progressTokenOf, withTokenText } from "../wire/mcp.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { Session } from "./session.ts";
import type { ModernTenant } from "./modern_tenant.ts";
import type { ModernTenants } from "./modern_tenants.ts";

interface ModernPeerOptions {
  target: Target;
  roundTrips: RoundTrips;
  serverInfo: Implementation;
}

const NO_PARAMS = {};

/** Answers the requests of the modern era of one session, over any transport. */
export class ModernPeer {
  readonly #session: Session;
  readonly #tenants: ModernTenants;
  readonly #options: ModernPeerOptions;
  #nextId = 1;

  constructor(session: Session, tenants: ModernTenants, options: ModernPeerOptions) {
    this.#session = session;
    this.#tenants = tenants;
    this.#options = options;
  }

  /**
   * The answer to a request that `isModern`. Never rejects.
   *
   * @param signal aborted when the client has withdrawn the request
   */
  async answer(request: RawRequest, place: RequestPlace, signal: AbortSignal): Promise<Result> {
    try {
      const { method, body } = request;
      const decoded = modernCodec.decodeRequest({ method, body: body! });
      const tenant = this.#tenants.of(decoded.claim);
      const answer = await this.#run(method, { ...decoded, tenant, place, signal });
      const { serverInfo } = this.#options;
      const { capabilities } = decoded.claim;
      return modernCodec.encodeAnswer(answer, { method, serverInfo, capabilities });
    } catch (thrown) {
      return { error: thrownForEra(thrown, "modern") };
    }
  }

  async #run(
    method: string,
    about: NeutralRequest & { tenant: ModernTenant; place: RequestPlace; signal: AbortSignal },
  ): Promise<Result> {
    if (method === "server/discover") {
      const { result, error } = await this.#call({ ...about, method: "initialize", params: NO_PARAMS });
      return error ? { error } : { result: discoverResult(result as InitializeResult) };
    }
    const { params, answers } = about;
    return await this.#options.roundTrips.run({
      caller: about.tenant,
      method,
      params,
      answers,
      place: about.place,
      signal: about.signal,
      start: (context) => this.#start({ ...about, ...context, method, params }),
    });
  }

  async #call(about: {
    claim: ClientClaim;
    tenant: ModernTenant;
    place: RequestPlace;
    signal: AbortSignal;
    method: string;
    params: Params;
  }): Promise<Result> {
    const noQuestions = () =>
      Promise.reject(new ExaiError("METHOD_NOT_FOUND", "this client cannot be asked"));
    const context = { notify: about.place.notify, answers: undefined, ask: noQuestions };
    return await this.#start({ ...about, ...context }).result;
  }

  #start(
    { claim, tenant, method, params, notify, markBegun, ask, answers }:
      & CallContextOfTry
      & { claim: ClientClaim; tenant: ModernTenant; method: string; params: Params },
  ): StartedCall {
    const id = this.#nextId++;
    const token = params instanceof RawObject ? progressTokenOf(params) : undefined;
    const result = this.#session.calls.run(
      {
        id,
        space: "modern",
        method,
        params,
        progressToken: token?.value,
        logLevel: claim.logLevel,
        answers,
        begin: isIdempotent(method) ? undefined : markBegun,
        notify: (method, params) => {
          if (!modernCodec.hasNotification(method)) return;
          const isProgress = method === "notifications/progress" && token !== undefined;
          notify(method, isProgress ? withTokenText(params, token.text) : params);
        },
        ask,
      },
      tenant,
      this.#options.target,
    );
    return { result, cancel: (reason) => void this.#session.calls.cancel(id, reason, "modern") };
  }
}
